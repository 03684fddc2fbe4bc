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
      vec b = load<vec>(row[j] + k);
      if (MR > 1) GEMM_HOLD(b);
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

// Columns at the end of C for which a vector would hold many zeros: they are dot products, or rows of the transpose.
// Of 17 columns the last, which takes 512 x 96 x 17 from 32 to 17 us; all of ten: 100 x 300 x 10 from 9.6 to 6.5 us.
template <typename T>
static inline size_t thin_columns(const Product<T>& p) {
  constexpr size_t L = Simd<T>::L, DEEP = THINC_VECTOR_REGISTERS == 32 ? 6 * L : 16 * L, LESS = DEEP / 4;
  const size_t n = p.N % L;
  if (p.trans1) return !p.trans2 && THINC_VECTOR_REGISTERS == 32 && n <= L / 2 && p.K >= L && p.M >= 2 * L ? n : 0;
  const size_t most = p.K >= DEEP ? 3 * L / 4 : p.K >= LESS ? L / 2 : L / 4;
  return n <= most && p.K >= 2 * L && p.M >= 16 ? n : 0;
}

// Few columns of C: its transpose, some columns of that at a time, in steps of the depth that the stack holds.
template <typename T>
static void thin_product(const Product<T>& p) {
  constexpr size_t ROWS = 64, DEPTH = 512, MOST = 3 * Simd<T>::L / 4;
  alignas(64) T right[MOST * DEPTH], out[MOST * ROWS];
  const size_t parts = (p.K + DEPTH - 1) / DEPTH, most = (p.K + parts - 1) / parts;
  for (size_t k0 = 0; k0 < p.K; k0 += most) {
    const size_t depth = smaller(p.K - k0, most);
    for (size_t n = 0; n < p.N; ++n)
      for (size_t k = 0; k < depth; ++k)
        right[n * depth + k] = p.B[p.trans2 ? n * p.ldb + k0 + k : (k0 + k) * p.ldb + n];
    const T* start = k0 ? p.C : p.start;
    const size_t ldi = k0 ? p.ldc : p.ldi;
    const bool relu = p.relu && k0 + depth == p.K;
    for (size_t m = 0; m < p.M; m += ROWS) {
      const size_t rows = smaller(p.M - m, ROWS);
      dot_product<T>(
          {out, right, p.A + m * p.lda + k0, p.N, rows, depth, depth, p.lda, ROWS, false, true, nullptr, 0, false});
      for (size_t i = 0; i < rows; ++i)
        for (size_t n = 0; n < p.N; ++n) {
          const T c = out[n * ROWS + i] + (start ? start[(m + i) * ldi + n] : T(0));
          p.C[(m + i) * p.ldc + n] = relu && c < T(0) ? T(0) : c;
        }
    }
  }
}

// Rows of C at least one vector long, MR of them: C = start + the products of STEP columns of A with as many rows of B,
// all of them read from end to end. relu: afterwards.
template <int MR, int STEP, typename T>
static void row_step(T* C, size_t ldc, const T* A, size_t row, size_t column, const T* B, size_t ldb, size_t N,
                     const T* start, size_t ldi, bool relu) {
  typedef typename Simd<T>::vec vec;
  constexpr size_t L = Simd<T>::L;
  const T* B4 = B + (STEP > 4 ? 4 : 0) * ldb;
  vec a[MR][STEP], last[MR];
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int k = 0; k < STEP; ++k) a[i][k] =
      splat<vec>(A[i * row + k * column]);
  const auto sums = [&](vec(&c)[MR], size_t n) THINC_INLINE_LAMBDA {
    GEMM_UNROLL for (int i = 0; i < MR; ++i) c[i] = start ? load<vec>(start + i * ldi + n) : vec{};
    GEMM_UNROLL for (int k = 0; k < STEP; ++k) {
      vec b = load<vec>((k < 4 ? B : B4) + k % 4 * ldb + n);
      if (MR > 1) GEMM_HOLD(b);
      GEMM_UNROLL for (int i = 0; i < MR; ++i) c[i] += a[i][k] * b;
    }
    GEMM_UNROLL for (int i = 0; i < MR; ++i) c[i] = relu ? positive(c[i]) : c[i];
  };
  sums(last, N - L);  // overlaps what comes before, so it is computed first, in case C is start, and stored last
  for (size_t n = 0; n + L < N; n += L) {
    vec c[MR];
    sums(c, n);
    GEMM_UNROLL for (int i = 0; i < MR; ++i) store(C + i * ldc + n, c[i]);
  }
  GEMM_UNROLL for (int i = 0; i < MR; ++i) store(C + i * ldc + N - L, last[i]);
}

