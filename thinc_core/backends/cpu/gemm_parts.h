// Products cut for the threads: between rows or between columns of C, never along a sum.
//
// Measured, two threads on two cores of an AVX-512 EPYC, float32, times as fast as one: 4000 x 96 x 288 1.9,
// 500 x 384 x 288 1.95, 4000 x 300 x 300 2.0, 64 x 768 x 3072 2.0, 2000 x 768 x 768 1.95, 1 x 768 x 3072 1.8,
// 1000 x 96 x 96 1.7, 128 x 96 x 96 (22 us) 1.15; 32 x 96 x 96 stays on one.

template <typename T>
static Product<T> rows_of(Product<T> p, size_t first, size_t last) {
  p.C += first * p.ldc;
  p.A += first * (p.trans1 ? 1 : p.lda);
  if (p.start) p.start += first * p.ldi;
  p.M = last - first;
  return p;
}

template <typename T>
static Product<T> columns_of(Product<T> p, size_t first, size_t last) {
  p.C += first;
  p.B += first * (p.trans2 ? p.ldb : 1);
  if (p.start) p.start += first;
  p.N = last - first;
  return p;
}

// Work of one row of C of n sums of K products, in the unit of in_parts_: eight products of float32 with 64-byte
// vectors, or reading four values, as the operands of few rows come from far. A part of less than 10 us, most of it
// spent on the operand that all parts read, makes two threads slower than one.
template <typename T>
static inline size_t product_cost(size_t n, size_t K) {
  return K * (n * sizeof(T) / 4 + 2) / 8 + 1;
}

// Parts for each thread when n rows or columns are cut: each part packs, or reads, the whole other operand, which
// takes about as long as computing 8 of them.
static inline size_t most_parts(size_t n) {
  constexpr size_t ENOUGH = 128;
  const size_t fit = n / (ENOUGH * thread_count());
  return fit < 1 ? 1 : smaller(fit, PARTS_PER_THREAD);
}

// in_parts_ for products, which take up to 200 times as long over denormal numbers.
template <typename F>
static void product_parts_(size_t n, size_t cost, size_t step, F f, size_t most) {
  const auto flushed = [&](size_t first, size_t last) {
    const FlushDenormals flush(true);
    f(first, last);
  };
  in_parts_(n, cost, step, flushed, most);
}

// What follows a block of a product gives the same bits as when it comes alone.
template <typename F>
static auto after_product_(F f) {
  return [=](size_t first, size_t last) {
    const FlushDenormals none(false);
    f(first, last);
  };
}

// f(part, its first row, a multiple of step).
template <typename T, typename F>
static void rows_in_parts(const Product<T>& p, F f, size_t step = Simd<T>::rows(Simd<T>::NV)) {
  product_parts_(
      p.M, product_cost<T>(p.N, p.K), step, [&](size_t first, size_t last) { f(rows_of(p, first, last), first); },
      most_parts(p.M));
}

template <typename T, typename F>
static void columns_in_parts(const Product<T>& p, F f) {
  product_parts_(
      p.N, product_cost<T>(p.M, p.K), Simd<T>::NR, [&](size_t first, size_t last) { f(columns_of(p, first, last)); },
      most_parts(p.N));
}

// The same for a product whose parts must have at least NR columns.
template <typename T, typename F>
static void whole_columns_in_parts(const Product<T>& p, F f) {
  constexpr size_t NR = Simd<T>::NR;
  const size_t tiles = p.N / NR + !(p.N / NR);
  product_parts_(
      tiles, product_cost<T>(p.M, p.K) * NR, 1,
      [&](size_t first, size_t last) { f(columns_of(p, first * NR, last == tiles ? p.N : last * NR)); },
      most_parts(p.N));
}
