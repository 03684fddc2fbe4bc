// Windows over the rows of sequences. starts: see reduce.cu; null: one sequence of all T rows.

// The rows [first, end) of the sequence that row t is in.
struct Bounds {
  i64 first, end;
};
DEVICE Bounds bounds_of(const i64* starts, i64 B, i64 T, i64 t) {
  if (!starts) return Bounds{0, T};
  i64 b = last_at_most(starts, B, t);
  return Bounds{starts[b], starts[b + 1]};
}

// A thread per row and piece of N columns: it finds its sequence once and writes that piece of each of the windows.
template <int N, typename T>
DEVICE void seq2col_pieces(T* __restrict__ Y, const T* __restrict__ X, const i64* __restrict__ starts, i64 B, i64 rows,
                           i64 I, i64 nW) {
  i64 pieces = I / N, windows = 2 * nW + 1;
  for (i64 i = first_index(); i < rows * pieces; i += stride()) {
    i64 t = i / pieces, column = (i - t * pieces) * N;
    Bounds bounds = bounds_of(starts, B, rows, t);
    T* y = Y + t * windows * I + column;
#pragma unroll 4
    for (i64 row = t - nW; row <= t + nW; ++row, y += I) {
      Vec<T, N> x = {};
      if (row >= bounds.first && row < bounds.end) x = load<N>(X + row * I + column);
      store(y, x);
    }
  }
}
// The way back: row t was copied into window w of row t + nW - w. Windows are added in order, then row t of plus, if it
// is not null; each sum is written once.
template <int N, typename T>
DEVICE void backprop_seq2col_pieces(T* __restrict__ dX, const T* __restrict__ dY, const T* __restrict__ plus,
                                    const i64* __restrict__ starts, i64 B, i64 rows, i64 I, i64 nW) {
  i64 pieces = I / N, windows = 2 * nW + 1;
  for (i64 i = first_index(); i < rows * pieces; i += stride()) {
    i64 t = i / pieces, column = (i - t * pieces) * N;
    Bounds bounds = bounds_of(starts, B, rows, t);
    i64 last = min(t + nW, bounds.end - 1), least = max(t - nW, bounds.first);
    acc<T> sum[N] = {};
#pragma unroll 4
    for (i64 row = last; row >= least; --row) {
      Vec<T, N> dy = load<N>(dY + (row * windows + t + nW - row) * I + column);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += to_acc(dy.v[k]);
    }
    Vec<T, N> dx = {};
    if (plus) dx = load<N>(plus + t * I + column);
#pragma unroll
    for (int k = 0; k < N; ++k) dx.v[k] = from_acc<T>(plus ? sum[k] + to_acc(dx.v[k]) : sum[k]);
    store(dX + t * I + column, dx);
  }
}
#define SEQ2COL(suffix, T, ...)                                                                             \
  KERNEL(seq2col_##suffix, (T * Y, const T* X, const i64* starts, i64 B, i64 rows, i64 I, i64 nW)) {        \
    by_pieces<T>(I, [=](auto lanes) { seq2col_pieces<lanes.n>(Y, X, starts, B, rows, I, nW); }, Y, X);      \
  }                                                                                                         \
  KERNEL(backprop_seq2col_##suffix,                                                                         \
         (T * dX, const T* dY, const T* plus, const i64* starts, i64 B, i64 rows, i64 I, i64 nW)) {         \
    auto run = [=](auto lanes) { backprop_seq2col_pieces<lanes.n>(dX, dY, plus, starts, B, rows, I, nW); }; \
    by_pieces<T>(I, run, dX, dY, plus);                                                                     \
  }
FOR_FLOATS(SEQ2COL)
