// Softmax over rows. Rows are taken in blocks that stay in L1, pass by pass, so that the steps of a row need not wait
// for each other, and exp runs over a whole block, so that narrow rows fill the vectors too.
// Measured, one thread of an AVX-512 EPYC, f32, 4000 x 96, us beside a copy of the same bytes:
// softmax 157 (34; PyTorch 293), backward 56 (54; 75), softmax_sequences 151 (34), backward 78 (52).

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

// Softmax down a strip of columns of one sequence: it is read three times, mostly from L1 or L2.
template <typename T, typename S>
static THINC_INLINE void softmax_strip_(S strip, T* Y, const T* X, size_t rows, size_t O) {
  Vec<T> top[S::V], sum[S::V] = {}, y[S::V];
  THINC_UNROLL for (size_t v = 0; v < S::V; ++v) top[v] = strip.load(X, v, 0);
  for (size_t t = 1; t < rows; ++t)
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) top[v] = Max()(top[v], strip.load(X + t * O, v, 0));
  for (size_t t = 0; t < rows; ++t) {
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) y[v] = exp_(strip.load(X + t * O, v, 0) - top[v]);
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) sum[v] += y[v];
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) strip.store(Y + t * O, v, y[v], 0);
  }
  THINC_UNROLL for (size_t v = 0; v < S::V; ++v) sum[v] = T(1) / sum[v];
  for (size_t t = 0; t < rows; ++t) {
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) y[v] = strip.load(Y + t * O, v, 0) * sum[v];
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) strip.store(Y + t * O, v, y[v], 0);
  }
}

// The same for rows that do not fill a register: exp runs over a block of them.
template <typename T>
static void softmax_down_(T* Y, const T* X, size_t rows, size_t O) {
  T top[sizeof(Vec<T>) / sizeof(T)], sum[sizeof(Vec<T>) / sizeof(T)] = {};
  memcpy(top, X, O * sizeof(T));
  for (size_t t = 1; t < rows; ++t)
    for (size_t o = 0; o < O; ++o) top[o] = Max()(top[o], X[t * O + o]);
  const size_t block = SOFTMAX_BLOCK / O;
  for (size_t start = 0; start < rows; start += block) {
    const size_t end = rows - start < block ? rows : start + block;
    T* y = Y + start * O;
    for (size_t t = start; t < end; ++t)
      for (size_t o = 0; o < O; ++o) Y[t * O + o] = X[t * O + o] - top[o];
    map_(y, (end - start) * O, [](Vec<T> v) THINC_INLINE_LAMBDA { return exp_(v); }, y);
    for (size_t t = start; t < end; ++t)
      for (size_t o = 0; o < O; ++o) sum[o] += Y[t * O + o];
  }
  for (size_t o = 0; o < O; ++o) sum[o] = T(1) / sum[o];
  for (size_t t = 0; t < rows; ++t)
    for (size_t o = 0; o < O; ++o) Y[t * O + o] *= sum[o];
}

template <typename T>
static void softmax_sequences(T* Y_to, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) {
  in_sequences_<T>(lengths_b, B, O, 6, [=](size_t b, size_t end, size_t row, size_t first, size_t columns) {
    for (; b < end; row += (size_t)lengths_b[b++]) {
      const size_t rows = (size_t)lengths_b[b];
      T* Y = Y_to + row * O + first;
      const T* X = X_to + row * O + first;
      if (rows == 0 || O == 0) continue;
      if (O == 1)
        softmax_rows_(Y, X, 1, rows, T(1));  // one column is a row
      else if (O < sizeof(Vec<T>) / sizeof(T))
        softmax_down_(Y, X, rows, O);
      else
        in_strips_<T, THINC_VECTOR_REGISTERS / 8>(
            columns, [=](auto strip, size_t o) THINC_INLINE_LAMBDA { softmax_strip_(strip, Y + o, X + o, rows, O); });
    }
  });
}

// Y dY - Y S, S the sum of Y dY down the rows of the sequence.
template <typename T, typename S>
static THINC_INLINE void backprop_softmax_strip_(S strip, T* dX, const T* dY, const T* Y, size_t rows, size_t O) {
  Vec<T> sum[S::V] = {};
  for (size_t t = 0; t < rows; ++t)
    THINC_UNROLL for (size_t v = 0; v < S::V; ++v) sum[v] +=
        strip.load(Y + t * O, v, (rows - t) * O) * strip.load(dY + t * O, v, (rows - t) * O);
  for (size_t t = 0; t < rows; ++t) THINC_UNROLL for (size_t v = 0; v < S::V; ++v) {
      Vec<T> y = strip.load(Y + t * O, v, (rows - t) * O);
      strip.store(dX + t * O, v, y * strip.load(dY + t * O, v, (rows - t) * O) - y * sum[v], (rows - t) * O);
    }
}

template <typename T>
static void backprop_softmax_sequences(T* dX_to, const T* dY_to, const T* Y_to, const int32_t* lengths_b, size_t B,
                                       size_t O) {
  in_sequences_<T>(lengths_b, B, O, 3, [=](size_t b, size_t end, size_t row, size_t first, size_t columns) {
    for (; b < end; row += (size_t)lengths_b[b++]) {
      const size_t start = row * O + first, rows = (size_t)lengths_b[b];
      in_strips_<T, THINC_VECTOR_REGISTERS / 4>(columns, [=](auto strip, size_t o) THINC_INLINE_LAMBDA {
        backprop_softmax_strip_(strip, dX_to + start + o, dY_to + start + o, Y_to + start + o, rows, O);
      });
    }
  });
}

// dY = (Y - target) / divisor, as reference/softmax.py says. flags: bit 0 missing, bit 1 negated. *wrong: how many of Y
// are outside [0, 1]; NaN is not among them. If any are, nothing is written.
template <typename T>
static void crossentropy_gradient(T* dY_bo, size_t* wrong, const T* Y_bo, const int32_t* labels_b,
                                  const uint8_t* flags_b, size_t B, size_t O, T on, T off, T divisor) {
  size_t count = 0;
  for (size_t i = 0; i < B * O; ++i) count += (Y_bo[i] < T(0)) | (Y_bo[i] > T(1));
  *wrong = count;
  for (size_t b = 0; b < B && !count; ++b) {
    const T* y = Y_bo + b * O;
    T* dy = dY_bo + b * O;
    const size_t label = size_t(labels_b[b]);
    if (flags_b[b]) {
      memset(dy, 0, O * sizeof(T));
      if (!(flags_b[b] & 1)) dy[label] = y[label] / divisor;
      continue;
    }
    fill_(dy, O, [=](size_t o) { return (y[o] - off) / divisor; });
    dy[label] = (y[label] - on) / divisor;
  }
}
