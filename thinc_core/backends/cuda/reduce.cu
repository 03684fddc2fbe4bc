// Reductions of ragged sequences: T rows laid end to end, of which sequence b has those in [starts[b], starts[b + 1]).
// Starts lie in [0, T] even if the lengths are wrong, so nothing is read or written beyond the arrays.

#include "ragged.cuh"

// A sum of numbers of rows that ends at the largest number instead of beginning again below 0.
constexpr i64 MOST_ROWS = 0x7fffffffffffffffLL;
DEVICE i64 add_lengths(i64 x, i64 y) { return x > MOST_ROWS - y ? MOST_ROWS : x + y; }

// starts (B + 1) from lengths (B): one block, in which each thread has a run of lengths. Reported are a length below
// the minimum, with limit -1, and the sum of the lengths up to the first one that goes beyond T, or of all of them, if
// it is not T. whole: the sum of all of them only. Negative lengths add nothing.
template <typename I>
DEVICE void starts_of(i64* __restrict__ starts, const I* __restrict__ lengths, i64 B, i64 T, i64 minimum, i64 whole,
                      ErrorWord* error, i64 ticket) {
  SHARED(i64, sums, WARP);
  if (blockIdx.x > 0) return;
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  i64 run = (B + blockDim.x - 1) / blockDim.x, first = min(B, threadIdx.x * run), last = min(B, first + run), own = 0;
  for (i64 i = first; i < last; ++i) own = add_lengths(own, max((i64)lengths[i], 0LL));
  i64 end = own;  // of the runs up to this one
#pragma unroll
  for (int distance = 1; distance < WARP; distance *= 2) {
    i64 before = __shfl_up_sync(WHOLE_WARP, end, distance);
    if (lane >= distance) end = add_lengths(end, before);
  }
  if (lane == WARP - 1) sums[warp] = end;
  end = __shfl_up_sync(WHOLE_WARP, end, 1);  // before this run
  if (lane == 0) end = 0;
  __syncthreads();
  i64 total = 0;
  for (int i = 0; i < warps; ++i) {
    if (i == warp) end = add_lengths(end, total);
    total = add_lengths(total, sums[i]);
  }
  bool bad = false;
  for (i64 i = first; i < last; ++i) {
    i64 length = lengths[i];
    end = add_lengths(end, max(length, 0LL));
    starts[i + 1] = min(end, T);
    if (bad) continue;
    if (length < minimum) {
      report(error, ticket, length, i, -1);
      bad = true;
    } else if (end > T && !whole) {
      report(error, ticket, end, i, T);
      bad = true;
    }
  }
  if (threadIdx.x == 0) {
    starts[0] = 0;
    if (total != T) report(error, ticket, total, B, T);
  }
}
#define STARTS(I)                                                                                                     \
  UNTYPED_KERNEL(starts_##I, (i64 * starts, const I* lengths, i64 B, i64 T, i64 minimum, i64 whole, ErrorWord* error, \
                              i64 ticket)) {                                                                          \
    starts_of(starts, lengths, B, T, minimum, whole, error, ticket);                                                  \
  }
STARTS(i32)
STARTS(i64)

// What is known of a column after some of the rows. Rows are added in order; any two states can be merged.
template <typename A>
struct Total {
  A sum;
  static MEMBER Total none() { return Total{A(0)}; }
  MEMBER void add(A x, i32) { sum += x; }
  MEMBER void merge(const Total& other) { sum += other.sum; }
};
// The largest value and its row: the first of a tie, the first NaN before everything.
template <typename A>
struct Largest {
  A value;
  i32 row;
  static MEMBER Largest none() { return Largest{A(0), -1}; }
  MEMBER void add(A x, i32 at) {
    bool better = (row < 0) | (x > value) | ((x != x) & (value == value));
    value = better ? x : value;
    row = better ? at : row;
  }
  MEMBER void merge(const Largest& other) {
    if (other.row < 0) return;
    bool nan = value != value, other_nan = other.value != other.value;
    bool tie = other.value == value || (nan && other_nan);
    if (row < 0 || (tie ? other.row < row : other_nan || other.value > value)) *this = other;
  }
};

// Up to SHORT rows are for a thread, others for a block, very many for several.
constexpr i64 SHORT = 32;

