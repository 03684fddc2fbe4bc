// The register tile of the matrix product: MR rows by NV vectors of columns, all of them sums in registers.

// Values per vector (L), values per 128-bit lane (Q), and the vector types. Vector extensions of GCC (12 or newer) and
// Clang, not intrinsics: one source for every instruction set.
template <typename T, int BYTES>
struct Vector {
  typedef T type __attribute__((vector_size(BYTES)));
};

template <typename T>
struct Simd {
  static constexpr int L = THINC_VECTOR_BYTES / sizeof(T), Q = 16 / sizeof(T);
  typedef typename Vector<T, THINC_VECTOR_BYTES>::type vec;
  typedef typename Vector<T, 16>::type quad;
  typedef typename Vector<int32_t, 4 * L>::type ints;
  typedef typename std::conditional<sizeof(T) == 4, int32_t, int64_t>::type lane;
  typedef typename Vector<lane, THINC_VECTOR_BYTES>::type mask;
  // Vectors in a tile's width. Sums + one row of B + one broadcast must fit in the registers: 12 x 2 + 2 + 1 of 32,
  // 6 x 2 + 2 + 1 of 16.
  static constexpr int NV = 2, MOST_NV = THINC_VECTOR_REGISTERS == 32 ? 4 : 3, NR = NV * L, MOST_ROWS = 12;
  static constexpr int rows(int nv) { return nv == 1 ? MOST_ROWS : (THINC_VECTOR_REGISTERS == 32 ? 24 : 12) / nv; }
};

// Unaligned load and store.
template <typename V, typename T>
static GEMM_INLINE V load(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}

template <typename V, typename T>
static GEMM_INLINE void store(T* p, const V& v) {
  __builtin_memcpy(p, &v, sizeof(V));
}

template <typename V, typename T>
static GEMM_INLINE V splat(T x) {
  return x - V{};
}

// max(x, 0) that keeps NaN.
template <typename V>
static GEMM_INLINE V positive(const V& v) {
  return v < 0 ? V{} : v;
}

// Rows of B that a tile fetches ahead. Where B is read in place, each of its rows lies in lines of its own, too far
// from the last for the processor to foresee: 48 x 512 x 512 264 to 154 us on a Sapphire Rapids, 64 x 768 x 768 636 to
// 552.
constexpr size_t ROWS_AHEAD = 12;

// sum (MR x NV vectors) = start + A B. start: null for zeros; ldi 0 when every row starts from the same values.
// COLS: A[k * lda + i] (packed or transposed) instead of A[i * lda + k].
template <typename T, int MR, int NV, bool COLS>
static GEMM_INLINE void tile_sums(typename Simd<T>::vec (&sum)[MR][NV], const T* A, size_t lda, const T* B, size_t ldb,
                                  size_t K, const T* start, size_t ldi) {
  typedef typename Simd<T>::vec vec;
  constexpr int L = Simd<T>::L;
  vec b[NV];
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] =
      start ? load<vec>(start + i * ldi + j * L) : vec{};
  // Three rows per pointer: x86 addresses p, p + lda and p + 2 lda directly; the compiler must not merge the pointers.
  const T* row[4];
  GEMM_UNROLL for (int i = 0; i < 4; ++i) {
    row[i] = A + (3 * i < MR ? 3 * i : 0) * lda;
    GEMM_OPAQUE(row[i]);
  }
  for (size_t k = 0; k < K; ++k) {
    GEMM_UNROLL for (int j = 0; j < NV; ++j) {
      b[j] = load<vec>(B + j * L);
      if (MR > 1) GEMM_HOLD(b[j]);
      // A hint that faults nowhere, though the address may lie past the end of B: so it is made of integers.
      __builtin_prefetch((const void*)((uintptr_t)B + (ROWS_AHEAD * ldb + j * L) * sizeof(T)));
    }
    GEMM_UNROLL for (int i = 0; i < MR; ++i) {
      const vec a = splat<vec>(COLS ? A[i] : row[i / 3][k + i % 3 * lda]);
      GEMM_UNROLL for (int j = 0; j < NV; ++j) sum[i][j] += a * b[j];
    }
    if (COLS) A += lda;
    B += ldb;
  }
}

// C tile = start + A B, then max(., 0) if relu.
template <typename T, int MR, int NV, bool COLS>
static void tile(T* C, size_t ldc, const T* A, size_t lda, const T* B, size_t ldb, size_t K, const T* start, size_t ldi,
                 bool relu) {
  constexpr int L = Simd<T>::L;
  typename Simd<T>::vec sum[MR][NV];
  tile_sums<T, MR, NV, COLS>(sum, A, lda, B, ldb, K, start, ldi);
  GEMM_UNROLL for (int i = 0; i < MR; ++i) GEMM_UNROLL for (int j = 0; j < NV; ++j)
      store(C + i * ldc + j * L, relu ? positive(sum[i][j]) : sum[i][j]);
}

template <typename T>
using Tile = void (*)(T*, size_t, const T*, size_t, const T*, size_t, size_t, const T*, size_t, bool);

template <typename T, int NV, bool COLS, int... I>
static inline Tile<T> tile_of(size_t rows, std::integer_sequence<int, I...>) {
  static constexpr Tile<T> tiles[] = {&tile<T, I + 1, NV, COLS>...};
  return tiles[rows - 1];
}

template <typename T, int NV>
static inline Tile<T> tile_of(bool cols, size_t rows) {
  std::make_integer_sequence<int, Simd<T>::rows(NV)> all;
  return cols ? tile_of<T, NV, true>(rows, all) : tile_of<T, NV, false>(rows, all);
}

// The tile function for this many rows and vectors, A in columns or in rows.
template <typename T>
static inline Tile<T> tile_of(bool cols, size_t rows, size_t nv) {
  return nv == 1 ? tile_of<T, 1>(cols, rows) : tile_of<T, 2>(cols, rows);
}

// Rows of the next tile when `left` remain: full tiles, except that the last two share what is left evenly.
static inline size_t next_rows(size_t left, size_t most) {
  return left >= 2 * most || left == most ? most : left > most ? (left + 1) / 2 : left;
}
