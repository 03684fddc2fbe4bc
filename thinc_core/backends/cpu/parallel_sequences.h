// Loops over sequences, which are rows laid end to end, cut into parts for the threads. A part finds the row where it
// begins by adding up the lengths before it: a nanosecond a sequence.

static inline size_t total_rows_(const int32_t* lengths_b, size_t B) {
  size_t rows = 0;
  for (size_t b = 0; b < B; ++b) rows += (size_t)lengths_b[b];
  return rows;
}

// f(b, end, row, o, columns): the sequences b to end, of which the first begins at `row`, and `columns` columns from o
// on. Sequences are whole; where one is so long that threads would wait for it, the columns are cut.
template <typename T, typename F>
static void in_sequences_(const int32_t* lengths_b, size_t B, size_t O, size_t cost, F f) {
  constexpr size_t LINE = 64 / sizeof(T);
  const size_t threads = thread_count(), rows = threads > 1 ? total_rows_(lengths_b, B) : 0;
  if (rows == 0) return f(0, B, 0, 0, O);
  size_t longest = 0;
  for (size_t b = 0; b < B; ++b) longest = (size_t)lengths_b[b] > longest ? (size_t)lengths_b[b] : longest;
  const size_t lines = O / LINE;  // the last part takes what fills none: strips are as wide as a register, at least
  if (longest > rows / threads && lines >= 2)
    return in_parts_(
        lines, cost * rows * LINE, 1,
        [=](size_t o, size_t end) { f(0, B, 0, o * LINE, (end < lines ? end * LINE : O) - o * LINE); }, 1);
  in_parts_(rows, cost * O, 1, [=](size_t first, size_t last) {
    size_t b = 0, row = 0;
    while (b < B && row < first) row += (size_t)lengths_b[b++];
    size_t end = b;
    for (size_t next = row; end < B && (next < last || last == rows);) next += (size_t)lengths_b[end++];
    f(b, end, row, 0, O);
  });
}

// f(b, row, t, end): rows t to end of sequence b, which begins at `row`.
template <typename F>
static void in_rows_(const int32_t* lengths_b, size_t B, size_t cost, F f) {
  in_parts_(total_rows_(lengths_b, B), cost, 1, [=](size_t first, size_t last) {
    size_t b = 0, row = 0;
    while (row + (size_t)lengths_b[b] <= first) row += (size_t)lengths_b[b++];
    for (; row < last; row += (size_t)lengths_b[b++]) {
      const size_t t = first > row ? first - row : 0, length = (size_t)lengths_b[b];
      if (length > 0) f(b, row, t, last - row < length ? last - row : length);
    }
  });
}

// The first n of a register's worth of int32, as integers of the width of T.
template <typename T>
static THINC_INLINE VecInts<T> load_ints_(const int32_t* X, size_t n) {
  decltype(bit_type_(T())) wide[sizeof(Vec<T>) / sizeof(T)] = {};
  for (size_t i = 0; i < n; ++i) wide[i] = X[i];
  VecInts<T> ints;
  memcpy(&ints, wide, sizeof ints);
  return ints;
}

// A strip of columns that stays in V registers. The last of them may overlap the one before it, so a strip is computed
// as a whole before it is stored where it was read.
template <typename T, size_t VECTORS>
struct Strip {
  static constexpr size_t V = VECTORS, L = sizeof(Vec<T>) / sizeof(T);
  ptrdiff_t last;
  THINC_INLINE ptrdiff_t at(size_t v) const { return v + 1 < V ? (ptrdiff_t)(v * L) : last; }
  THINC_INLINE Vec<T> load(const T* X, size_t v, size_t) const { return load_(X + at(v)); }
  THINC_INLINE VecInts<T> load_ints(const int32_t* X, size_t v) const { return load_ints_<T>(X + at(v), L); }
  template <typename Y, typename W>
  THINC_INLINE void store(Y* to, size_t v, W y, size_t) const {
    memcpy(to + at(v), &y, sizeof y);
  }
};

// Fewer columns than fill a register. Where `left` values or more follow in memory, reading and writing too much does
// no harm: what is written is then overwritten.
template <typename T>
struct NarrowStrip {
  static constexpr size_t V = 1, L = sizeof(Vec<T>) / sizeof(T);
  size_t columns;
  THINC_INLINE Vec<T> load(const T* X, size_t, size_t left) const {
    return left < L ? load_last_(X, columns) : load_(X);
  }
  THINC_INLINE VecInts<T> load_ints(const int32_t* X, size_t) const { return load_ints_<T>(X, columns); }
  template <typename Y, typename W>
  THINC_INLINE void store(Y* to, size_t, W y, size_t left) const {
    memcpy(to, &y, left < L ? columns * sizeof(Y) : L * sizeof(Y));
  }
};

template <typename T, size_t V, typename F>
static THINC_INLINE void strip_of_(size_t vectors, size_t o, ptrdiff_t last, F f) {
  if (vectors == V) return f(Strip<T, V>{last}, o);
  if constexpr (V > 1) strip_of_<T, V - 1>(vectors, o, last, f);
}

// f(strip, o) for strips of MOST registers and a last one of up to MOST + 1. No strip overlaps another.
template <typename T, size_t MOST, typename F>
static THINC_INLINE void in_strips_(size_t columns, F f) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  if (columns < L) return f(NarrowStrip<T>{columns}, 0);
  size_t o = 0;
  for (; o + (MOST + 1) * L <= columns; o += MOST * L) f(Strip<T, MOST>{(MOST - 1) * L}, o);
  strip_of_<T, MOST + 1>((columns - o + L - 1) / L, o, (ptrdiff_t)(columns - o - L), f);
}