// Adds the rows first, first + step, ... of n to the states of N columns, with several loads under way. X: the first
// row of the sequence.
template <int N, typename S, typename T>
DEVICE void add_rows(S (&states)[N], const T* __restrict__ X, i64 first, i64 step, i64 n, i64 O) {
  constexpr int AT_ONCE = N > 4 ? 2 : 4;
  i64 row = first;
  for (; row + (AT_ONCE - 1) * step < n; row += AT_ONCE * step) {
    Vec<T, N> x[AT_ONCE];
#pragma unroll
    for (int j = 0; j < AT_ONCE; ++j) x[j] = load<N>(X + (row + j * step) * O);
#pragma unroll
    for (int j = 0; j < AT_ONCE; ++j) {
#pragma unroll
      for (int k = 0; k < N; ++k) states[k].add(to_acc(x[j].v[k]), (i32)(row + j * step));
    }
  }
#pragma unroll 1
  for (; row < n; row += step) {
    Vec<T, N> x = load<N>(X + row * O);
#pragma unroll
    for (int k = 0; k < N; ++k) states[k].add(to_acc(x.v[k]), (i32)row);
  }
}
// The states of all threads with the same column merged, in an order that depends on nothing but the block: for those
// of row 0. All threads of the block must call. A row is `columns` threads.
template <int N, typename S>
DEVICE void merge_rows(S (&states)[N], S* shared, int columns) {
  int row = threadIdx.x / columns, rows = blockDim.x / columns;
#pragma unroll
  for (int k = 0; k < N; ++k) shared[k * blockDim.x + threadIdx.x] = states[k];
  __syncthreads();
  while (rows > 1) {
    int half = (rows + 1) / 2;
    if (row + half < rows) {
#pragma unroll
      for (int k = 0; k < N; ++k) {
        states[k].merge(shared[k * blockDim.x + threadIdx.x + half * columns]);
        shared[k * blockDim.x + threadIdx.x] = states[k];
      }
    }
    rows = half;
    __syncthreads();
  }
}

// How the threads of a block share rows and columns: tiles of up to 32 pieces of N columns.
struct Tiles {
  i64 pieces, tiles;
  int columns, row, rows;  // row: the first one of this thread, which goes on by `rows`
  MEMBER Tiles(i64 pieces) : pieces(pieces), columns(1) {
    while (columns < WARP && columns < pieces) columns *= 2;
    tiles = (pieces + columns - 1) / columns;
    row = threadIdx.x / columns;
    rows = blockDim.x / columns;
  }
  MEMBER i64 piece(i64 unit) const { return unit % tiles * columns + threadIdx.x % columns; }
};
template <int N, typename S>
DEVICE void begin(S (&states)[N]) {
#pragma unroll
  for (int k = 0; k < N; ++k) states[k] = S::none();
}

