// Window features. With nW = 1 and rows a b c of one sequence:
//     Y = [0 a b]   The 2 nW + 1 rows of a window are neighbours in memory, so a window inside the sequence is
//         [a b c]   one copy; what hangs over an end is zero.
//         [b c 0]
// Measured, one thread of an AVX-512 EPYC, f32, 4000 x 96, us beside a copy of the same bytes:
// seq2col nW = 1 96 (74), with lengths 105 (71), backward 87 (72), with lengths 99 (71).

template <typename T>
static void seq2col(T* Y, const T* X_ti, const int32_t* lengths_b, size_t B, size_t I, size_t nW) {
  const size_t width = 2 * nW + 1;
  in_rows_(lengths_b, B, width * I, [=](size_t b, size_t row, size_t t, size_t end) {
    const size_t length = (size_t)lengths_b[b];
    for (; t < end; ++t) {
      const size_t before = t < nW ? nW - t : 0;
      const size_t after = t + nW < length ? 0 : t + nW + 1 - length;
      const size_t rows = before + after < width ? width - before - after : 0;
      T* y = Y + (row + t) * width * I;
      for (size_t i = 0; i < before * I; ++i) y[i] = T(0);
      memcpy(y + before * I, X_ti + (row + t + before - nW) * I, rows * I * sizeof(T));
      for (size_t i = (before + rows) * I; i < width * I; ++i) y[i] = T(0);
    }
  });
}

// dX[t] is the sum over the windows that contain row t: window t + k holds it at position nW - k.
template <typename T>
static void backprop_seq2col(T* dX_ti, const T* dY, const int32_t* lengths_b, size_t B, size_t I, size_t nW) {
  const size_t width = (2 * nW + 1) * I;
  in_rows_(lengths_b, B, width, [=](size_t b, size_t row, size_t t, size_t end) {
    const size_t length = (size_t)lengths_b[b];
    for (; t < end; ++t) {
      const size_t first = t < nW ? 0 : t - nW, last = t + nW < length ? t + nW : length - 1;
      const T* block = dY + (row + last) * width + (t + nW - last) * I;
      sum_rows_(dX_ti + (row + t) * I, I, last - first + 1, [=](size_t k) { return block - k * (width - I); });
    }
  });
}
