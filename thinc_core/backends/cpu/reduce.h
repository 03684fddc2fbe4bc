// Reductions over the rows of each sequence, vectorised across the columns.
// Measured, one thread of an AVX-512 Zen 5 shared with others, f32, 4000 x 96, us beside a copy of the same bytes:
// reduce_sum 19 (11), reduce_max 43 (11), backward of sum 19, mean 16, max 25 (11).

// Sum of the rows of X. A strip of columns stays in registers; blocks of 64 rows are summed apart, so that the rounding
// error grows with rows / 64 and not with rows.
template <typename T, size_t VECTORS>
static THINC_INLINE void sum_strip_(T* Y, const T* X, size_t rows, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  Vec<T> total[VECTORS] = {};
  for (size_t start = 0; start < rows; start += 64) {
    Vec<T> sum[VECTORS] = {};
    size_t end = rows - start < 64 ? rows : start + 64;
    for (size_t t = start; t < end; ++t)
      THINC_UNROLL for (size_t v = 0; v < VECTORS; ++v) sum[v] += load_(X + t * O + v * L);
    THINC_UNROLL for (size_t v = 0; v < VECTORS; ++v) total[v] += sum[v];
  }
  memcpy(Y, total, sizeof total);
}

template <typename T>
static void sum_rows_of_(T* Y_o, const T* X_to, size_t rows, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  size_t o = 0;
  for (; o + 4 * L <= O; o += 4 * L) sum_strip_<T, 4>(Y_o + o, X_to + o, rows, O);
  for (; o + L <= O; o += L) sum_strip_<T, 1>(Y_o + o, X_to + o, rows, O);
  for (; o < O; ++o) {
    T total = 0;
    for (size_t start = 0; start < rows; start += 64) {
      T sum = 0;
      size_t end = rows - start < 64 ? rows : start + 64;
      for (size_t t = start; t < end; ++t) sum += X_to[t * O + o];
      total += sum;
    }
    Y_o[o] = total;
  }
}

template <typename T>
static void reduce_sum(T* Y_bo, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) {
  for (size_t b = 0; b < B; ++b) {
    sum_rows_of_(Y_bo + b * O, X_to, (size_t)lengths_b[b], O);
    X_to += (size_t)lengths_b[b] * O;
  }
}

template <typename T>
static void reduce_mean(T* Y_bo, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) {
  reduce_sum(Y_bo, X_to, lengths_b, B, O);
  for (size_t b = 0; b < B; ++b) {
    T* y = Y_bo + b * O;
    T length = lengths_b[b] > 0 ? T(lengths_b[b]) : T(1);
    fill_(y, O, [=](size_t o) { return y[o] / length; });
  }
}

// Integers of the width of T as int32.
static THINC_INLINE void store_which_(int32_t* which, VecInts<float> i) { memcpy(which, &i, sizeof i); }
static THINC_INLINE void store_which_(int32_t* which, VecInts<double> i) {
  int64_t wide[sizeof i / sizeof(int64_t)];
  memcpy(wide, &i, sizeof i);
  THINC_UNROLL for (size_t k = 0; k < sizeof i / sizeof(int64_t); ++k) which[k] = (int32_t)wide[k];
}

// Largest value of each column and its row; rows >= 1.
template <typename T, size_t VECTORS>
static THINC_INLINE void max_strip_(T* Y, int32_t* which, const T* X, int32_t rows, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  Vec<T> best[VECTORS];
  VecInts<T> row[VECTORS] = {};
  THINC_UNROLL for (size_t v = 0; v < VECTORS; ++v) best[v] = load_(X + v * L);
  for (int32_t t = 1; t < rows; ++t) {
    X += O;
    THINC_UNROLL for (size_t v = 0; v < VECTORS; ++v) {
      Vec<T> x = load_(X + v * L);
      auto better = beats_(x, best[v]);
      best[v] = select_(better, x, best[v]);
      row[v] = select_(better, VecInts<T>{} + t, row[v]);
    }
  }
  memcpy(Y, best, sizeof best);
  THINC_UNROLL for (size_t v = 0; v < VECTORS; ++v) store_which_(which + v * L, row[v]);
}

template <typename T>
static void reduce_max(T* Y_bo, int32_t* which_bo, const T* X_to, const int32_t* lengths_b, size_t B, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  for (size_t b = 0; b < B; ++b, Y_bo += O, which_bo += O) {
    size_t o = 0;
    for (; o + 2 * L <= O; o += 2 * L) max_strip_<T, 2>(Y_bo + o, which_bo + o, X_to + o, lengths_b[b], O);
    for (; o + L <= O; o += L) max_strip_<T, 1>(Y_bo + o, which_bo + o, X_to + o, lengths_b[b], O);
    for (; o < O; ++o) {
      int32_t row = 0;
      for (int32_t t = 1; t < lengths_b[b]; ++t) row = beats_(X_to[t * O + o], X_to[row * O + o]) ? t : row;
      Y_bo[o] = X_to[row * O + o];
      which_bo[o] = row;
    }
    X_to += (size_t)lengths_b[b] * O;
  }
}

template <typename T>
static void backprop_reduce_sum(T* dX_to, const T* dY_bo, const int32_t* lengths_b, size_t B, size_t O) {
  for (size_t b = 0; b < B; ++b)
    for (int32_t t = 0; t < lengths_b[b]; ++t, dX_to += O) memcpy(dX_to, dY_bo + b * O, O * sizeof(T));
}

template <typename T>
static void backprop_reduce_mean(T* dX_to, const T* dY_bo, const int32_t* lengths_b, size_t B, size_t O) {
  for (size_t b = 0; b < B; ++b) {
    const T* dy = dY_bo + b * O;
    T* first = dX_to;
    T length = T(lengths_b[b]);
    for (int32_t t = 0; t < lengths_b[b]; ++t, dX_to += O) {
      if (t > 0)
        memcpy(dX_to, first, O * sizeof(T));
      else
        fill_(dX_to, O, [=](size_t o) { return dy[o] / length; });
    }
  }
}

template <typename T>
static void backprop_reduce_max(T* dX_to, const T* dY_bo, const int32_t* which_bo, const int32_t* lengths_b, size_t B,
                                size_t O) {
  for (size_t b = 0; b < B; ++b) {
    memset(dX_to, 0, (size_t)lengths_b[b] * O * sizeof(T));
    for (size_t o = 0; o < O; ++o) dX_to[(size_t)which_bo[b * O + o] * O + o] = dY_bo[b * O + o];
    dX_to += (size_t)lengths_b[b] * O;
  }
}