// write(b * O + o, n, states) for each sequence b of n rows and each piece of N columns from o on. Short sequences are
// for a thread per piece, longer ones for a block per tile, whose threads share its rows. parts: null, or where what
// the parts of long sequences come to is written to instead, (chunks, 2, O).
template <int N, typename S, typename T, typename W>
DEVICE void reduce_pieces(S* __restrict__ parts, const T* __restrict__ X, const i64* __restrict__ starts, i64 B, i64 O,
                          i64 rows, i64 chunk, W write) {
  SHARED(S, shared, MOST_THREADS * N);
  Tiles at(O / N);
  S states[N];
  for (i64 i = first_index(); i < B * at.pieces; i += stride()) {
    i64 b = i / at.pieces, o = (i - b * at.pieces) * N, start = starts[b], n = starts[b + 1] - start;
    if (n > SHORT) continue;
    begin(states);
    add_rows(states, X + start * O + o, 0, 1, n, O);
    write(b * O + o, n, states);
  }
  for (i64 unit = blockIdx.x; unit < B * at.tiles; unit += gridDim.x) {
    i64 b = unit / at.tiles, piece = at.piece(unit), o = piece * N, start = starts[b], n = starts[b + 1] - start;
    if (n <= SHORT || (parts && is_long(n, chunk))) continue;
    begin(states);
    if (piece < at.pieces) add_rows(states, X + start * O + o, at.row, at.rows, n, O);
    merge_rows(states, shared, at.columns);
    if (at.row == 0 && piece < at.pieces) write(b * O + o, n, states);
  }
  i64 chunks = parts ? (rows + chunk - 1) / chunk : 0;
  for (i64 unit = blockIdx.x; unit < chunks * 2 * at.tiles; unit += gridDim.x) {
    i64 place = unit / at.tiles, piece = at.piece(unit), o = piece * N;
    Part part = part_of(Sequences{starts, B}, rows, chunk, place);
    if (part.end <= part.first) continue;
    begin(states);
    if (piece < at.pieces) add_rows(states, X + part.start * O + o, part.first + at.row, at.rows, part.end, O);
    merge_rows(states, shared, at.columns);
    if (at.row > 0 || piece >= at.pieces) continue;
#pragma unroll
    for (int k = 0; k < N; ++k) parts[place * O + o + k] = states[k];
  }
}
// The same for the long sequences alone, from their parts.
template <int N, typename S, typename W>
DEVICE void merge_parts(const S* __restrict__ parts, const i64* __restrict__ starts, i64 B, i64 O, i64 chunk, W write) {
  SHARED(S, shared, MOST_THREADS * N);
  Tiles at(O / N);
  for (i64 unit = blockIdx.x; unit < B * at.tiles; unit += gridDim.x) {
    i64 b = unit / at.tiles, piece = at.piece(unit), o = piece * N, start = starts[b], n = starts[b + 1] - start;
    if (!is_long(n, chunk)) continue;
    S states[N];
    begin(states);
    i64 last = chunk_of(start + n - 1, chunk);
    for (i64 c = chunk_of(start, chunk) + at.row; c <= last && piece < at.pieces; c += at.rows) {
      i64 place = place_in(c, start, chunk);
#pragma unroll
      for (int k = 0; k < N; ++k) states[k].merge(parts[place * O + o + k]);
    }
    merge_rows(states, shared, at.columns);
    if (at.row == 0 && piece < at.pieces) write(b * O + o, n, states);
  }
}

// What becomes of the states of a piece. MEAN: divide by the number of rows.
template <bool MEAN, typename T>
struct WriteTotals {
  T* Y;
  template <int N>
  MEMBER void operator()(i64 at, i64 n, Total<acc<T>> (&states)[N]) const {
    Vec<T, N> y;
#pragma unroll
    for (int k = 0; k < N; ++k) y.v[k] = from_acc<T>(MEAN ? states[k].sum / acc<T>(max(n, 1LL)) : states[k].sum);
    store(Y + at, y);
  }
};
template <typename T>
struct WriteLargest {
  T* Y;
  i32* which;
  template <int N>
  MEMBER void operator()(i64 at, i64, Largest<acc<T>> (&states)[N]) const {
    Vec<T, N> y;
#pragma unroll
    for (int k = 0; k < N; ++k) {
      y.v[k] = from_acc<T>(states[k].value);
      which[at + k] = max(states[k].row, 0);
    }
    store(Y + at, y);
  }
};
template <typename T, typename S, typename W>
DEVICE void reduce(S* parts, const T* X, const i64* starts, i64 B, i64 O, i64 rows, i64 chunk, W write) {
  by_pieces<T>(O, [=](auto lanes) { reduce_pieces<lanes.n>(parts, X, starts, B, O, rows, chunk, write); }, write.Y, X);
}
template <typename T, typename S, typename W>
DEVICE void merge(const S* parts, const i64* starts, i64 B, i64 O, i64 chunk, W write) {
  by_pieces<T>(O, [=](auto lanes) { merge_parts<lanes.n>(parts, starts, B, O, chunk, write); }, write.Y);
}
#define REDUCE(suffix, T, name, MEAN)                                                                                \
  KERNEL(reduce_##name##_##suffix,                                                                                   \
         (T * Y, Total<acc<T>> * parts, const T* X, const i64* starts, i64 B, i64 O, i64 rows, i64 chunk)) {         \
    reduce<T>(parts, X, starts, B, O, rows, chunk, WriteTotals<MEAN, T>{Y});                                         \
  }                                                                                                                  \
  KERNEL(merge_##name##_##suffix, (T * Y, const Total<acc<T>>* parts, const i64* starts, i64 B, i64 O, i64 chunk)) { \
    merge<T>(parts, starts, B, O, chunk, WriteTotals<MEAN, T>{Y});                                                   \
  }
