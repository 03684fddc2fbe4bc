// Softmax of rows, and of columns over the rows of sequences. Formulas: reference/softmax.py.
// Y may be exactly X: each element is read for the last time by the thread that overwrites it.

#include "ragged.cuh"

// The largest value so far, and the sum of e^(x - highest) over what was seen. It begins at the lowest finite value, so
// that -inf adds 0. A NaN stays in the sum.
template <typename A>
struct Online {
  A highest, sum;
  MEMBER void add(A x) {
    if (x <= highest) {
      sum += exp_(x - highest);
    } else {
      sum = sum * exp_(highest - x) + A(1);
      highest = x;
    }
  }
};
template <typename A>
DEVICE Online<A> nothing_seen() {
  return Online<A>{-largest_(A(0)), A(0)};
}

template <typename A>
DEVICE A cooled(A x, A temperature) {
  return temperature == A(1) ? x : x / temperature;
}

// What a row is computed from: elements, plus b if it is not null, over the temperature. X: how the elements are
// stored.
template <typename X, typename T>
struct Logits {
  const X* x;
  const T* b;
  acc<T> temperature;
  MEMBER acc<T> at(X value, i64 i) const {
    return cooled(b ? to_acc(value) + to_acc(b[i]) : to_acc(value), temperature);
  }
};
// m - m is NaN where the maximum is not finite: all of the row is to be NaN then.
template <int V, typename X, typename T, typename Team>
DEVICE void softmax_row(T* y, Logits<X, T> logits, i64 n, Team team) {
  typedef acc<T> A;
  Online<A> seen = nothing_seen<A>();
#pragma unroll 1
  for (i64 i = (i64)team.rank() * V; i < n; i += (i64)team.size() * V) {
    Vec<X, V> values = load<V>(logits.x + i);
#pragma unroll
    for (int k = 0; k < V; ++k) seen.add(logits.at(values.v[k], i + k));
  }
  A m = team.reduce(seen.highest, -largest_(A(0)), Max());
  A sum = team.reduce(seen.sum * exp_(seen.highest - m), A(0), Sum()) + (m - m);
#pragma unroll 1
  for (i64 i = (i64)team.rank() * V; i < n; i += (i64)team.size() * V) {
    Vec<X, V> values = load<V>(logits.x + i);
    Vec<T, V> shares;
#pragma unroll
    for (int k = 0; k < V; ++k) shares.v[k] = from_acc<T>(exp_(logits.at(values.v[k], i + k) - m) / sum);
    store(y + i, shares);
  }
}
template <int V, typename T, typename Team>
DEVICE void backprop_softmax_row(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ y, i64 n,
                                 acc<T> temperature, Team team) {
  typedef acc<T> A;
  A sum = A(0);
#pragma unroll 1
  for (i64 i = (i64)team.rank() * V; i < n; i += (i64)team.size() * V) {
    Vec<T, V> g = load<V>(dy + i), values = load<V>(y + i);
#pragma unroll
    for (int k = 0; k < V; ++k) sum += to_acc(values.v[k]) * cooled(to_acc(g.v[k]), temperature);
  }
  sum = team.reduce(sum, A(0), Sum());
  auto f = [=](A g, A value) { return value * cooled(g, temperature) - value * sum; };
#pragma unroll 1
  for (i64 i = (i64)team.rank() * V; i < n; i += (i64)team.size() * V) {
    store(dx + i, map_vector<T>(f, load<V>(dy + i), load<V>(y + i)));
  }
}

