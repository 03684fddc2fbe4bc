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
static void softmax_rows_(T* Y_bo, const T* X_bo, size_t B, size_t O, T temperature) {
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
static void softmax(T* Y_bo, const T* X_bo, size_t B, size_t O, T temperature) {
  in_parts_(B, 6 * O, 1, [=](size_t first, size_t last) {
    softmax_rows_(Y_bo + first * O, X_bo + first * O, last - first, O, temperature);
  });
}

template <typename T>
static void backprop_softmax(T* dX_bo, const T* dY_bo, const T* Y_bo, size_t B, size_t O, T temperature) {
  in_parts_(B, 3 * O, 1, [=](size_t first, size_t last) {
    for (size_t b = first; b < last; ++b) {
      const T *dy = dY_bo + b * O, *y = Y_bo + b * O;
      T total = sum_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(y) * at(dy); });
      each_(dX_bo + b * O, O, [=](auto at) THINC_INLINE_LAMBDA { return at(y) * (at(dy) - total) / temperature; });
    }
  });
}

// Columns of which the largest values, or the sums, stay in L1 while the rows of a sequence go by.
constexpr size_t SOFTMAX_COLUMNS = 512;

// Softmax down the columns of one sequence, row by row, so that memory is read in order: for the largest values, and
// then in blocks of rows that stay in L1. exp runs over a whole block where its rows are neighbours.
template <typename T>
static void softmax_down_(T* Y, const T* X, size_t rows, size_t columns, size_t O) {
  T top[SOFTMAX_COLUMNS], sum[SOFTMAX_COLUMNS] = {};
  memcpy(top, X, columns * sizeof(T));
  for (size_t t = 1; t < rows; ++t)
    each_(top, columns, [&](auto at) THINC_INLINE_LAMBDA { return Max()(at(top), at(X + t * O)); });
  const size_t block = SOFTMAX_BLOCK / columns;
  for (size_t start = 0; start < rows; start += block) {
    const size_t end = rows - start < block ? rows : start + block;
    T* y = Y + start * O;
    for (size_t t = start; t < end; ++t)
      each_(Y + t * O, columns, [&](auto at) THINC_INLINE_LAMBDA { return at(X + t * O) - at(top); });
    const size_t runs = columns == O ? 1 : end - start, length = columns == O ? (end - start) * O : columns;
    for (size_t r = 0; r < runs; ++r)
      map_(y + r * O, length, [](Vec<T> v) THINC_INLINE_LAMBDA { return exp_(v); }, y + r * O);
    for (size_t t = start; t < end; ++t)
      each_(sum, columns, [&](auto at) THINC_INLINE_LAMBDA { return at(sum) + at(Y + t * O); });
  }
  fill_(sum, columns, [&](size_t o) { return T(1) / sum[o]; });
  for (size_t t = 0; t < rows; ++t)
    each_(Y + t * O, columns, [&](auto at) THINC_INLINE_LAMBDA { return at(Y + t * O) * at(sum); });
}

// f(start, rows, columns) for each sequence, SOFTMAX_COLUMNS columns at a time; start: place of its first value.
template <typename T, typename F>
static void in_columns_(const int32_t* lengths_b, size_t B, size_t O, size_t cost, F f) {
  in_sequences_<T>(lengths_b, B, O, cost, [=](size_t b, size_t end, size_t row, size_t first, size_t columns) {
    for (; b < end; row += (size_t)lengths_b[b++])
      for (size_t o = 0; lengths_b[b] > 0 && o < columns; o += SOFTMAX_COLUMNS)
        f(row * O + first + o, (size_t)lengths_b[b], columns - o < SOFTMAX_COLUMNS ? columns - o : SOFTMAX_COLUMNS);
  });
}

template <typename T>
static void softmax_sequences(T* Y_to, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) {
  in_columns_<T>(lengths_b, B, O, 6, [=](size_t start, size_t rows, size_t columns) {
    if (O == 1) return softmax_rows_(Y_to + start, X_to + start, 1, rows, T(1));  // one column is a row
    softmax_down_(Y_to + start, X_to + start, rows, columns, O);
  });
}

// Y dY - Y S, S the sum of Y dY down the rows of the sequence.
template <typename T>
static void backprop_softmax_down_(T* dX, const T* dY, const T* Y, size_t rows, size_t columns, size_t O) {
  T sum[SOFTMAX_COLUMNS] = {};
  for (size_t t = 0; t < rows; ++t)
    each_(sum, columns, [&](auto at) THINC_INLINE_LAMBDA { return at(sum) + at(Y + t * O) * at(dY + t * O); });
  for (size_t t = 0; t < rows; ++t)
    each_(dX + t * O, columns,
          [&](auto at) THINC_INLINE_LAMBDA { return at(Y + t * O) * at(dY + t * O) - at(Y + t * O) * at(sum); });
}

template <typename T>
static void backprop_softmax_sequences(T* dX_to, const T* dY_to, const T* Y_to, const int32_t* lengths_b, size_t B,
                                       size_t O) {
  in_columns_<T>(lengths_b, B, O, 3, [=](size_t start, size_t rows, size_t columns) {
    backprop_softmax_down_(dX_to + start, dY_to + start, Y_to + start, rows, columns, O);
  });
}