FOR_FLOATS(REDUCE, sum, false)
FOR_FLOATS(REDUCE, mean, true)
#define REDUCE_MAX(suffix, T, ...)                                                                                \
  KERNEL(reduce_max_##suffix, (T * Y, i32 * which, Largest<acc<T>> * parts, const T* X, const i64* starts, i64 B, \
                               i64 O, i64 rows, i64 chunk)) {                                                     \
    reduce<T>(parts, X, starts, B, O, rows, chunk, WriteLargest<T>{Y, which});                                    \
  }                                                                                                               \
  KERNEL(merge_max_##suffix,                                                                                      \
         (T * Y, i32 * which, const Largest<acc<T>>* parts, const i64* starts, i64 B, i64 O, i64 chunk)) {        \
    merge<T>(parts, starts, B, O, chunk, WriteLargest<T>{Y, which});                                              \
  }
FOR_FLOATS(REDUCE_MAX)

// dX of T rows, each element written once, a thread per piece of N columns: row t gets f(d, n) for each of the values d
// in its sequence's row, where n is how many rows the sequence has.
template <int N, typename T, typename F>
DEVICE void spread_pieces(T* __restrict__ dX, const T* __restrict__ d, const i64* __restrict__ starts, i64 B, i64 rows,
                          i64 O, F f) {
  i64 pieces = O / N;
  for (i64 i = first_index(); i < rows * pieces; i += stride()) {
    i64 t = i / pieces, o = (i - t * pieces) * N, b = last_at_most(starts, B, t), n = starts[b + 1] - starts[b];
    Vec<T, N> x = load<N>(d + b * O + o);
#pragma unroll
    for (int k = 0; k < N; ++k) x.v[k] = f(x.v[k], n);
    store(dX + t * O + o, x);
  }
}
template <typename T>
DEVICE T share_of(T d, i64 n) {
  return from_acc<T>(to_acc(d) / acc<T>(max(n, 1LL)));
}
#define SPREAD(suffix, T, ...)                                                                             \
  KERNEL(backprop_reduce_sum_##suffix, (T * dX, const T* d, const i64* starts, i64 B, i64 rows, i64 O)) {  \
    auto same = [](T x, i64) { return x; };                                                                \
    by_pieces<T>(O, [=](auto lanes) { spread_pieces<lanes.n>(dX, d, starts, B, rows, O, same); }, dX, d);  \
  }                                                                                                        \
  KERNEL(backprop_reduce_mean_##suffix, (T * dX, const T* d, const i64* starts, i64 B, i64 rows, i64 O)) { \
    auto share = [](T x, i64 n) { return share_of(x, n); };                                                \
    by_pieces<T>(O, [=](auto lanes) { spread_pieces<lanes.n>(dX, d, starts, B, rows, O, share); }, dX, d); \
  }
FOR_FLOATS(SPREAD)

// The same with d at the winning row of each column and 0 at the others. A row that is not in its sequence is reported.
template <int N, typename T, typename I>
DEVICE void spread_largest(T* __restrict__ dX, const T* __restrict__ d, const I* __restrict__ which,
                           const i64* __restrict__ starts, i64 B, i64 rows, i64 O, ErrorWord* error, i64 ticket) {
  i64 pieces = O / N;
  for (i64 i = first_index(); i < rows * pieces; i += stride()) {
    i64 t = i / pieces, o = (i - t * pieces) * N, b = last_at_most(starts, B, t), row = t - starts[b], at = b * O + o;
    Vec<T, N> x = load<N>(d + at);
#pragma unroll
    for (int k = 0; k < N; ++k) x.v[k] = which[at + k] == row ? x.v[k] : T{};
    store(dX + t * O + o, x);
    if (row > 0) continue;
    i64 n = starts[b + 1] - starts[b];
    for (int k = 0; k < N; ++k) {
      i64 winner = which[at + k];
      if (winner < 0 || winner >= n) {
        report(error, ticket, winner, at + k, n);
        break;
      }
    }
  }
}
#define SPREAD_LARGEST(suffix, T, I)                                                                                  \
  KERNEL(backprop_reduce_max_##suffix##_##I, (T * dX, const T* d, const I* which, const i64* starts, i64 B, i64 rows, \
                                              i64 O, ErrorWord* error, i64 ticket)) {                                 \
    by_pieces<T>(                                                                                                     \
        O, [=](auto lanes) { spread_largest<lanes.n>(dX, d, which, starts, B, rows, O, error, ticket); }, dX, d);     \
  }
