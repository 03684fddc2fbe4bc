// Matrix products, and what is fused to them: bias, relu, maxout, the backward passes.
//
// C = A B is computed tile by tile, a tile being as many sums as the registers hold (gemm_tile.h). B is first copied, a
// panel of one tile's width at a time, into the order in which the tile reads it (gemm_pack.h). Large products are cut
// so that a panel of B stays in the first-level cache, a block of A and the panels in use in the second. This file
// alone allows fused multiply-add: a sum may differ in the last bits between instruction sets, no more.
// S = the sum of the rows of n columns of X, or S += when accumulate. Four rows at a time, as S is read and written
// each time.
template <typename T>
static void sum_columns(T* S, const T* X, size_t ldx, size_t B, size_t n, bool accumulate) {
  for (size_t o = 0; !accumulate && o < n; ++o) S[o] = T(0);
  size_t b = 0;
  for (; b + 4 <= B; b += 4, X += 4 * ldx) {
    const T *x1 = X + ldx, *x2 = X + 2 * ldx, *x3 = X + 3 * ldx;
    THINC_INDEPENDENT
    for (size_t o = 0; o < n; ++o) S[o] += (X[o] + x1[o]) + (x2[o] + x3[o]);
  }
  for (; b < B; ++b, X += ldx) {
    THINC_INDEPENDENT
    for (size_t o = 0; o < n; ++o) S[o] += X[o];
  }
}

template <typename T>
static void column_sum(T* S, const T* X, size_t B, size_t O, bool accumulate) {
  in_parts_(
      O, B / 4 + 1, 64 / sizeof(T), [=](size_t o, size_t end) { sum_columns(S + o, X + o, O, B, end - o, accumulate); },
      1);
}

#include "gemm_plain.h"
#if !defined(__GNUC__)
using namespace plain;
#else
#if defined(__clang__)
#pragma clang fp contract(fast)
#else
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif
#define GEMM_INLINE inline __attribute__((always_inline))
#define GEMM_UNROLL _Pragma("GCC unroll 16")
#define GEMM_OPAQUE(x) asm("" : "+r"(x))
// x stays in a register: the compiler would load it anew for each use.
#if defined(__aarch64__)
#define GEMM_HOLD(x) asm("" : "+w"(x))
#else
#define GEMM_HOLD(x) asm("" : "+v"(x))
#endif

// C (M, N) = start + op(A) op(B), then max(., 0) if relu. start: null for zeros; ldi 0: one row for all.
template <typename T>
struct Product {
  T* C;
  const T *A, *B;
  size_t M, N, K, lda, ldb, ldc;
  bool trans1, trans2;
  const T* start;
  size_t ldi;
  bool relu;
};

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

struct Nothing {
  void operator()(size_t, size_t) const {}
};

#include "gemm_tile.h"
#include "gemm_pack.h"
#include "gemm_small.h"

// The block sizes of one product and the memory for its packed operands.
template <typename T>
struct Blocks {
  typedef Simd<T> S;
  size_t m, n, k;  // rows, columns and depth of a block
  size_t held;     // panels of B kept; 1: each is used up before the next is packed
  bool direct;     // B is read where it is
  bool pack_left;
  T *panels, *left;

  // spare: room for SPARE values, enough for small products and for going on, slowly, without memory.
  static constexpr size_t SPARE = 4096;
  Blocks(const Product<T>& p, T* spare) {
    m = part(p.M, MOST_M, S::rows(S::NV));
    k = part(p.K, MOST_K / sizeof(T), 1);
    direct = !p.trans2 && reads_directly(p);
    pack_left = p.trans1 && p.N > 2 * S::NR && p.M * p.K * p.N > MOST_LEFT / sizeof(T) * S::NR;
    const size_t all = (p.N + S::NR - 1) / S::NR, panel = k * S::NR;
    held = p.M <= m ? 1 : part(all, PANELS / sizeof(T) / (panel + 1) + 1, 1);
    const size_t need = held * panel + (pack_left ? m * k : 0);
    panels = need <= SPARE ? spare : static_cast<T*>(workspace.get(need * sizeof(T)));
    if (!panels) {
      m = p.M, held = 1, pack_left = false, panels = spare;
      k = part(p.K, SPARE / S::NR, 1);
    }
    n = held > 1 ? held * S::NR : p.N;
    left = panels + held * k * S::NR;
  }