// Every step-th row from the first one on, each by the whole team.
template <typename X, typename T, typename Team>
DEVICE void softmax_rows(T* Y, Logits<X, T> logits, i64 B, i64 O, i64 first, i64 step, Team team) {
  bool vectors = O % LANES<T> == 0 && aligned(Y, logits.x);
  for (i64 b = first; b < B; b += step) {
    Logits<X, T> row = {logits.x + b * O, logits.b, logits.temperature};
    if (vectors) {
      softmax_row<LANES<T>>(Y + b * O, row, O, team);
    } else {
      softmax_row<1>(Y + b * O, row, O, team);
    }
  }
}
template <typename T, typename Team>
DEVICE void backprop_softmax_rows(T* dX, const T* dY, const T* Y, i64 B, i64 O, acc<T> temperature, i64 first, i64 step,
                                  Team team) {
  bool vectors = O % LANES<T> == 0 && aligned(dX, dY, Y);
  for (i64 b = first; b < B; b += step) {
    if (vectors) {
      backprop_softmax_row<LANES<T>>(dX + b * O, dY + b * O, Y + b * O, O, temperature, team);
    } else {
      backprop_softmax_row<1>(dX + b * O, dY + b * O, Y + b * O, O, temperature, team);
    }
  }
}
// A warp per row, and, for wide ones, a block per row.
#define SOFTMAX(suffix, T, ...)                                                                                 \
  KERNEL(softmax_##suffix, (T * Y, const T* X, i64 B, i64 O, acc<T> temperature)) {                             \
    softmax_rows(Y, Logits<T, T>{X, nullptr, temperature}, B, O, first_warp(), warps(), WarpTeam());            \
  }                                                                                                             \
  KERNEL(softmax_wide_##suffix, (T * Y, const T* X, i64 B, i64 O, acc<T> temperature)) {                        \
    SHARED(acc<T>, scratch, WARP + 1);                                                                          \
    BlockTeam<acc<T>> team = {scratch};                                                                         \
    softmax_rows(Y, Logits<T, T>{X, nullptr, temperature}, B, O, blockIdx.x, gridDim.x, team);                  \
  }                                                                                                             \
  KERNEL(backprop_softmax_##suffix, (T * dX, const T* dY, const T* Y, i64 B, i64 O, acc<T> temperature)) {      \
    backprop_softmax_rows(dX, dY, Y, B, O, temperature, first_warp(), warps(), WarpTeam());                     \
  }                                                                                                             \
  KERNEL(backprop_softmax_wide_##suffix, (T * dX, const T* dY, const T* Y, i64 B, i64 O, acc<T> temperature)) { \
    SHARED(acc<T>, scratch, WARP + 1);                                                                          \
    backprop_softmax_rows(dX, dY, Y, B, O, temperature, blockIdx.x, gridDim.x, BlockTeam<acc<T>>{scratch});     \
  }
FOR_FLOATS(SOFTMAX)
// Of a product Z that has not been rounded to T, plus b (O,). Y may be exactly Z.
#define AFFINE_SOFTMAX(suffix, T, ...)                                                                           \
  KERNEL(affine_softmax_##suffix, (T * Y, const acc<T>* Z, const T* b, i64 B, i64 O, acc<T> temperature)) {      \
    softmax_rows(Y, Logits<acc<T>, T>{Z, b, temperature}, B, O, first_warp(), warps(), WarpTeam());              \
  }                                                                                                              \
  KERNEL(affine_softmax_wide_##suffix, (T * Y, const acc<T>* Z, const T* b, i64 B, i64 O, acc<T> temperature)) { \
    SHARED(acc<T>, scratch, WARP + 1);                                                                           \
    BlockTeam<acc<T>> team = {scratch};                                                                          \
    softmax_rows(Y, Logits<acc<T>, T>{Z, b, temperature}, B, O, blockIdx.x, gridDim.x, team);                    \
  }
FOR_FLOATS(AFFINE_SOFTMAX)

// A warp's share of columns over rows: tile number `number` of `tile` columns (a power of 2, at most 32), of rows
// [first, end), which the warp reads 32 / tile at a time. f(i) for each element i of the lane.
struct Share {
  i64 first, end, O, column;
  int rows;
  MEMBER Share(i64 first, i64 end, i64 number, i64 O, i64 tile) : first(first), end(end), O(O) {
    int lane = threadIdx.x % WARP;
    column = number * tile + lane % (int)tile;
    this->first += lane / (int)tile;
    rows = WARP / (int)tile;
  }
  template <typename F>
  MEMBER void each(F f) const {
    if (column >= O) return;
#pragma unroll 1
    for (i64 t = first; t < end; t += rows) f(t * O + column);
  }
};
// The lanes that have the same column get the result.
template <typename A, typename Op>
DEVICE A reduce_share(A x, i64 tile, Op op) {
  for (int lane = WARP / 2; lane >= tile; lane /= 2) x = op(x, __shfl_xor_sync(WHOLE_WARP, x, lane));
  return x;
}

