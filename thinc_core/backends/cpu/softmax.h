// Softmax over rows. Rows are taken in blocks that stay in L1, pass by pass, so that the steps of a row need not wait
// for each other, and exp runs over a whole block, so that narrow rows fill the vectors too.

template <typename T>
static void softmax(T* Y_bo, const T* X_bo, size_t B, size_t O, T temperature) {
  size_t block = O < 2048 ? 2048 / O : 1;
  for (size_t start = 0; start < B; start += block) {
    size_t rows = B - start < block ? B - start : block;
    const T* X = X_bo + start * O;
    T* Y = Y_bo + start * O;
    if (temperature != T(1)) {
      fill_(Y, rows * O, [=](size_t i) { return X[i] / temperature; });
      X = Y;
    }
    for (size_t b = 0; b < rows; ++b) {
      const T* x = X + b * O;
      T top = max_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(x); });
      each_(Y + b * O, O, [=](auto at) THINC_INLINE_LAMBDA { return at(x) - top; });
    }
    map_(Y, rows * O, [](Vec<T> y) THINC_INLINE_LAMBDA { return exp_(y); }, Y);
    for (size_t b = 0; b < rows; ++b) {
      T* y = Y + b * O;
      T factor = T(1) / sum_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(y); });
      each_(y, O, [=](auto at) THINC_INLINE_LAMBDA { return at(y) * factor; });
    }
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