template <int MR, typename T, int... I>
static inline auto row_step_of(size_t step, std::integer_sequence<int, I...>) {
  static constexpr decltype(&row_step<MR, 1, T>) steps[] = {&row_step<MR, I + 1, T>...};
  return steps[step - 1];
}

// Rows [m, m + MR) of C, columns [k, end) of A: as many at a time as fit in half of the registers.
template <int MR, typename T>
static void row_steps(const Product<T>& p, size_t m, size_t k, size_t end) {
  constexpr int FIT = THINC_VECTOR_REGISTERS / 2 / MR, MOST = FIT < 8 ? FIT : 8;
  const size_t row = p.trans1 ? 1 : p.lda, column = p.trans1 ? p.lda : 1;
  for (size_t step; k < end; k += step) {
    step = smaller(end - k, MOST);
    const T* start = k ? p.C : p.start;
    const size_t ldi = k ? p.ldc : p.ldi;
    row_step_of<MR, T>(step, std::make_integer_sequence<int, MOST>())(
        p.C + m * p.ldc, p.ldc, p.A + m * row + k * column, row, column, p.B + k * p.ldb, p.ldb, p.N,
        start ? start + m * ldi : nullptr, ldi, p.relu && k + step == p.K);
  }
}

constexpr size_t FEW_ROWS = 4;

// Measured in us (one core of an AVX-512 EPYC, float32), C += A^T B this way / packed / OpenBLAS / PyTorch:
//   C 3072 x 768, depth 1: 190 / 1379 / 2626 / 261    depth 8: 432 / 1720 /  652 / 3264
//   C  768 x 768, depth 1:  34 /   82 /  666 /  49    depth 4:  45 /  113 /   99 /  121
//   C  300 x 300, depth 2: 6.0 /   15 /  7.6 / 9.1    depth 16: 29 /   40 /   37 /   33

// Whether every row of B, and of C, should be read from end to end, as it lies in memory: when C has few rows, or when
// its values are sums of so few products that they take little longer than C needs to come and go.
template <typename T>
static inline bool in_long_rows(const Product<T>& p) {
  // Fewer columns of A fit in 16 registers, so that C has to come and go more often.
  constexpr bool MANY = THINC_VECTOR_REGISTERS == 32;
  // A C that is only written need not come, and few of its rows stay in the cache for the second half of the sums.
  const bool shallow = p.K <= (p.start ? 8 : 4) && (MANY || p.N >= 16 * p.K);
  const bool long_rows = MANY && p.start && p.K <= 16 && p.N >= 8 * p.K;
  const bool long_enough = p.N > size_t(Simd<T>::NR) * (p.K > 4 ? 2 : 1);
  return !p.trans2 && p.K && (p.M <= FEW_ROWS ? p.N >= size_t(Simd<T>::L) : (shallow || long_rows) && long_enough);
}

template <typename T>
static void row_product(const Product<T>& p) {
  // B once and C, which the cache holds, many times; or the other way round.
  const size_t depth = p.M <= FEW_ROWS ? 8 : p.K;
  for (size_t k = 0; k < p.K; k += depth)
    for (size_t m = 0, rows; m < p.M; m += rows) {
      rows = p.M - m >= 4 ? 4 : p.M - m >= 2 ? 2 : 1;
      (rows == 4 ? row_steps<4, T> : rows == 2 ? row_steps<2, T> : row_steps<1, T>)(p, m, k, smaller(p.K, k + depth));
    }
}

// MR rows of C and NV vectors of columns, all in registers. The last vector is at column `last`, and only its last n
// are stored: it may overlap the one before it. The products of even and of odd k are summed apart, because so few sums
// would wait for each other.
template <int MR, int NV, typename T>
static void few_tile(T* C, size_t ldc, const T* A, size_t row, size_t column, const T* B, size_t ldb, size_t K,
                     const T* start, size_t ldi, bool relu, size_t last, size_t n) {
  typedef typename Simd<T>::vec vec;
  constexpr size_t L = Simd<T>::L;
  const auto at = [&](int j) THINC_INLINE_LAMBDA { return j + 1 < NV ? j * L : last; };
  vec even[MR][NV], odd[MR][NV];
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int j = 0; j < NV; ++j) {
    even[i][j] = start ? load<vec>(start + i * ldi + at(j)) : vec{};
    odd[i][j] = vec{};
  }
  const auto add = [&](vec(&sum)[MR][NV]) THINC_INLINE_LAMBDA {
    vec a[MR];
    GEMM_UNROLL for (int i = 0; i < MR; ++i) a[i] = splat<vec>(A[i * row]);
    GEMM_UNROLL for (int j = 0; j < NV; ++j) {
      vec b = load<vec>(B + at(j));
      if (MR > 1) GEMM_HOLD(b);
      GEMM_UNROLL for (int i = 0; i < MR; ++i) sum[i][j] += a[i] * b;
    }
    A += column;
    B += ldb;
  };
  for (size_t k = 0; k + 2 <= K; k += 2) {
    add(even);
    add(odd);
  }
  if (K % 2) add(even);
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int j = 0; j < NV; ++j) {
    const vec sum = even[i][j] + odd[i][j], c = relu ? positive(sum) : sum;
    if (j + 1 < NV || n == L) {
      store(C + i * ldc + at(j), c);
    } else {
      alignas(64) T tail[L];
      store(tail, c);
      copy_few(C + i * ldc + last + L - n, tail + L - n, n);
    }
  }
}