// Softmax of columns: state(i) of an element, what is known of all of a column, and what becomes of an element.
template <typename T>
struct Columns {
  typedef acc<T> A;
  typedef Online<A> State;
  T* Y;
  const T* X;
  A temperature;
  static MEMBER State none() { return nothing_seen<A>(); }
  MEMBER void add(State& seen, i64 i) const { seen.add(cooled(to_acc(X[i]), temperature)); }
  static MEMBER void merge(State& seen, State other) {
    A m = Max()(seen.highest, other.highest);
    seen = State{m, seen.sum * exp_(seen.highest - m) + other.sum * exp_(other.highest - m)};
  }
  static MEMBER State joined(State seen, i64 tile) {
    A m = reduce_share(seen.highest, tile, Max());
    return State{m, reduce_share(seen.sum * exp_(seen.highest - m), tile, Sum()) + (m - m)};
  }
  MEMBER void write(i64 i, State all) const {
    Y[i] = from_acc<T>(exp_(cooled(to_acc(X[i]), temperature) - all.highest) / all.sum);
  }
};
template <typename T>
struct BackpropColumns {
  typedef acc<T> A;
  typedef A State;
  T* __restrict__ dX;
  const T* __restrict__ dY, * __restrict__ Y;
  A temperature;
  static MEMBER A none() { return A(0); }
  MEMBER void add(A& sum, i64 i) const { sum += to_acc(Y[i]) * cooled(to_acc(dY[i]), temperature); }
  static MEMBER void merge(A& sum, A other) { sum += other; }
  static MEMBER A joined(A sum, i64 tile) { return reduce_share(sum, tile, Sum()); }
  MEMBER void write(i64 i, A sum) const {
    A y = to_acc(Y[i]);
    dX[i] = from_acc<T>(y * cooled(to_acc(dY[i]), temperature) - y * sum);
  }
};

// A warp per sequence and tile of columns. parts: null, or where what is known of the parts of long sequences goes,
// (chunks, 2, O), which are for a warp each.
template <typename F, typename S>
DEVICE void over_columns(F f, S* parts, Sequences sequences, i64 rows, i64 chunk, i64 O, i64 tile) {
  i64 tiles = (O + tile - 1) / tile, places = parts ? (rows + chunk - 1) / chunk * 2 : 0;
  for (i64 unit = first_warp(); unit < sequences.B * tiles; unit += warps()) {
    i64 b = unit / tiles, first = sequences.start(b), end = sequences.start(b + 1);
    if (parts && is_long(end - first, chunk)) continue;
    Share share(first, end, unit % tiles, O, tile);
    S state = F::none();
    share.each([&](i64 i) { f.add(state, i); });
    state = F::joined(state, tile);
    share.each([&](i64 i) { f.write(i, state); });
  }
  for (i64 unit = first_warp(); unit < places * tiles; unit += warps()) {
    i64 place = unit / tiles;
    Part part = part_of(sequences, rows, chunk, place);
    if (part.end <= part.first) continue;
    Share share(part.start + part.first, part.start + part.end, unit % tiles, O, tile);
    S state = F::none();
    share.each([&](i64 i) { f.add(state, i); });
    state = F::joined(state, tile);
    if (share.column < O && threadIdx.x % WARP < tile) parts[place * O + share.column] = state;
  }
}
// The elements of long sequences, from their parts. Each warp adds up those of its sequence again.
template <typename F, typename S>
DEVICE void over_parts(F f, const S* parts, Sequences sequences, i64 rows, i64 chunk, i64 O, i64 tile) {
  i64 tiles = (O + tile - 1) / tile, places = (rows + chunk - 1) / chunk * 2;
  for (i64 unit = first_warp(); unit < places * tiles; unit += warps()) {
    Part part = part_of(sequences, rows, chunk, unit / tiles);
    if (part.end <= part.first) continue;
    Share share(part.start + part.first, part.start + part.end, unit % tiles, O, tile);
    S state = F::none();
    i64 last = chunk_of(part.stop - 1, chunk), c = chunk_of(part.start, chunk) + threadIdx.x % WARP / (int)tile;
    for (; c <= last && share.column < O; c += share.rows) {
      F::merge(state, parts[place_in(c, part.start, chunk) * O + share.column]);
    }
    state = F::joined(state, tile);
    share.each([&](i64 i) { f.write(i, state); });
  }
}
#define SOFTMAX_COLUMNS(suffix, T, ...)                                                                                \
  KERNEL(softmax_columns_##suffix, (T * Y, Online<acc<T>> * parts, const T* X, const i64* starts, i64 B, i64 length,   \
                                    i64 rows, i64 chunk, i64 O, i64 tile, acc<T> temperature)) {                       \
    over_columns(Columns<T>{Y, X, temperature}, parts, Sequences{starts, B, length}, rows, chunk, O, tile);            \
  }                                                                                                                    \
  KERNEL(softmax_parts_##suffix, (T * Y, const Online<acc<T>>* parts, const T* X, const i64* starts, i64 B,            \
                                  i64 length, i64 rows, i64 chunk, i64 O, i64 tile, acc<T> temperature)) {             \
    over_parts(Columns<T>{Y, X, temperature}, parts, Sequences{starts, B, length}, rows, chunk, O, tile);              \
  }                                                                                                                    \
  KERNEL(backprop_softmax_columns_##suffix,                                                                            \
         (T * dX, acc<T> * parts, const T* dY, const T* Y, const i64* starts, i64 B, i64 length, i64 rows, i64 chunk,  \
          i64 O, i64 tile, acc<T> temperature)) {                                                                      \
    over_columns(BackpropColumns<T>{dX, dY, Y, temperature}, parts, Sequences{starts, B, length}, rows, chunk, O,      \
                 tile);                                                                                                \
  }                                                                                                                    \
  KERNEL(backprop_softmax_parts_##suffix,                                                                              \
         (T * dX, const acc<T>* parts, const T* dY, const T* Y, const i64* starts, i64 B, i64 length, i64 rows,        \
          i64 chunk, i64 O, i64 tile, acc<T> temperature)) {                                                           \
    over_parts(BackpropColumns<T>{dX, dY, Y, temperature}, parts, Sequences{starts, B, length}, rows, chunk, O, tile); \
  }
