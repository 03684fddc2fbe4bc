# The kernel tables of include/thinc_core/kernels.h as Cython sees them: one field per line of kernels.def.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "thinc_core/kernels.h" namespace "thinc" nogil:
    cdef cppclass Kernels[T]:
        void (*relu)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_relu)(T* dX, const T* dY, const T* Y, size_t n) noexcept nogil
        void (*mish)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_mish)(T* dX, const T* dY, const T* X, size_t n) noexcept nogil
        void (*gelu)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_gelu)(T* dX, const T* dY, const T* X, size_t n) noexcept nogil
        void (*gelu_approx)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_gelu_approx)(T* dX, const T* dY, const T* X, size_t n) noexcept nogil
        void (*erf)(T* Y, const T* X, size_t n) noexcept nogil
        void (*sechsq)(T* Y, const T* X, size_t n) noexcept nogil
        void (*dsigmoid)(T* Y, const T* X, size_t n) noexcept nogil
        void (*dtanh)(T* Y, const T* X, size_t n) noexcept nogil
        void (*sigmoid)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_sigmoid)(T* dX, const T* dY, const T* Y, size_t n) noexcept nogil
        void (*swish)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_swish)(T* dX, const T* dY, const T* X, const T* Y, size_t n) noexcept nogil
        void (*dish)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_dish)(T* dX, const T* dY, const T* X, size_t n) noexcept nogil
        void (*hard_swish)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_hard_swish)(T* dX, const T* dY, const T* X, size_t n) noexcept nogil
        void (*hard_swish_mobilenet)(T* Y, const T* X, size_t n) noexcept nogil
        void (*backprop_hard_swish_mobilenet)(T* dX, const T* dY, const T* X, size_t n) noexcept nogil
        void (*clipped_linear)(T* Y, const T* X, size_t n, T slope, T offset, T low, T high) noexcept nogil
        void (*backprop_clipped_linear)(T* dX, const T* dY, const T* X, size_t n, T slope, T offset, T low, T high
                ) noexcept nogil
        void (*softmax)(T* Y_bo, const T* X_bo, size_t B, size_t O, T temperature) noexcept nogil
        void (*backprop_softmax)(T* dX_bo, const T* dY_bo, const T* Y_bo, size_t B, size_t O, T temperature
                ) noexcept nogil
        void (*crossentropy_gradient)(T* dY_bo, size_t* wrong, const T* Y_bo, const int32_t* labels_b,
                                      const uint8_t* flags_b, size_t B, size_t O, T on, T off,
                                      T divisor) noexcept nogil
        void (*softmax_sequences)(T* Y_to, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) noexcept nogil
        void (*backprop_softmax_sequences)(T* dX_to, const T* dY_to, const T* Y_to, const int32_t* lengths_b, size_t B,
                size_t O) noexcept nogil
        void (*maxout)(T* Y_bo, int32_t* which_bo, const T* X_bop, size_t n_bo, size_t P) noexcept nogil
        void (*backprop_maxout)(T* dX_bop, const T* dY_bo, const int32_t* which_bo, size_t n_bo, size_t P
                ) noexcept nogil
        void (*layernorm)(T* Y_bo, T* mu_b, T* rstd_b, const T* X_bo, const T* G_o, const T* b_o, size_t B, size_t O,
                T eps) noexcept nogil
        void (*backprop_layernorm)(T* dX_bo, T* dG_o, T* db_o, const T* dY_bo, const T* X_bo, const T* G_o,
                const T* mu_b, const T* rstd_b, size_t B, size_t O) noexcept nogil
        void (*rmsnorm)(T* Y_bo, T* rstd_b, const T* X_bo, const T* G_o, size_t B, size_t O, T eps) noexcept nogil
        void (*backprop_rmsnorm)(T* dX_bo, T* dG_o, const T* dY_bo, const T* X_bo, const T* G_o, const T* rstd_b,
                size_t B, size_t O) noexcept nogil
        void (*seq2col)(T* Y, const T* X_ti, const int32_t* lengths_b, size_t B, size_t I, size_t nW) noexcept nogil
        void (*backprop_seq2col)(T* dX_ti, const T* dY, const int32_t* lengths_b, size_t B, size_t I, size_t nW
                ) noexcept nogil
        void (*gather_add)(T* Y_bo, const T* table_vo, const int32_t* indices_bk, size_t B, size_t O, size_t K
                ) noexcept nogil
        void (*scatter_add)(T* table_vo, const int32_t* indices_b, const T* values_bo, size_t B, size_t O
                ) noexcept nogil
        void (*hash_embed)(T* Y, const T* table_vo, const uint64_t* ids_b, uint32_t seed, size_t B, size_t V,
                size_t O, size_t ldi, size_t ldy) noexcept nogil
        void (*backprop_hash_embed)(T* dtable_vo, uint8_t* touched, const T* dY, const uint64_t* ids_b, uint32_t seed,
                size_t B, size_t V, size_t O, size_t ldi, size_t ldy) noexcept nogil
        void (*position_encode)(T* Y_nd, const double* periods, size_t N, size_t D) noexcept nogil
        void (*sparse_affine)(T* Y_bo, const uint32_t* slots_k2, const T* values_k, const int32_t* lengths_b,
                const T* W, const T* b_o, size_t n_keys, size_t B, size_t O, size_t step) noexcept nogil
        void (*backprop_sparse_weights)(T* dW, uint8_t* touched, const T* dY_bo, const uint32_t* slots_k2,
                const T* values_k, const int32_t* lengths_b, size_t n_keys, size_t B, size_t O, size_t step
                ) noexcept nogil
        void (*backprop_sparse_values)(T* dvalues_k, const T* dY_bo, const uint32_t* slots_k2,
                const int32_t* lengths_b, const T* W, size_t n_keys, size_t B, size_t O, size_t step) noexcept nogil
        void (*reduce_sum)(T* Y_bo, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) noexcept nogil
        void (*reduce_mean)(T* Y_bo, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) noexcept nogil
        void (*reduce_max)(T* Y_bo, int32_t* which_bo, const T* X_to, const int32_t* lengths_b, size_t B, size_t O
                ) noexcept nogil
        void (*reduce_first)(T* Y_bo, int32_t* starts_ends, const T* X_to, const int32_t* lengths_b, size_t B,
                             size_t O) noexcept nogil
        void (*reduce_last)(T* Y_bo, int64_t* lasts_b, const T* X_to, const int32_t* lengths_b, size_t B,
                            size_t O) noexcept nogil
        void (*backprop_reduce_first)(T* dX_to, const T* dY_bo, const int32_t* rows_b, size_t B, size_t rows,
                                      size_t O) noexcept nogil
        void (*backprop_reduce_last)(T* dX_to, const T* dY_bo, const int32_t* rows_b, size_t B, size_t rows,
                                     size_t O) noexcept nogil
        void (*backprop_reduce_sum)(T* dX_to, const T* dY_bo, const int32_t* lengths_b, size_t B, size_t O
                ) noexcept nogil
        void (*backprop_reduce_mean)(T* dX_to, const T* dY_bo, const int32_t* lengths_b, size_t B, size_t O
                ) noexcept nogil
        void (*backprop_reduce_max)(T* dX_to, const T* dY_bo, const int32_t* which_bo, const int32_t* lengths_b,
                size_t B, size_t O) noexcept nogil
        void (*adam)(T* weights, T* gradient, T* mom1, T* mom2, size_t n, double beta1, double beta2, T eps,
                T learn_rate, T mod_rate) noexcept nogil
        void (*sum_squares)(double* total, const T* X, size_t n) noexcept nogil
        void (*update_averages)(T* ema, const T* weights, size_t n, T step) noexcept nogil
        void (*apply_gradients)(T** arrays, uint8_t** marks, const size_t* starts, const double* rates,
                double* squares, size_t n, double unscale, int32_t* found_inf) noexcept nogil
        void (*dropout_mask)(T* mask, size_t n, uint64_t seed, uint32_t threshold, T kept) noexcept nogil
        void (*dropout)(T* Y, const T* X, size_t n, uint64_t seed, uint32_t threshold, T kept) noexcept nogil
        void (*gemm)(T* C, const T* A, const T* B, size_t M, size_t N, size_t K, size_t lda, size_t ldb, size_t ldc,
                bint trans1, bint trans2, bint accumulate) noexcept nogil
        void (*affine)(T* Y_bo, const T* X_bi, const T* W_oi, const T* b_o, size_t B, size_t O, size_t I, size_t ldx
                ) noexcept nogil
        void (*affine_relu)(T* Y_bo, const T* X_bi, const T* W_oi, const T* b_o, size_t B, size_t O, size_t I,
                size_t ldx) noexcept nogil
        void (*affine_map)(T* Y_bo, T* Z_bo, const T* X_bi, const T* W_oi, const T* b_o, size_t B, size_t O, size_t I,
                size_t ldx, void (*f)(T* Y, const T* X, size_t n) noexcept nogil) noexcept nogil
        void (*affine_maxout)(T* Y_bo, int32_t* which_bo, const T* X_bi, const T* W_opi, const T* b_op, size_t B,
                size_t O, size_t P, size_t I, size_t ldx) noexcept nogil
        void (*affine_maxout_layernorm)(T* Y_bo, T* best_bo, int32_t* which_bo, T* mu_b, T* rstd_b, const T* X_bi,
                const T* W_opi, const T* b_op, const T* G_o, const T* shift_o, size_t B, size_t O, size_t P, size_t I,
                size_t ldx, T eps) noexcept nogil
        void (*backprop_affine)(T* dX_bi, T* dW_oi, T* db_o, const T* dY_bo, const T* X_bi, const T* W_oi, size_t B,
                size_t O, size_t I) noexcept nogil
        void (*backprop_affine_maxout)(T* dX_bi, T* dW_opi, T* db_op, const T* dY_bo, const int32_t* which_bo,
                const T* X_bi, const T* W_opi, size_t B, size_t O, size_t P, size_t I, size_t ldx) noexcept nogil
        void (*column_sum)(T* S_o, const T* X_bo, size_t B, size_t O, bint accumulate) noexcept nogil
        void (*axpy)(T* Y, const T* X, T alpha, size_t n) noexcept nogil
        void (*scal)(T* X, T alpha, size_t n) noexcept nogil
        void (*lstm)(T* Y, T* units_n6o, T* scratch, const T* X_ni, const T* weights, const T* h0_o, const T* c0_o,
                const int32_t* sizes_s, size_t S, size_t I, size_t O, size_t ldy, bint backwards) noexcept nogil
        void (*backprop_lstm)(T* dX_ni, T* dweights, T* dh0_o, T* dc0_o, T* scratch, const T* dY, const T* units_n6o,
                const T* X_ni, const T* weights, const T* h0_o, const T* c0_o, const int32_t* sizes_s, size_t S,
                size_t I, size_t O, size_t ldy, bint backwards, bint accumulate) noexcept nogil
        void (*lstm_scratch)(size_t* n, size_t N, size_t B, size_t O) noexcept nogil
        void (*attention)(T* Y, T* weights, T* scratch, const T* QKV, const T* mask, const int32_t* lengths_b, size_t B,
                size_t H, size_t D, size_t rows, bint causal) noexcept nogil
        void (*backprop_attention)(T* dQKV, T* scratch, const T* dY, const T* QKV, const T* weights, const T* mask,
                const int32_t* lengths_b, size_t B, size_t H, size_t D, size_t rows, bint causal) noexcept nogil
        void (*rotary)(T* Y, const T* X, const T* turns_sd, const int32_t* lengths_b, size_t B, size_t H, size_t D,
                size_t I, bint back) noexcept nogil

    cdef cppclass CommonKernels:
        void (*hash)(uint32_t* out_b4, const uint64_t* ids_b, size_t B, uint32_t seed) noexcept nogil
        void (*ngrams)(uint64_t* out, const uint64_t* keys, size_t n_keys, size_t n) noexcept nogil
        void (*sparse_slots)(uint32_t* slots_k2, const uint64_t* keys_k, size_t n_keys, uint32_t L, bint masked
                ) noexcept nogil
        void (*single_from_half)(float* Y, const uint16_t* X, size_t n) noexcept nogil
        void (*half_from_single)(uint16_t* Y, const float* X, size_t n) noexcept nogil
        void (*largest_index)(uint32_t* largest, const uint32_t* indices, size_t n) noexcept nogil
        void (*join_sequences)(char* Y, const char** X_b, const size_t* bytes_b, size_t B, size_t zeros) noexcept nogil
        void (*pad_sequences)(char* Y, const char** X_b, const size_t* bytes_b, size_t B, size_t stride) noexcept nogil
        void (*interleave_sequences)(char* Y, const char** X_b, const int32_t* lengths_b, size_t B, size_t S,
                size_t width) noexcept nogil
        void (*split_columns)(char* Y, const char* X, const int32_t* lengths_b, size_t B, size_t width) noexcept nogil

    cdef cppclass KernelTable:
        const char* isa
        Kernels[float] f32
        Kernels[double] f64
        CommonKernels common

    size_t supported_tables(const KernelTable** tables, size_t capacity) noexcept


cdef extern from "cpu/threads.h" namespace "thinc" nogil:
    size_t thread_count() noexcept
    void set_thread_count(size_t n) noexcept
