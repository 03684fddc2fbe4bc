// Attention of each sequence to itself, and rotary positions. Formulas: reference/attention.py. A warp per row and
// head: sequences of sentences are short, so that what it reads again and again, the keys and values of one head, is in
// the cache. Scores and their gradients are kept in what numbers are computed with: rounded to 16 bits, their
// exponentials would be far off.

#include "angles.cuh"

// Where a row of one head lies. squares: (B + 1,) sums of the squared lengths, in which the weights are counted.
struct Place {
  i64 first, length, step, weights;  // weights: where those of the head begin
};
DEVICE Place place_of(const i64* starts, const i64* squares, i64 B, i64 H, i64 t, i64 h) {
  i64 b = last_at_most(starts, B, t), first = starts[b], length = starts[b + 1] - first;
  return Place{first, length, t - first, H * squares[b] + h * length * length};
}

template <typename T>
DEVICE acc<T> dot(const T* __restrict__ x, const T* __restrict__ y, i64 n) {
  acc<T> sum = acc<T>(0);
#pragma unroll 4
  for (i64 i = 0; i < n; ++i) sum += to_acc(x[i]) * to_acc(y[i]);
  return sum;
}

// Each lane goes through its own columns c of n rows: sum over i of factor(i) * X[i, c].
template <typename T, typename F, typename W>
DEVICE void mix_rows(const T* __restrict__ X, i64 n, i64 ld, i64 D, F factor, W write) {
  for (i64 c = threadIdx.x % WARP; c < D; c += WARP) {
    acc<T> sum = acc<T>(0);
#pragma unroll 4
    for (i64 i = 0; i < n; ++i) sum += factor(i) * to_acc(X[i * ld + c]);
    write(c, from_acc<T>(sum));
  }
}

// scores: for the weights before they are rounded; may be exactly weights, which may be null.
template <typename T>
DEVICE void attention(T* __restrict__ Y, acc<T>* scores, T* weights, const T* __restrict__ QKV,
                      const T* __restrict__ mask, const i64* __restrict__ starts, const i64* __restrict__ squares,
                      i64 B, i64 rows, i64 H, i64 D, i64 causal, acc<T> scale) {
  typedef acc<T> A;
  i64 O = H * D, ld = 3 * O, lane = threadIdx.x % WARP;
  bool rounded = weights && sizeof(T) != sizeof(A);
  for (i64 unit = first_warp(); unit < rows * H; unit += warps()) {
    i64 t = unit / H, h = unit - t * H;
    Place at = place_of(starts, squares, B, H, t, h);
    i64 row = at.weights + at.step * at.length, keys = causal ? at.step + 1 : at.length;
    const T *q = QKV + t * ld + h * D, *K = QKV + at.first * ld + O + h * D;
    A highest = -largest_(A(0)), sum = A(0);
    for (i64 j = lane; j < keys; j += WARP) {
      A score = dot(q, K + j * ld, D) * scale;
      scores[row + j] = score;
      highest = Max()(score, highest);
    }
    highest = reduce_warp(highest, Max());
    for (i64 j = lane; j < keys; j += WARP) {
      A e = exp_(scores[row + j] - highest);
      scores[row + j] = e;
      sum += e;
    }
    sum = reduce_warp(sum, Sum());
    for (i64 j = lane; j < at.length; j += WARP) {
      A p = j < keys ? scores[row + j] / sum : A(0);
      scores[row + j] = p;
      if (rounded) weights[row + j] = from_acc<T>(p);
    }
    __syncwarp();
    const A* p = scores + row;
    mix_rows(
        K + O, keys, ld, D, [=](i64 j) { return mask ? p[j] * to_acc(mask[row + j]) : p[j]; },
        [=](i64 c, T y) { Y[t * O + h * D + c] = y; });
  }
}

// dQ, and in dS the gradients of the scores, from which the other kernel computes dK.
template <typename T>
DEVICE void backprop_attention_queries(T* __restrict__ dQKV, acc<T>* dS, const T* __restrict__ dY,
                                       const T* __restrict__ QKV, const T* __restrict__ weights,
                                       const T* __restrict__ mask, const i64* __restrict__ starts,
                                       const i64* __restrict__ squares, i64 B, i64 rows, i64 H, i64 D, i64 causal,
                                       acc<T> scale) {
  typedef acc<T> A;
  i64 O = H * D, ld = 3 * O, lane = threadIdx.x % WARP;
  for (i64 unit = first_warp(); unit < rows * H; unit += warps()) {
    i64 t = unit / H, h = unit - t * H;
    Place at = place_of(starts, squares, B, H, t, h);
    i64 row = at.weights + at.step * at.length, keys = causal ? at.step + 1 : at.length;
    const T *dy = dY + t * O + h * D, *K = QKV + at.first * ld + O + h * D, *V = K + O;
    A sum = A(0);
    for (i64 j = lane; j < keys; j += WARP) {
      A dp = dot(dy, V + j * ld, D) * (mask ? to_acc(mask[row + j]) : A(1));
      dS[row + j] = dp;
      sum += to_acc(weights[row + j]) * dp;
    }
    sum = reduce_warp(sum, Sum());
    for (i64 j = lane; j < at.length; j += WARP) {
      dS[row + j] = j < keys ? to_acc(weights[row + j]) * (dS[row + j] - sum) * scale : A(0);
    }
    __syncwarp();
    const A* ds = dS + row;
    mix_rows(K, keys, ld, D, [=](i64 j) { return ds[j]; }, [=](i64 c, T dq) { dQKV[t * ld + h * D + c] = dq; });
  }
}

