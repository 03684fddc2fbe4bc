// Products with too few rows to be worth a packed right-hand side.

// The sum of the lanes of each of v[0..Q), as one 128-bit vector.
template <typename V, int... I>
static GEMM_INLINE auto add_halves(const V& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, I...) + __builtin_shufflevector(v, v, (I + int(sizeof...(I)))...);
}

template <typename T>
static GEMM_INLINE typename Simd<T>::quad sum_lanes(const typename Simd<T>::vec* v) {
  typedef typename Simd<T>::vec vec;
  constexpr int L = Simd<T>::L;
  vec sum = zip<false>(v[0], v[1]) + zip<true>(v[0], v[1]);
  if constexpr (sizeof(T) == 4) {
    const vec more = zip<false>(v[2], v[3]) + zip<true>(v[2], v[3]);
    sum = zip_pairs<false>(sum, more) + zip_pairs<true>(sum, more);
  }
  if constexpr (THINC_VECTOR_BYTES == 16) {
    return sum;
  } else {
    const auto half = add_halves(sum, std::make_integer_sequence<int, L / 2>());
    if constexpr (THINC_VECTOR_BYTES == 32)
      return half;
    else
      return add_halves(half, std::make_integer_sequence<int, L / 4>());
  }
}

// All ones in the last n lanes.
template <typename T, int... I>
static GEMM_INLINE typename Simd<T>::mask last_lanes(size_t n, std::integer_sequence<int, I...>) {
  typedef typename Simd<T>::mask mask;
  typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type lane;
  return mask{I...} >= splat<mask>(lane(Simd<T>::L) - lane(n));
}

// MR x NR dot products of rows of A and of B, each at least one vector long; n <= NR of them are wanted.
template <int MR, int NR, typename T>
static void dot_tile(T* C, size_t ldc, const T* A, size_t lda, const T* B, size_t ldb, size_t K, size_t n,
                     const T* init, size_t ldi, bool relu) {
  typedef typename Simd<T>::vec vec;
  typedef typename Simd<T>::quad quad;
  typedef typename Simd<T>::mask mask;
  constexpr int L = Simd<T>::L, Q = Simd<T>::Q;
  vec sum[MR][NR], a[MR];
  const T* row[NR];
  GEMM_UNROLL for (int j = 0; j < NR; ++j) row[j] = B + (size_t(j) < n ? j : n - 1) * ldb;
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int j = 0; j < NR; ++j) sum[i][j] = vec{};
  size_t k = 0;
  for (; k + L <= K; k += L) {
    GEMM_UNROLL for (int i = 0; i < MR; ++i) a[i] = load<vec>(A + i * lda + k);
    GEMM_UNROLL for (int j = 0; j < NR; ++j) {
      const vec b = load<vec>(row[j] + k);
      GEMM_UNROLL for (int i = 0; i < MR; ++i) sum[i][j] += a[i] * b;
    }
  }
  if (k < K) {  // the last vector overlaps what is done: both sides are masked, for 0 times infinity is not 0
    const mask rest = last_lanes<T>(K - k, std::make_integer_sequence<int, L>());
    k = K - L;
    GEMM_UNROLL for (int i = 0; i < MR; ++i) a[i] = (vec)((mask)load<vec>(A + i * lda + k) & rest);
    GEMM_UNROLL for (int j = 0; j < NR; ++j) {
      const vec b = (vec)((mask)load<vec>(row[j] + k) & rest);
      GEMM_UNROLL for (int i = 0; i < MR; ++i) sum[i][j] += a[i] * b;
    }
  }
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int j = 0; j < NR; j += Q) {
    if (size_t(j) >= n) break;
    quad s = sum_lanes<T>(sum[i] + j), start = quad{};
    const size_t left = n - j;
    if (init && left >= Q) start = load<quad>(init + i * ldi + j);
    if (init && left < Q) copy_few((T*)&start, init + i * ldi + j, left);
    s += start;
    if (relu) s = positive(s);
    if (left >= Q)
      store(C + i * ldc + j, s);
    else
      copy_few(C + i * ldc + j, (const T*)&s, left);
  }
}

template <int MR, int NR, typename P>
static void dot_rows(const P& p, size_t m) {
  for (size_t n = 0; n < p.N; n += NR)
    dot_tile<MR, NR>(p.C + m * p.ldc + n, p.ldc, p.A + m * p.lda, p.lda, p.B + n * p.ldb, p.ldb, p.K, p.N - n,
                     p.start ? p.start + m * p.ldi + n : nullptr, p.ldi, p.relu);
}

// Whether M rows are too few to pay for packing B^T. SSE2 has to load and spread each value of A that a tile uses, so
// that dot products are the faster way there for longer.
template <typename T>
static inline bool few_rows(size_t M, size_t K) {
  if (K < size_t(Simd<T>::L)) return false;
  if (THINC_VECTOR_BYTES == 64) return M <= 16 && K >= M * M;
  return M <= (THINC_VECTOR_BYTES == 16 && THINC_VECTOR_REGISTERS == 16 ? 64 : 3);
}

// A B^T where both are in rows at least one vector long.
template <typename T>
static void dot_product(const Product<T>& p) {
  constexpr int NR = THINC_VECTOR_REGISTERS == 32 ? 8 : 4;
  constexpr int MOST = THINC_VECTOR_REGISTERS == 32 ? 6 : 2;
  for (size_t m = 0, rows; m < p.M; m += rows) {
    rows = next_rows(p.M - m, MOST);
    if (rows == 1) dot_rows<1, 8>(p, m);
    if (rows == 2) dot_rows<2, NR>(p, m);
    if constexpr (MOST > 2) {
      if (rows == 3) dot_rows<3, NR>(p, m);
      if (rows == 4) dot_rows<4, 4>(p, m);
      if (rows == 5) dot_rows<5, 4>(p, m);
      if (rows == 6) dot_rows<6, 4>(p, m);
    }
  }
}

// One row: c += A[k .. k + STEP) B, each row of B read from end to end. relu: after this step.
template <size_t STEP, typename T>
static void row_step(const Product<T>& p, size_t k, const T* start, bool relu) {
  typedef typename Simd<T>::vec vec;
  constexpr size_t L = Simd<T>::L;
  const T *A = p.A + k, *b = p.B + k * p.ldb, *b4 = b + (STEP > 4 ? 4 : 0) * p.ldb;
  vec a[STEP];
  GEMM_UNROLL for (size_t r = 0; r < STEP; ++r) a[r] = splat<vec>(A[r]);
  size_t n = 0;
  for (; n + L <= p.N; n += L) {
    vec c = start ? load<vec>(start + n) : vec{};
    GEMM_UNROLL for (size_t r = 0; r < STEP; ++r) c += a[r] * load<vec>((r < 4 ? b : b4) + r % 4 * p.ldb + n);
    store(p.C + n, relu ? positive(c) : c);
  }
  for (; n < p.N; ++n) {
    T c = start ? start[n] : T(0);
    GEMM_UNROLL for (size_t r = 0; r < STEP; ++r) c += A[r] * b[r * p.ldb + n];
    p.C[n] = relu && c < 0 ? T(0) : c;
  }
}

template <typename T>
static void row_product(const Product<T>& p) {
  const T* start = p.start;
  size_t k = 0;
  for (; k + 8 <= p.K; k += 8, start = p.C) row_step<8>(p, k, start, p.relu && k + 8 == p.K);
  for (; k < p.K; ++k, start = p.C) row_step<1>(p, k, start, p.relu && k + 1 == p.K);
}
