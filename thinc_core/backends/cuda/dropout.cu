// Dropout, and its masks. Which bits decide about an element: cpu/dropout.h. A thread serves one counter, whose eight
// elements are four pairs, 16 elements apart; eight neighbours fill lines of 64 bytes.
UNTYPED_KERNEL(get_dropout_mask, (float* __restrict__ mask, i64 n, i64 seed, i64 threshold, float kept)) {
  bool whole = aligned(mask);
  for (i64 counter = first_index(); counter < (n + 63) / 64 * 8; counter += stride()) {
    Words random = philox((u64)counter, (u64)seed);
    i64 first = counter / 8 * 64 + counter % 8 * 2;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      i64 i = first + pair * 16;
      u32 a = random.w[pair / 2 * 2] >> (pair % 2 * 16), b = random.w[pair / 2 * 2 + 1] >> (pair % 2 * 16);
      Vec<float, 2> y = {{(a & 0xffff) >= threshold ? kept : 0.0f, (b & 0xffff) >= threshold ? kept : 0.0f}};
      if (whole && i + 1 < n) {
        store(mask + i, y);
      } else {
        if (i < n) mask[i] = y.v[0];
        if (i + 1 < n) mask[i + 1] = y.v[1];
      }
    }
  }
}

// Y = X times that mask. Y may be exactly X.
template <typename T>
DEVICE void dropout(T* Y, const T* X, i64 n, i64 seed, i64 threshold, acc<T> kept) {
  bool whole = aligned(Y, X);
  for (i64 counter = first_index(); counter < (n + 63) / 64 * 8; counter += stride()) {
    Words random = philox((u64)counter, (u64)seed);
    i64 first = counter / 8 * 64 + counter % 8 * 2;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      i64 i = first + pair * 16;
      Vec<T, 2> x;
      if (whole && i + 1 < n) {
        x = load<2>(X + i);
      } else {
        if (i < n) x.v[0] = X[i];
        if (i + 1 < n) x.v[1] = X[i + 1];
      }
#pragma unroll
      for (int v = 0; v < 2; ++v) {
        bool survivor = survives(random.w[pair / 2 * 2 + v], pair % 2, threshold);
        x.v[v] = from_acc<T>(to_acc(x.v[v]) * (survivor ? kept : acc<T>(0)));
      }
      if (whole && i + 1 < n) {
        store(Y + i, x);
      } else {
        if (i < n) Y[i] = x.v[0];
        if (i + 1 < n) Y[i + 1] = x.v[1];
      }
    }
  }
}
#define DROPOUT(suffix, T, ...)                                                                \
  KERNEL(dropout_##suffix, (T * Y, const T* X, i64 n, i64 seed, i64 threshold, acc<T> kept)) { \
    dropout(Y, X, n, seed, threshold, kept);                                                   \
  }
FOR_FLOATS(DROPOUT)