// dK and dV of row t as a key: sums over the queries that saw it.
template <typename T>
DEVICE void backprop_attention_keys(T* __restrict__ dQKV, const acc<T>* __restrict__ dS, const T* __restrict__ dY,
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
        [=](i64 i) {
          acc<T> p = to_acc(weights[column + i * length]);
          return mask ? p * to_acc(mask[column + i * length]) : p;
        },
        [=](i64 c, T dv) { dQKV[out + O + c] = dv; });
  }
}

#define ATTENTION(suffix, T, ...)                                                                                    \
  KERNEL(attention_##suffix, (T * Y, acc<T> * scores, T * weights, const T* QKV, const T* mask, const i64* starts,   \
                              const i64* squares, i64 B, i64 rows, i64 H, i64 D, i64 causal, acc<T> scale)) {        \
    attention(Y, scores, weights, QKV, mask, starts, squares, B, rows, H, D, causal, scale);                         \
  }                                                                                                                  \
  KERNEL(backprop_attention_queries_##suffix,                                                                        \
         (T * dQKV, acc<T> * dS, const T* dY, const T* QKV, const T* weights, const T* mask, const i64* starts,      \
          const i64* squares, i64 B, i64 rows, i64 H, i64 D, i64 causal, acc<T> scale)) {                            \
    backprop_attention_queries(dQKV, dS, dY, QKV, weights, mask, starts, squares, B, rows, H, D, causal, scale);     \
  }                                                                                                                  \
  KERNEL(backprop_attention_keys_##suffix,                                                                           \
         (T * dQKV, const acc<T>* dS, const T* dY, const T* QKV, const T* weights, const T* mask, const i64* starts, \
          const i64* squares, i64 B, i64 rows, i64 H, i64 D, i64 causal)) {                                          \
    backprop_attention_keys(dQKV, dS, dY, QKV, weights, mask, starts, squares, B, rows, H, D, causal);               \
  }
FOR_FLOATS(ATTENTION)

DEVICE u64 turned_by(i64 steps, u64 angle) { return (u64)steps * angle; }
DEVICE double turned_by(i64 steps, double angle) { return (double)steps * angle; }

// The first H heads of D columns turned by the angles of the row's step, times sign; what is behind them is copied. A
// thread per row and N pairs of columns, for all heads, which share sine and cosine. Y may be exactly X.
template <int N, typename T, typename F>
DEVICE void rotary(T* Y, const T* X, const F* __restrict__ frequencies, const i64* __restrict__ starts, i64 B, i64 rows,
                   i64 I, i64 H, i64 D, acc<T> sign) {
  typedef acc<T> A;
  i64 half = D / 2, turned = half / N, others = Y == X ? 0 : (I - H * D) / N;
  for (Pieces at(turned + others); at.row < rows; at.next()) {
    i64 i = at.row * I;
    if (at.piece >= turned) {
      i += H * D + (at.piece - turned) * N;
      store(Y + i, load<N>(X + i));
      continue;
    }
    i64 j = at.piece * N, step = at.row - starts[last_at_most(starts, B, at.row)];
    A sine[N], cosine[N];
#pragma unroll
    for (int k = 0; k < N; ++k) sin_cos(turned_by(step, frequencies[j + k]), sine + k, cosine + k);
    for (i64 h = 0; h < H; ++h) {
      i64 o = i + h * D + j;
      Vec<T, N> low = load<N>(X + o), high = load<N>(X + o + half), y, z;
#pragma unroll
      for (int k = 0; k < N; ++k) {
        A a = to_acc(low.v[k]), b = to_acc(high.v[k]), turn = sign * sine[k];
        y.v[k] = from_acc<T>(a * cosine[k] - b * turn);
        z.v[k] = from_acc<T>(b * cosine[k] + a * turn);
      }
      store(Y + o, y);
      store(Y + o + half, z);
    }
  }
}
#define ROTARY(suffix, T, ...)                                                                                     \
  KERNEL(rotary_##suffix, (T * Y, const T* X, const frequency<T>* frequencies, const i64* starts, i64 B, i64 rows, \
                           i64 I, i64 H, i64 D, acc<T> sign)) {                                                    \
    by_pieces<T>(                                                                                                  \
        D / 2 | I, [=](auto lanes) { rotary<lanes.n>(Y, X, frequencies, starts, B, rows, I, H, D, sign); }, Y, X); \
  }
FOR_FLOATS(ROTARY)
