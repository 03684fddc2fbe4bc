// Attention of each sequence to itself. Formulas: reference/attention.py. A warp per row and head: sequences of
// sentences are short, so that what it reads again and again, the keys and values of one head, is in the cache.

// Where a row of one head lies. squares: (B + 1,) sums of the squared lengths, in which the weights are counted.
struct Place {
  i64 first, length, step, weights;  // weights: where those of the head begin
};
DEVICE Place place_of(const i64* starts, const i64* squares, i64 B, i64 H, i64 t, i64 h) {
  i64 b = last_at_most(starts, B, t), first = starts[b], length = starts[b + 1] - first;
  return Place{first, length, t - first, H * squares[b] + h * length * length};
}

template <typename T>
DEVICE T dot(const T* __restrict__ x, const T* __restrict__ y, i64 n) {
  T sum = T(0);
#pragma unroll 4
  for (i64 i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// Each lane goes through its own columns c of n rows: sum over i of factor(i) * X[i, c].
template <typename T, typename F, typename W>
DEVICE void mix_rows(const T* __restrict__ X, i64 n, i64 ld, i64 D, F factor, W write) {
  for (i64 c = threadIdx.x % WARP; c < D; c += WARP) {
    T sum = T(0);
#pragma unroll 4
    for (i64 i = 0; i < n; ++i) sum += factor(i) * X[i * ld + c];
    write(c, sum);
  }
}

template <typename T>
DEVICE void attention(T* __restrict__ Y, T* weights, const T* __restrict__ QKV, const T* __restrict__ mask,
                      const i64* __restrict__ starts, const i64* __restrict__ squares, i64 B, i64 rows, i64 H, i64 D,
                      i64 causal, T scale) {
  i64 O = H * D, ld = 3 * O, lane = threadIdx.x % WARP;
  for (i64 unit = first_warp(); unit < rows * H; unit += warps()) {
    i64 t = unit / H, h = unit - t * H;
    Place at = place_of(starts, squares, B, H, t, h);
    i64 row = at.weights + at.step * at.length, keys = causal ? at.step + 1 : at.length;
    const T *q = QKV + t * ld + h * D, *K = QKV + at.first * ld + O + h * D;
    T highest = -largest_(T(0)), sum = T(0);
    for (i64 j = lane; j < keys; j += WARP) {
      T score = dot(q, K + j * ld, D) * scale;
      weights[row + j] = score;
      highest = Max()(score, highest);
    }
    highest = reduce_warp(highest, Max());
    for (i64 j = lane; j < keys; j += WARP) {
      T e = exp_(weights[row + j] - highest);
      weights[row + j] = e;
      sum += e;
    }
    sum = reduce_warp(sum, Sum());
    for (i64 j = lane; j < at.length; j += WARP) weights[row + j] = j < keys ? weights[row + j] / sum : T(0);
    __syncwarp();
    const T* p = weights + row;
    mix_rows(
        K + O, keys, ld, D, [=](i64 j) { return mask ? p[j] * mask[row + j] : p[j]; },
        [=](i64 c, T y) { Y[t * O + h * D + c] = y; });
  }
}

// dQ, and in dS the gradients of the scores, from which the other kernel computes dK.
template <typename T>
DEVICE void backprop_attention_queries(T* __restrict__ dQKV, T* dS, const T* __restrict__ dY, const T* __restrict__ QKV,
                                       const T* __restrict__ weights, const T* __restrict__ mask,
                                       const i64* __restrict__ starts, const i64* __restrict__ squares, i64 B, i64 rows,
                                       i64 H, i64 D, i64 causal, T scale) {
  i64 O = H * D, ld = 3 * O, lane = threadIdx.x % WARP;
  for (i64 unit = first_warp(); unit < rows * H; unit += warps()) {
    i64 t = unit / H, h = unit - t * H;
    Place at = place_of(starts, squares, B, H, t, h);
    i64 row = at.weights + at.step * at.length, keys = causal ? at.step + 1 : at.length;
    const T *dy = dY + t * O + h * D, *K = QKV + at.first * ld + O + h * D, *V = K + O;
    T sum = T(0);
    for (i64 j = lane; j < keys; j += WARP) {
      T dp = dot(dy, V + j * ld, D) * (mask ? mask[row + j] : T(1));
      dS[row + j] = dp;
      sum += weights[row + j] * dp;
    }
    sum = reduce_warp(sum, Sum());
    for (i64 j = lane; j < at.length; j += WARP) {
      dS[row + j] = j < keys ? weights[row + j] * (dS[row + j] - sum) * scale : T(0);
    }
    __syncwarp();
    const T* ds = dS + row;
    mix_rows(K, keys, ld, D, [=](i64 j) { return ds[j]; }, [=](i64 c, T dq) { dQKV[t * ld + h * D + c] = dq; });
  }
}

// dK and dV of row t as a key: sums over the queries that saw it.
template <typename T>
DEVICE void backprop_attention_keys(T* __restrict__ dQKV, const T* __restrict__ dS, const T* __restrict__ dY,
                                    const T* __restrict__ QKV, const T* __restrict__ weights,
                                    const T* __restrict__ mask, const i64* __restrict__ starts,
                                    const i64* __restrict__ squares, i64 B, i64 rows, i64 H, i64 D, i64 causal) {
  i64 O = H * D, ld = 3 * O;
  for (i64 unit = first_warp(); unit < rows * H; unit += warps()) {
    i64 t = unit / H, h = unit - t * H;
    Place at = place_of(starts, squares, B, H, t, h);
    i64 length = at.length, unseen = causal ? at.step : 0, seen = length - unseen, out = t * ld + O + h * D;
    i64 first = at.first + unseen, column = at.weights + unseen * length + at.step;
    mix_rows(
        QKV + first * ld + h * D, seen, ld, D, [=](i64 i) { return dS[column + i * length]; },
        [=](i64 c, T dk) { dQKV[out + c] = dk; });
    mix_rows(
        dY + first * O + h * D, seen, O, D,
        [=](i64 i) { return weights[column + i * length] * (mask ? mask[column + i * length] : T(1)); },
        [=](i64 c, T dv) { dQKV[out + O + c] = dv; });
  }
}

#define ATTENTION(suffix, T)                                                                                          \
  KERNEL(attention_##suffix, (T * Y, T * weights, const T* QKV, const T* mask, const i64* starts, const i64* squares, \
                              i64 B, i64 rows, i64 H, i64 D, i64 causal, T scale)) {                                  \
    attention(Y, weights, QKV, mask, starts, squares, B, rows, H, D, causal, scale);                                  \
  }                                                                                                                   \
  KERNEL(backprop_attention_queries_##suffix,                                                                         \
         (T * dQKV, T * dS, const T* dY, const T* QKV, const T* weights, const T* mask, const i64* starts,            \
          const i64* squares, i64 B, i64 rows, i64 H, i64 D, i64 causal, T scale)) {                                  \
    backprop_attention_queries(dQKV, dS, dY, QKV, weights, mask, starts, squares, B, rows, H, D, causal, scale);      \
  }                                                                                                                   \
  KERNEL(backprop_attention_keys_##suffix,                                                                            \
         (T * dQKV, const T* dS, const T* dY, const T* QKV, const T* weights, const T* mask, const i64* starts,       \
          const i64* squares, i64 B, i64 rows, i64 H, i64 D, i64 causal)) {                                           \
    backprop_attention_keys(dQKV, dS, dY, QKV, weights, mask, starts, squares, B, rows, H, D, causal);                \
  }
ATTENTION(f32, float)
ATTENTION(f64, double)