FOR_FLOATS(SOFTMAX_COLUMNS)

// (guesses - target) / divisor, see reference/softmax.py. A thread per element. negated: null, or a byte for each row.
DEVICE i64 bits_of(float x) { return (i64)__float_as_uint(x); }
DEVICE i64 bits_of(double x) { return (i64)__double_as_longlong(x); }
template <typename T>
DEVICE void report_unlikely(const T* X, i64 i, ErrorWord* error, i64 ticket) {
  acc<T> x = to_acc(X[i]);
  if (x < acc<T>(0) || x > acc<T>(1)) report(error, ticket, bits_of(x), i, -1);
}
template <typename T, typename I>
DEVICE void crossentropy_gradient(T* __restrict__ dY, const T* __restrict__ guesses, const I* __restrict__ labels,
                                  const u8* __restrict__ negated, i64 B, i64 O, i64 missing, i64 has_missing, acc<T> on,
                                  acc<T> off, acc<T> divisor, ErrorWord* error, i64 ticket) {
  typedef acc<T> A;
  for (i64 i = first_index(); i < B * O; i += stride()) {
    i64 o = modulo(i, O), row = (i - o) / O, label = labels[row];
    A y = to_acc(guesses[i]);
    bool gone = has_missing && label == missing, alone = negated && negated[row];
    report_unlikely(guesses, i, error, ticket);
    if (o == 0 && !gone && (label < 0 || label >= O)) report(error, ticket, label, row, O);
    A d = alone ? (label == o ? y : A(0)) : y - (label == o ? on : off);
    dY[i] = from_acc<T>(gone ? A(0) : d / divisor);
  }
}
#define CROSSENTROPY_GRADIENT(suffix, T, I)                                                                           \
  KERNEL(crossentropy_gradient_##suffix##_##I,                                                                        \
         (T * dY, const T* guesses, const I* labels, const u8* negated, i64 B, i64 O, i64 missing, i64 has_missing,   \
          acc<T> on, acc<T> off, acc<T> divisor, ErrorWord* error, i64 ticket)) {                                     \
    crossentropy_gradient(dY, guesses, labels, negated, B, O, missing, has_missing, on, off, divisor, error, ticket); \
  }
FOR_FLOATS(CROSSENTROPY_GRADIENT, i32)
FOR_FLOATS(CROSSENTROPY_GRADIENT, i64)

// Reports what is not in [0, 1].
#define CHECK_PROBABILITIES(suffix, T, ...)                                                 \
  KERNEL(check_probabilities_##suffix, (const T* X, i64 n, ErrorWord* error, i64 ticket)) { \
    for (i64 i = first_index(); i < n; i += stride()) report_unlikely(X, i, error, ticket); \
  }
FOR_FLOATS(CHECK_PROBABILITIES)

// Reports what is not in [0, limit), but for the ignored label.
#define CHECK_LABELS(I)                                                                                                \
  UNTYPED_KERNEL(check_labels_##I,                                                                                     \
                 (const I* labels, i64 n, i64 limit, i64 ignored, i64 has_ignored, ErrorWord* error, i64 ticket)) {    \
    for (i64 i = first_index(); i < n; i += stride()) {                                                                \
      i64 label = labels[i];                                                                                           \
      if ((label < 0 || label >= limit) && !(has_ignored && label == ignored)) report(error, ticket, label, i, limit); \
    }                                                                                                                  \
  }
CHECK_LABELS(i32)
CHECK_LABELS(i64)