FOR_FLOATS(SPREAD_LARGEST, i32)
FOR_FLOATS(SPREAD_LARGEST, i64)

// Y[b] = X[starts[b + next] - next]: with next = 0 the first row of each sequence, with 1 the last. places gets what
// the ops return beside it: the starts and the end, or the last rows. rows: of X, which wrong lengths must not leave.
template <int N, typename T, typename P>
DEVICE void pick_rows(T* __restrict__ Y, P* __restrict__ places, const T* __restrict__ X,
                      const i64* __restrict__ starts, i64 B, i64 rows, i64 O, int next) {
  i64 pieces = O / N;
  for (i64 i = first_index(); i < B * pieces; i += stride()) {
    i64 b = i / pieces, o = (i - b * pieces) * N, row = starts[b + next] - next;
    Vec<T, N> x = {};
    if (row >= 0 && row < rows) x = load<N>(X + row * O + o);
    store(Y + b * O + o, x);
    if (o > 0) continue;
    places[b] = (P)row;
    if (next == 0 && b == B - 1) places[B] = (P)starts[B];
  }
}
// Zeros with row b of d at row places[b], which increase. The last place is that of the last row, or with_end the place
// behind it. One that is not as it should be is reported; there are at least B rows, so each place has a thread.
template <int N, typename T, typename I>
DEVICE void put_rows(T* __restrict__ dX, const T* __restrict__ d, const I* __restrict__ places, i64 B, i64 rows, i64 O,
                     i64 with_end, ErrorWord* error, i64 ticket) {
  i64 pieces = O / N;
  for (i64 i = first_index(); i < rows * pieces; i += stride()) {
    i64 t = i / pieces, o = (i - t * pieces) * N, b = last_at_most(places, B, t);
    Vec<T, N> x = {};
    if (b >= 0 && places[b] == t) x = load<N>(d + b * O + o);
    store(dX + t * O + o, x);
    if (o > 0 || t >= B) continue;
    i64 place = places[t], before = t ? (i64)places[t - 1] : -1;
    bool last = t == B - 1, short_of_end = last && !with_end && place != rows - 1;
    if (place <= before || place >= rows || short_of_end) report(error, ticket, place, t, rows);
    if (last && with_end && places[B] != rows) report(error, ticket, places[B], B, rows);
  }
}
#define PICK_ROWS(suffix, T, ...)                                                                               \
  KERNEL(reduce_first_##suffix, (T * Y, i32 * places, const T* X, const i64* starts, i64 B, i64 rows, i64 O)) { \
    by_pieces<T>(O, [=](auto lanes) { pick_rows<lanes.n>(Y, places, X, starts, B, rows, O, 0); }, Y, X);        \
  }                                                                                                             \
  KERNEL(reduce_last_##suffix, (T * Y, i64 * places, const T* X, const i64* starts, i64 B, i64 rows, i64 O)) {  \
    by_pieces<T>(O, [=](auto lanes) { pick_rows<lanes.n>(Y, places, X, starts, B, rows, O, 1); }, Y, X);        \
  }
#define PUT_ROWS(suffix, T, I)                                                                                        \
  KERNEL(put_rows_##suffix##_##I,                                                                                     \
         (T * dX, const T* d, const I* places, i64 B, i64 rows, i64 O, i64 with_end, ErrorWord* error, i64 ticket)) { \
    by_pieces<T>(                                                                                                     \
        O, [=](auto lanes) { put_rows<lanes.n>(dX, d, places, B, rows, O, with_end, error, ticket); }, dX, d);        \
  }
FOR_FLOATS(PICK_ROWS)
FOR_FLOATS(PUT_ROWS, i32)
FOR_FLOATS(PUT_ROWS, i64)