template <int MR, typename T, int... I>
static inline auto few_tile_of(size_t nv, std::integer_sequence<int, I...>) {
  static constexpr decltype(&few_tile<MR, 1, T>) tiles[] = {&few_tile<MR, I + 1, T>...};
  return tiles[nv - 1];
}

// MR rows of C, in about equal groups of columns that fill the registers.
template <int MR, typename T>
static void few_tiles(const Product<T>& p) {
  constexpr size_t L = Simd<T>::L, FIT = THINC_VECTOR_REGISTERS * 3 / 8 / MR, MOST = FIT < 8 ? FIT : 8;
  const size_t row = p.trans1 ? 1 : p.lda, column = p.trans1 ? p.lda : 1;
  const size_t vectors = (p.N + L - 1) / L, groups = (vectors + MOST - 1) / MOST;
  for (size_t g = 0, v = 0, end; g < groups; ++g, v = end) {
    end = vectors * (g + 1) / groups;
    const size_t n = v * L, columns = smaller(p.N, end * L) - n;
    few_tile_of<MR, T>(end - v, std::make_integer_sequence<int, int(MOST)>())(
        p.C + n, p.ldc, p.A, row, column, p.B + n, p.ldb, p.K, p.start ? p.start + n : nullptr, p.ldi, p.relu,
        columns - L, columns - (end - v - 1) * L);
  }
}

// Measured in GFLOP/s (one core of an AVX-512 EPYC, float32) this way / by row_product / by OpenBLAS, C = A B:
//   1 x 96 x 768: 55 / 35 / 40    2 x 96 x 768: 103 / 48 / 75    4 x 96 x 768: 116 / 81 / 92
//   1 x 768 x 3072: 30 / 36 / 10  2 x 1536 x 288: 65 / 56 / 62   4 x 8000 x 768: 26 / 46 / 21

// Whether few rows of C should be computed tile by tile, with B read in columns of tiles: not when the columns of B are
// so many, and it lies so far away, that it has to be read from end to end.
template <typename T>
static inline bool few_tiles_pay(const Product<T>& p) {
  if (p.trans2 || p.M > FEW_ROWS || p.N < size_t(Simd<T>::L)) return false;
  if (THINC_VECTOR_REGISTERS == 16) return p.N * sizeof(T) <= 512;  // fewer columns at a time
  return p.M == 1 ? p.N * sizeof(T) <= 1280 : p.N <= 64 * p.K && p.N * p.K * sizeof(T) <= 16 * 1024 * 1024;
}

template <typename T>
static void few_tiles_product(const Product<T>& p) {
  if (p.M == 1) few_tiles<1>(p);
  if (p.M == 2) few_tiles<2>(p);
  if (p.M == 3) few_tiles<3>(p);
  if (p.M == 4) few_tiles<4>(p);
}

// The same where A is in columns: a few rows of the transpose of C at a time, in steps of rows that the stack holds.
// 256 x 100 of depth 32: 20 to 18 us; 96 x 17 of depth 100: 6.1 to 3.4.
constexpr size_t THIN_ROWS = 256;
template <typename T>
static void thin_transposed_product(const Product<T>& p) {
  alignas(64) T out[FEW_ROWS * THIN_ROWS];
  for (size_t m = 0; m < p.M; m += THIN_ROWS)
    for (size_t n = 0; n < p.N; n += FEW_ROWS) {
      const size_t rows = smaller(p.M - m, THIN_ROWS), columns = smaller(p.N - n, FEW_ROWS);
      const Product<T> q = {out,   p.B + n, p.A + m, columns, rows,    p.K, p.ldb,
                            p.lda, rows,    true,    false,   nullptr, 0,   false};
      few_tiles_pay(q) ? few_tiles_product(q) : packed_product(q, Nothing());
      for (size_t i = 0; i < rows; ++i)
        for (size_t j = 0; j < columns; ++j) {
          const T c = out[j * rows + i] + (p.start ? p.start[(m + i) * p.ldi + n + j] : T(0));
          p.C[(m + i) * p.ldc + n + j] = p.relu && c < T(0) ? T(0) : c;
        }
    }
}
