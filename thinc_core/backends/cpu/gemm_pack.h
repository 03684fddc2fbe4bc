// Copies of the operands in the order in which the tile reads them, and the memory they live in.

// Interleaves the low (high, if HIGH) halves of each 128-bit lane of a and b: a0 b0 a1 b1 ...
template <bool HIGH, int LANE, typename V, int... I>
static GEMM_INLINE V zip_lanes(const V& a, const V& b, std::integer_sequence<int, I...>) {
  constexpr int L = sizeof...(I);
  return __builtin_shufflevector(a, b, (I % 2 * L + I / LANE * LANE + (HIGH ? LANE / 2 : 0) + I % LANE / 2)...);
}

template <bool HIGH, typename V>
static GEMM_INLINE V zip(const V& a, const V& b) {
  constexpr int size = sizeof(a[0]);
  return zip_lanes<HIGH, 16 / size>(a, b, std::make_integer_sequence<int, int(sizeof(V)) / size>());
}

// The same, 8 bytes at a time.
template <bool HIGH, typename V>
static GEMM_INLINE V zip_pairs(const V& a, const V& b) {
  typedef double pairs __attribute__((vector_size(sizeof(V))));
  return (V)zip<HIGH>((pairs)a, (pairs)b);
}

template <typename V, int... I>
static GEMM_INLINE auto join(const V& a, const V& b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, I...);
}

// One vector from a 128-bit piece of each of its lanes' rows: rows e, e + Q, e + 2Q, ... at in.
template <typename T>
static GEMM_INLINE typename Simd<T>::vec load_lanes(const T* in, size_t ld) {
  typedef typename Simd<T>::quad quad;
  constexpr int Q = Simd<T>::Q;
  if constexpr (THINC_VECTOR_BYTES == 16) {
    return load<quad>(in);
  } else {
    const auto low = join(load<quad>(in), load<quad>(in + Q * ld), std::make_integer_sequence<int, 2 * Q>());
    if constexpr (THINC_VECTOR_BYTES == 32) {
      return low;
    } else {
      in += 2 * Q * ld;
      const auto high = join(load<quad>(in), load<quad>(in + Q * ld), std::make_integer_sequence<int, 2 * Q>());
      return join(low, high, std::make_integer_sequence<int, 4 * Q>());
    }
  }
}

// Transposes the Q x Q block in each lane of v[0..Q) and stores it as Q rows of out.
template <typename T, typename V>
static GEMM_INLINE void store_transposed(T* out, size_t ldo, const V* v) {
  if constexpr (sizeof(T) == 8) {
    store(out, zip<false>(v[0], v[1]));
    store(out + ldo, zip<true>(v[0], v[1]));
  } else {
    const V a = zip<false>(v[0], v[1]), b = zip<true>(v[0], v[1]);
    const V c = zip<false>(v[2], v[3]), d = zip<true>(v[2], v[3]);
    store(out, zip_pairs<false>(a, c));
    store(out + ldo, zip_pairs<true>(a, c));
    store(out + 2 * ldo, zip_pairs<false>(b, d));
    store(out + 3 * ldo, zip_pairs<true>(b, d));
  }
}

// One vector of a panel from rows of K values: out[k * ldo + e] = in[e * ld + k], e < L; zero from `rows` on.
template <typename T>
static void pack_rows(T* out, size_t ldo, const T* in, size_t ld, size_t rows, size_t K) {
  typedef typename Simd<T>::vec vec;
  typedef typename Simd<T>::quad quad;
  constexpr size_t L = Simd<T>::L, Q = Simd<T>::Q;
  if (rows > L) rows = L;
  // The last step of Q starts early, over columns already packed, instead of a scalar tail.
  for (size_t k = 0; K >= Q && rows == L && k < K; k += Q) {
    if (k + Q > K) k = K - Q;
    vec v[Q];
    GEMM_UNROLL for (size_t e = 0; e < Q; ++e) v[e] = load_lanes(in + e * ld + k, ld);
    store_transposed(out + k * ldo, ldo, v);
  }
  if (K >= Q && rows == L) return;
  for (size_t e = 0; e < L; e += Q) {
    const T* row[Q];
    GEMM_UNROLL for (size_t q = 0; q < Q; ++q) row[q] = in + (e + q < rows ? e + q : rows - 1) * ld;
    for (size_t k = 0; K >= Q && e < rows && k < K; k += Q) {
      if (k + Q > K) k = K - Q;
      quad v[Q];
      GEMM_UNROLL for (size_t q = 0; q < Q; ++q) v[q] = load<quad>(row[q] + k);
      store_transposed(out + k * ldo + e, ldo, v);
    }
    for (size_t k = 0; (K < Q || e >= rows) && k < K; ++k)
      GEMM_UNROLL for (size_t q = 0; q < Q; ++q) out[k * ldo + e + q] = e + q < rows ? row[q][k] : T(0);
  }
}

// Copies a few values without a call to memcpy.
template <typename T>
static GEMM_INLINE void copy_few(T* out, const T* in, size_t n) {
  typedef typename Simd<T>::quad quad;
  constexpr size_t Q = Simd<T>::Q;
  size_t i = 0;
  for (; i + Q <= n; i += Q) store(out + i, load<quad>(in + i));
  if (Q > 2 && n & 2) __builtin_memcpy(out + i, in + i, 2 * sizeof(T)), i += 2;
  if (n & 1) out[i] = in[i];
}

// A panel of B, K rows of ceil(n / L) vectors, from B in rows of columns, or of its transpose.
template <typename T>
static void pack_panel(T* out, const T* B, size_t ldb, bool trans2, size_t n, size_t K) {
  typedef typename Simd<T>::vec vec;
  constexpr size_t L = Simd<T>::L;
  const size_t ldo = (n + L - 1) / L * L;
  if (trans2) {
    for (size_t j = 0; j < n; j += L) pack_rows(out + j, ldo, B + j * ldb, ldb, n - j, K);
    return;
  }
  for (size_t k = 0; k < K; ++k) {
    size_t j = 0;
    for (; j + L <= n; j += L) store(out + k * ldo + j, load<vec>(B + k * ldb + j));
    if (j < n) {
      store(out + k * ldo + j, vec{});
      copy_few(out + k * ldo + j, B + k * ldb + j, n - j);
    }
  }
}

// A^T in slivers of the rows that next_rows gives, each K x rows. Row by row of A, so that reads are sequential.
template <int MOST, typename T>
static void pack_columns(T* out, const T* A, size_t lda, size_t M, size_t K) {
  const size_t rest = M % MOST, shared = rest && M > MOST ? MOST + rest : rest;
  for (size_t k = 0; k < K; ++k)
    for (size_t i = 0; i < M - shared; i += MOST)
      __builtin_memcpy(out + i * K + k * MOST, A + k * lda + i, MOST * sizeof(T));
  for (size_t i = M - shared, rows; i < M; i += rows) {
    rows = next_rows(M - i, MOST);
    for (size_t k = 0; k < K; ++k) copy_few(out + i * K + k * rows, A + k * lda + i, rows);
  }
}

// Scratch memory of this thread, kept between calls and freed when the thread ends.
class Workspace {
 public:
  ~Workspace() { std::free(data_); }
  // At least n bytes, 64-byte aligned; null when there is no memory.
  void* get(size_t n) {
    if (n > size_) {
      std::free(data_);
      size_ = (n + 65535) / 65536 * 65536;
      data_ = aligned_alloc(64, size_);
      if (!data_) size_ = 0;
    }
    return data_;
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};
static thread_local Workspace workspace;
