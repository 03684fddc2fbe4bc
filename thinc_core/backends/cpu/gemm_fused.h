// X W^T + b followed by maxout, without the P values of an output ever reaching memory.

// best, which = the larger of (best, which) and (z, piece): the first of equals, the first NaN before everything.
template <typename V, typename M>
static GEMM_INLINE void keep_larger(V& best, M& which, const V& z, const M& piece) {
  const M better = ~(z <= best) & (best == best);
  best = better ? z : best;
  which = better ? piece : which;
}

// MR rows of L outputs. Their pieces first .. first + NV are a panel in which vector j is one piece of all outputs, so
// that the maximum is elementwise. More than NV pieces: the best so far is in Y and which.
template <typename T, int MR, int NV>
static void maxout_tile(T* Y, int32_t* which, size_t ldy, const T* X, size_t ldx, const T* panel, size_t K,
                        const T* bias, size_t first) {
  typedef Simd<T> S;
  typedef typename S::vec vec;
  typedef typename S::mask mask;
  typedef typename S::ints ints;
  vec sum[MR][NV];
  tile_sums<T, MR, NV, false>(sum, X, ldx, panel, NV * S::L, K, bias, 0);
  GEMM_UNROLL for (int i = 0; i < MR; ++i) {
    vec best = sum[i][0];
    mask piece = splat<mask>(typename S::lane(first));
    if (first) {
      best = load<vec>(Y + i * ldy);
      piece = __builtin_convertvector(load<ints>(which + i * ldy), mask);
      keep_larger(best, piece, sum[i][0], splat<mask>(typename S::lane(first)));
    }
    GEMM_UNROLL for (int j = 1; j < NV; ++j)
        keep_larger(best, piece, sum[i][j], splat<mask>(typename S::lane(first + j)));
    store(Y + i * ldy, best);
    const ints index = __builtin_convertvector(piece, ints);
    store(which + i * ldy, index);
  }
}

template <typename T>
using MaxoutTile = void (*)(T*, int32_t*, size_t, const T*, size_t, const T*, size_t, const T*, size_t);

template <typename T, int NV, int... I>
static inline MaxoutTile<T> maxout_tile_of(size_t rows, std::integer_sequence<int, I...>) {
  static constexpr MaxoutTile<T> tiles[] = {&maxout_tile<T, I + 1, NV>...};
  return tiles[rows - 1];
}

template <typename T>
static inline MaxoutTile<T> maxout_tile_of(size_t rows, size_t nv) {
  typedef Simd<T> S;
  if (nv == 1) return maxout_tile_of<T, 1>(rows, std::make_integer_sequence<int, S::rows(1)>());
  if (nv == 2) return maxout_tile_of<T, 2>(rows, std::make_integer_sequence<int, S::rows(2)>());
  if (nv == 3) return maxout_tile_of<T, 3>(rows, std::make_integer_sequence<int, S::rows(3)>());
  return maxout_tile_of<T, S::MOST_NV>(rows, std::make_integer_sequence<int, S::rows(S::MOST_NV)>());
}

// All P pieces of n <= L outputs: the packed rows of W and their biases.
template <typename T>
struct MaxoutPanel {
  typedef Simd<T> S;
  size_t P, K, n;
  T *panel, *bias;

  // Pieces per tile: P in equal parts.
  static size_t group(size_t P) {
    const size_t groups = (P + S::MOST_NV - 1) / S::MOST_NV;
    return (P + groups - 1) / groups;
  }

  void pack(const T* W, const T* b) {
    const size_t step = group(P);
    for (size_t p = 0; p < P; ++p) {
      const size_t first = p - p % step, nv = smaller(P - first, step);
      pack_rows(panel + first * K * S::L + (p - first) * S::L, nv * S::L, W + p * K, P * K, n, K);
      for (size_t e = 0; e < S::L; ++e) bias[p * S::L + e] = e < n ? b[e * P + p] : T(0);
    }
  }

  void run(T* Y, int32_t* which, size_t ldy, const T* X, size_t ldx, size_t rows) const {
    const size_t step = group(P);
    for (size_t p = 0; p < P; p += step) {
      const size_t nv = smaller(P - p, step);
      maxout_tile_of<T>(rows, nv)(Y, which, ldy, X, ldx, panel + p * K * S::L, K, bias + p * S::L, p);
    }
  }

  // Rows [0, M) of X; ragged outputs take a way round, as whole vectors.
  void run_rows(T* Y, int32_t* which, size_t ldy, const T* X, size_t ldx, size_t M) const {
    for (size_t i = 0, rows; i < M; i += rows) {
      rows = next_rows(M - i, S::rows(int(group(P))));
      if (n == S::L) {
        run(Y + i * ldy, which + i * ldy, ldy, X + i * ldx, ldx, rows);
        continue;
      }
      alignas(64) T best[S::MOST_ROWS * S::L];
      alignas(64) int32_t piece[S::MOST_ROWS * S::L];
      run(best, piece, S::L, X + i * ldx, ldx, rows);
      for (size_t r = 0; r < rows; ++r) {
        copy_few(Y + (i + r) * ldy, best + r * S::L, n);
        for (size_t e = 0; e < n; ++e) which[(i + r) * ldy + e] = piece[r * S::L + e];
      }
    }
  }
};

// A few rows: dot products, some outputs at a time, then maxout over what is in the first-level cache.
template <typename T>
static void few_rows_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                            size_t I, size_t ldx) {
  alignas(64) T Z[Blocks<T>::SPARE];
  const size_t step = Blocks<T>::part(O, Blocks<T>::SPARE / (B * P), 1);
  for (size_t o = 0; o < O; o += step) {
    const size_t n = smaller(O - o, step);
    dot_product<T>({Z, X, W + o * P * I, B, n * P, I, ldx, I, n * P, false, true, b + o * P, 0, false});
    for (size_t r = 0; r < B; ++r) maxout(Y + r * O + o, which + r * O + o, Z + r * n * P, n, P);
  }
}

template <typename T>
static void affine_maxout(T* Y, int32_t* which, const T* X, const T* W, const T* b, size_t B, size_t O, size_t P,
                          size_t I, size_t ldx) {
  typedef Simd<T> S;
  typedef Blocks<T> Block;
  if (B == 0 || O == 0) return;
  if (few_rows<T>(B, I) && B * P <= Block::SPARE) return few_rows_maxout(Y, which, X, W, b, B, O, P, I, ldx);
  const size_t m = Block::part(B, Block::MOST_M, S::rows(int(MaxoutPanel<T>::group(P)))), size = (I + 1) * P * S::L;
  const size_t all = (O + S::L - 1) / S::L;
  const size_t held = B <= m ? 1 : Block::part(all, Block::PANELS / sizeof(T) / size + 1, 1);
  T* const panels = static_cast<T*>(workspace.get(held * size * sizeof(T)));
  if (!panels) return plain::affine_maxout(Y, which, X, W, b, B, O, P, I, ldx);
  const size_t step = held > 1 ? held * S::L : O;
  for (size_t o0 = 0; o0 < O; o0 += step)
    for (size_t m0 = 0; m0 < B; m0 += m)
      for (size_t o = o0; o < smaller(O, o0 + step); o += S::L) {
        T* const here = panels + (held > 1 ? (o - o0) / S::L * size : 0);
        MaxoutPanel<T> panel = {P, I, smaller(O - o, S::L), here, here + I * P * S::L};
        if (m0 == 0 || held == 1) panel.pack(W + o * P * I, b + o * P);
        panel.run_rows(Y + m0 * O + o, which + m0 * O + o, O, X + m0 * ldx, ldx, smaller(B - m0, m));
      }
}