  // Bytes of a row of A in a block: then a panel of B, twice a vector wide, has about the size of the first-level
  // cache.
  static constexpr size_t MOST_K = 1536;
  // Bytes of A^T, times panels of B, up to which its columns are read where they are, because they are in the caches
  // when the next panel comes: 288 x 96, depth 128, 52 us packed and 45 direct; depth 4000, 1730 and 1840.
  static constexpr size_t MOST_LEFT = 2 * 1024 * 1024;
  // Rows of a block of A, and bytes of panels of B kept: both fit in a second-level cache of 1 MB.
  static constexpr size_t MOST_M = 96, PANELS = 512 * 1024;
  // Whether packing a B that is already in rows of columns costs more than it saves: when C has few rows, or the rows
  // of B are short. 48 x 768 x 768 in GFLOP/s: 102 packed, 115 direct; 1000 x 96 x 288: 111 and 116; 400 x 1024 x 1024:
  // 97 and 90. Narrow panels use little of each page they read, and rows longer than a page need a page each: 64 x
  // 2048, depth 512, takes 1.25 times as long.
  static bool reads_directly(const Product<T>& p) {
    constexpr bool NARROW = THINC_VECTOR_BYTES < 64;
    const bool short_rows = p.N * sizeof(T) <= 1200;
    if (p.ldb * sizeof(T) > 4096 && p.M > 12) return false;
    return p.M <= (NARROW ? 24 : 144) || (short_rows && (!NARROW || p.M <= 144));
  }

  // The size of n in about equal parts of at most `most`, each but the last a multiple of step; never 0.
  static size_t part(size_t n, size_t most, size_t step) {
    const size_t parts = (n + most - 1) / most;
    return parts > 1 ? ((n + parts - 1) / parts + step - 1) / step * step : n + !n;
  }
};

// The left operand of a block: in rows, in columns, or packed by pack_columns.
template <typename T>
struct Left {
  const T* A;
  size_t lda;
  bool cols, packed;
};

// C (M, n) = start + left B, for one panel of n <= NR columns.
template <typename T>
static void panel_product(T* C, size_t ldc, const Left<T>& left, const T* B, size_t ldb, size_t M, size_t n, size_t K,
                          const T* start, size_t ldi, bool relu) {
  typedef Simd<T> S;
  const size_t nv = (n + S::L - 1) / S::L, most = S::rows(left.packed ? S::NV : int(nv));
  for (size_t i = 0, rows; i < M; i += rows) {
    rows = next_rows(M - i, most);
    const T* a = left.A + i * (left.packed ? K : left.cols ? 1 : left.lda);
    const size_t lda = left.packed ? rows : left.lda;
    const Tile<T> tile = tile_of<T>(left.cols, rows, nv);
    if (n == nv * S::L) {
      tile(C + i * ldc, ldc, a, lda, B, ldb, K, start ? start + i * ldi : nullptr, ldi, relu);
      continue;
    }
    alignas(64) T out[S::MOST_ROWS * S::NR];  // ragged: whole vectors here, then what exists of them
    for (size_t r = 0; start && r < rows; ++r) {
      store(out + r * S::NR + (nv - 1) * S::L, typename S::vec{});
      copy_few(out + r * S::NR, start + (i + r) * ldi, n);
    }
    tile(out, S::NR, a, lda, B, ldb, K, start ? out : nullptr, S::NR, relu);
    for (size_t r = 0; r < rows; ++r) copy_few(C + (i + r) * ldc, out + r * S::NR, n);
  }
}

// Rows [m0, m0 + block.m) of columns [n0, n0 + block.n), depth [k0, k0 + block.k).
template <typename T>
static void block_product(const Product<T>& p, const Blocks<T>& block, size_t m0, size_t n0, size_t k0) {
  typedef Simd<T> S;
  const size_t m = smaller(p.M - m0, block.m), n1 = n0 + smaller(p.N - n0, block.n), k = smaller(p.K - k0, block.k);
  const T* start = k0 ? p.C : p.start;
  const size_t ldi = k0 ? p.ldc : p.ldi;
  Left<T> left = {p.A + (p.trans1 ? k0 * p.lda + m0 : m0 * p.lda + k0), p.lda, p.trans1, block.pack_left};
  if (block.pack_left) {
    pack_columns<S::rows(S::NV)>(block.left, left.A, p.lda, m, k);
    left.A = block.left;
  }
  for (size_t n = n0; n < n1; n += S::NR) {
    const size_t width = smaller(n1 - n, S::NR);
    const T* B = p.B + (p.trans2 ? n * p.ldb + k0 : k0 * p.ldb + n);
    size_t ldb = p.ldb;
    if (!block.direct || width % S::L) {
      T* panel = block.panels + (block.held > 1 ? (n - n0) * block.k : 0);
      if (m0 == 0 || block.held == 1) pack_panel(panel, B, p.ldb, p.trans2, width, k);
      B = panel;
      ldb = (width + S::L - 1) / S::L * S::L;
    }
    panel_product(p.C + m0 * p.ldc + n, p.ldc, left, B, ldb, m, width, k, start ? start + m0 * ldi + n : nullptr, ldi,
                  p.relu && k0 + k == p.K);
  }
}

// One column of C, contiguous: the rows of A times the one row of B^T are dot products of B^T's row with A's.
template <typename T>
static void column_product(const Product<T>& p) {
  if (p.start && p.ldi == 0)
    for (size_t m = 0; m < p.M; ++m) p.C[m] = *p.start;
  const T* start = p.start && p.ldi == 0 ? p.C : p.start;
  dot_product<T>({p.C, p.B, p.A, 1, p.M, p.K, p.K, p.lda, p.M, false, true, start, p.M, p.relu});
}

