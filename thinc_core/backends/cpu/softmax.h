// Softmax over rows. Rows are taken in blocks that stay in L1, pass by pass, so that the steps of a row need not wait
// for each other, and exp runs over a whole block, so that narrow rows fill the vectors too.
// Measured, one thread of an AVX-512 Zen 5 shared with others, f32, 4000 x 96, us beside a copy of the same bytes:
// softmax 111 (25; PyTorch 196), of 4000 x 17 36 (111), backward 38 (37; 45), softmax_sequences 98 (29).

constexpr size_t SOFTMAX_BLOCK = 2048;

template <typename T>
static void softmax_block(T* Y_bo, const T* X_bo, size_t rows, size_t O) {
  for (size_t b = 0; b < rows; ++b) {
    const T* x = X_bo + b * O;
    T top = max_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(x); });
    each_(Y_bo + b * O, O, [=](auto at) THINC_INLINE_LAMBDA { return at(x) - top; });
  }
  map_(Y_bo, rows * O, [](Vec<T> y) THINC_INLINE_LAMBDA { return exp_(y); }, Y_bo);
  for (size_t b = 0; b < rows; ++b) {
    T* y = Y_bo + b * O;
    T factor = T(1) / sum_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(y); });
    each_(y, O, [=](auto at) THINC_INLINE_LAMBDA { return at(y) * factor; });
  }
}

// Y = f(X) for 64 bytes.
template <typename T, typename F>
static THINC_INLINE void lanes_(T* Y, const T* X, F f) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  THINC_UNROLL for (size_t i = 0; i < 64 / sizeof(T); i += L) {
    Vec<T> y = f(load_(X + i));
    memcpy(Y + i, &y, sizeof y);
  }
}

// Rows of less than 64 bytes, in a copy with room behind it: a row is read and written as 64 bytes, and the next row
// then overwrites what was too much.
template <typename T>
static void softmax_narrow_block(T* Y_bo, const T* X_bo, size_t rows, size_t O) {
  T x[SOFTMAX_BLOCK + 64 / sizeof(T)] = {}, y[SOFTMAX_BLOCK + 64 / sizeof(T)] = {};
  memcpy(x, X_bo, rows * O * sizeof(T));
  for (size_t b = 0; b < rows; ++b) {
    T top = fold_first_(x + b * O, O, T(-INFINITY), Max());
    lanes_(y + b * O, x + b * O, [=](Vec<T> v) THINC_INLINE_LAMBDA { return v - top; });
  }
  map_(y, rows * O, [](Vec<T> v) THINC_INLINE_LAMBDA { return exp_(v); }, y);
  for (size_t b = 0; b < rows; ++b) {
    T factor = T(1) / fold_first_(y + b * O, O, T(0), Sum());
    lanes_(x + b * O, y + b * O, [=](Vec<T> v) THINC_INLINE_LAMBDA { return v * factor; });
  }
  memcpy(Y_bo, x, rows * O * sizeof(T));
}

template <typename T>
static void softmax(T* Y_bo, const T* X_bo, size_t B, size_t O, T temperature) {
  bool narrow = O < 64 / sizeof(T);
  size_t block = O < SOFTMAX_BLOCK ? SOFTMAX_BLOCK / O : 1;
  for (size_t start = 0; start < B; start += block) {
    size_t rows = B - start < block ? B - start : block;
    const T* X = X_bo + start * O;
    T* Y = Y_bo + start * O;
    if (temperature != T(1)) {
      fill_(Y, rows * O, [=](size_t i) { return X[i] / temperature; });
      X = Y;
    }
    narrow ? softmax_narrow_block(Y, X, rows, O) : softmax_block(Y, X, rows, O);
  }
}

template <typename T>
static void backprop_softmax(T* dX_bo, const T* dY_bo, const T* Y_bo, size_t B, size_t O, T temperature) {
  for (size_t b = 0; b < B; ++b) {
    const T *dy = dY_bo + b * O, *y = Y_bo + b * O;
    T total = sum_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(y) * at(dy); });
    each_(dX_bo + b * O, O, [=](auto at) THINC_INLINE_LAMBDA { return at(y) * (at(dy) - total) / temperature; });
  }
}

// A vector of columns: a whole one, or the `columns` that are left at the end of a row.
template <typename T>
struct WholeVector {
  THINC_INLINE Vec<T> load(const T* X) const { return load_(X); }
  THINC_INLINE void store(T* Y, Vec<T> y) const { memcpy(Y, &y, sizeof y); }
};
template <typename T>
struct PartOfVector {
  size_t columns;
  THINC_INLINE Vec<T> load(const T* X) const { return load_last_(X, columns); }
  THINC_INLINE void store(T* Y, Vec<T> y) const { memcpy(Y, &y, columns * sizeof(T)); }
};

// Softmax down the columns of one sequence, a vector of columns at a time: it is read three times, mostly from L1.
template <typename T, typename Columns>
static THINC_INLINE void softmax_columns_(T* Y, const T* X, size_t rows, size_t O, Columns at) {
  Vec<T> top = at.load(X), sum{};
  for (size_t t = 1; t < rows; ++t) top = Max()(top, at.load(X + t * O));
  for (size_t t = 0; t < rows; ++t) {
    Vec<T> e = exp_(at.load(X + t * O) - top);
    sum += e;
    at.store(Y + t * O, e);
  }
  Vec<T> factor = T(1) / sum;
  for (size_t t = 0; t < rows; ++t) at.store(Y + t * O, at.load(Y + t * O) * factor);
}

template <typename T>
static void softmax_sequences(T* Y_to, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  for (size_t b = 0; b < B; ++b) {
    size_t rows = (size_t)lengths_b[b], o = 0;
    if (O == 1 && rows > 0) softmax(Y_to, X_to, 1, rows, T(1));  // one column is a row
    if (O > 1 && rows > 0) {
      for (; o + L <= O; o += L) softmax_columns_(Y_to + o, X_to + o, rows, O, WholeVector<T>());
      if (o < O) softmax_columns_(Y_to + o, X_to + o, rows, O, PartOfVector<T>{O - o});
    }
    X_to += rows * O;
    Y_to += rows * O;
  }
}

// Y dY - Y S, S the sum of Y dY down the rows of the sequence.
template <typename T, typename Columns>
static THINC_INLINE void backprop_columns_(T* dX, const T* dY, const T* Y, size_t rows, size_t O, Columns at) {
  Vec<T> sum{};
  for (size_t t = 0; t < rows; ++t) sum += at.load(Y + t * O) * at.load(dY + t * O);
  for (size_t t = 0; t < rows; ++t) {
    Vec<T> y = at.load(Y + t * O);
    at.store(dX + t * O, y * at.load(dY + t * O) - y * sum);
  }
}

template <typename T>
static void backprop_softmax_sequences(T* dX_to, const T* dY_to, const T* Y_to, const int32_t* lengths_b, size_t B,
                                       size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  for (size_t b = 0; b < B; ++b) {
    size_t rows = (size_t)lengths_b[b], o = 0;
    for (; o + L <= O; o += L) backprop_columns_(dX_to + o, dY_to + o, Y_to + o, rows, O, WholeVector<T>());
    if (o < O) backprop_columns_(dX_to + o, dY_to + o, Y_to + o, rows, O, PartOfVector<T>{O - o});
    dX_to += rows * O;
    dY_to += rows * O;
    Y_to += rows * O;
  }
}