// The product of operands packed on the way. done(first, last): these rows of C are complete.
template <typename T, typename F>
static void packed_product(const Product<T>& p, F done) {
  alignas(64) T spare[Blocks<T>::SPARE];
  const Blocks<T> block(p, spare);
  for (size_t n = 0; n < p.N; n += block.n)
    for (size_t k = 0; k == 0 || k < p.K; k += block.k)
      for (size_t m = 0; m < p.M; m += block.m) {
        block_product(p, block, m, n, k);
        if (n + block.n >= p.N && k + block.k >= p.K) done(m, smaller(p.M, m + block.m));
      }
}

#include "gemm_parts.h"

// What decides in which order a sum is taken is chosen here, from the whole product; then it is cut for the threads.
template <typename T, typename F>
static void product(Product<T> p, F done) {
  if (p.M == 0 || p.N == 0) return;
  // A column that is contiguous is a row.
  if (p.M == 1 && p.lda == 1) p.trans1 = false;
  if (p.N == 1 && p.ldb == 1) p.trans2 = true;
  const size_t thin = thin_columns(p);
  if (!p.trans1 && p.trans2 && few_rows<T>(p.M, p.K)) {
    columns_in_parts(p, &dot_product<T>);
  } else if (!p.trans1 && p.trans2 && p.N == 1 && p.ldc == 1 && p.ldi <= 1 && few_rows<T>(1, p.K)) {
    rows_in_parts(p, [](const Product<T>& part, size_t) { column_product(part); });
  } else if (thin) {
    product(columns_of(p, 0, p.N - thin), Nothing());
    const Product<T> rest = columns_of(p, p.N - thin, p.N);
    if (p.trans1)
      rows_in_parts(rest, [](const Product<T>& part, size_t) { thin_transposed_product(part); }, THIN_ROWS);
    else
      rows_in_parts(rest, [](const Product<T>& part, size_t) { thin_product(part); });
  } else if (few_tiles_pay(p)) {
    whole_columns_in_parts(p, &few_tiles_product<T>);
  } else if (in_long_rows(p)) {
    const auto multiply = [](const Product<T>& part, size_t) {
      part.N < size_t(Simd<T>::L) ? packed_product(part, Nothing()) : row_product(part);  // in the same order
    };
    p.M <= FEW_ROWS ? columns_in_parts(p, [=](const Product<T>& part) { multiply(part, 0); })
                    : rows_in_parts(p, multiply);
  } else if (thread_count() == 1 || p.M >= p.N) {
    return rows_in_parts(p, [&](const Product<T>& part, size_t row) {
      packed_product(part, [&](size_t first, size_t last) { done(row + first, row + last); });
    });
  } else {
    columns_in_parts(p, [](const Product<T>& part) { packed_product(part, Nothing()); });
  }
  done(0, p.M);
}

template <typename T>
static void product(const Product<T>& p) {
  product(p, Nothing());
}

template <typename T>
static void gemm(T* C, const T* A, const T* B, size_t M, size_t N, size_t K, size_t lda, size_t ldb, size_t ldc,
                 bool trans1, bool trans2, bool accumulate) {
  product<T>({C, A, B, M, N, K, lda, ldb, ldc, trans1, trans2, accumulate ? C : nullptr, ldc, false});
}

template <typename T>
static void affine(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  product<T>({Y, X, W, B, O, I, ldx, I, O, false, true, b, 0, false});
}

template <typename T>
static void affine_relu(T* Y, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx) {
  product<T>({Y, X, W, B, O, I, ldx, I, O, false, true, b, 0, true});
}

// Z = X W^T + b and Y = f(Z), which may be the same array, a block of rows at a time.
template <typename T>
static void affine_map(T* Y, T* Z, const T* X, const T* W, const T* b, size_t B, size_t O, size_t I, size_t ldx,
                       void (*f)(T* Y, const T* X, size_t n)) {
  product<T>({Z, X, W, B, O, I, ldx, I, O, false, true, b, 0, false},
             after_product_([=](size_t first, size_t last) { f(Y + first * O, Z + first * O, (last - first) * O); }));
}

#include "gemm_fused.h"
#include "gemm_backprop.h"

#undef GEMM_INLINE
#undef GEMM_UNROLL
#undef GEMM_OPAQUE
#undef GEMM_HOLD
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC pop_options
#endif
#endif

template <typename T>
static void backprop_affine(T* dX, T* dW, T* db, const T* dY, const T* X, const T* W, size_t B, size_t O, size_t I) {
  if (dX) gemm(dX, dY, W, B, I, O, O, I, I, false, false, false);
  if (dW) gemm(dW, dY, X, O, I, B, O, I, I, true, false, true);
  if (db) column_sum(db, dY, B, O, true);
}

template <typename T>
static void axpy(T* Y, const T* X, T alpha, size_t n) {
  in_parts_(n, 1, 1024, [=](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) Y[i] += alpha * X[i];
  });
}

template <typename T>
static void scal(T* X, T alpha, size_t n) {
  in_parts_(n, 1, 1024, [=](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) X[i] *= alpha;
  });
}
