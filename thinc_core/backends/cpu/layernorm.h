// Layer normalisation of rows. A block of rows that stays in L1 is taken pass by pass, so that the steps of a row need
// not wait for each other.
// Measured, one thread of an AVX-512 EPYC, f32, 4000 x 96, us beside a copy of the same bytes:
// layernorm 67 (34; PyTorch 232), backward 110 (53; 160).

constexpr size_t NORM_BLOCK = 32;

// f(count, r) for the rows r < n: four at a time, and those left over one by one.
template <typename F>
static THINC_INLINE void by_rows_(size_t n, F f) {
  size_t r = 0;
  for (; r + 4 <= n; r += 4) f(std::integral_constant<size_t, 4>(), r);
  for (; r < n; ++r) f(std::integral_constant<size_t, 1>(), r);
}

template <typename V, size_t N>
struct Several {
  V v[N];
};

// The S sums over O columns that f(at, r) gives values for, for each of the rows r < R, in the order of sum_.
template <typename T, size_t S, size_t R, typename F>
static THINC_INLINE void row_sums_(T (&total)[S][R], size_t O, F f) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T), K = 64 / sizeof(Vec<T>);
  if (O < K * L) {
    for (size_t r = 0; r < R; ++r) {
      T part[S][K * L] = {};
      for (size_t o = 0; o < O; ++o) {
        Several<T, S> x = f(ValueAt<T>{o}, r);
        for (size_t s = 0; s < S; ++s) part[s][o] = x.v[s];
      }
      for (size_t s = 0; s < S; ++s) total[s][r] = fold_tree_(part[s], Sum());
    }
    return;
  }
  Vec<T> sum[S][R][K] = {};
  const size_t whole = O / (K * L) * (K * L);
  const VecInts<T> seen = VecInts<T>{} + (decltype(bit_type_(T())))(K * L - (O - whole));
  const auto add = [&](size_t r, size_t o) THINC_INLINE_LAMBDA {
    THINC_UNROLL for (size_t k = 0; k < K; ++k) {
      Several<Vec<T>, S> x = f(VectorAt<T>{o + k * L}, r);
      THINC_UNROLL for (size_t s = 0; s < S; ++s) sum[s][r][k] += x.v[s];
    }
  };
  const auto add_rest = [&](size_t r) THINC_INLINE_LAMBDA {
    if (whole < O) THINC_UNROLL for (size_t k = 0; k < K; ++k) {
        Several<Vec<T>, S> x = f(VectorAt<T>{O - K * L + k * L}, r);
        THINC_UNROLL for (size_t s = 0; s < S; ++s) sum[s][r][k] +=
            select_(numbers_from_(k * L, T()) < seen, Vec<T>{}, x.v[s]);
      }
  };
  if constexpr (S == 1) {  // rows side by side, unless that would be more streams than are fetched ahead
    for (size_t o = 0; o < whole; o += K * L) THINC_UNROLL for (size_t r = 0; r < R; ++r) add(r, o);
    THINC_UNROLL for (size_t r = 0; r < R; ++r) add_rest(r);
  } else {
    THINC_UNROLL for (size_t r = 0; r < R; ++r) {
      for (size_t o = 0; o < whole; o += K * L) add(r, o);
      add_rest(r);
    }
  }
  THINC_UNROLL for (size_t s = 0; s < S; ++s) {
    if constexpr (R == 4)
      fold_four_(total[s], sum[s]);
    else
      THINC_UNROLL for (size_t r = 0; r < R; ++r) total[s][r] = fold_vectors_<T>(sum[s][r], Sum());
  }
}

// What f makes of each column: put(o, f(at)). As in each_, what does not fill a vector at the end is computed first, as
// part of the last whole vector, and put last; so f may read what put overwrites.
template <typename T, typename F, typename P>
static THINC_INLINE void columns_(size_t O, F f, P put) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  if (O < L) {
    for (size_t o = 0; o < O; ++o) put(o, f(ValueAt<T>{o}));
    return;
  }
  auto last = f(VectorAt<T>{O - L});
  for (size_t o = 0; o + L < O; o += L) put(o, f(VectorAt<T>{o}));
  put(O - L, last);
}

template <typename T, typename W>
static void layernorm_block(T* Y, T* mu, T* rstd, const T* X, const T* G, const T* b, size_t rows, W O, T eps) {
  const T width = O ? T(O) : T(1);
  by_rows_(rows, [=](auto count, size_t r) THINC_INLINE_LAMBDA {
    constexpr size_t R = decltype(count)::value;
    T total[1][R];
    row_sums_(total, O, [=](auto at, size_t i) THINC_INLINE_LAMBDA {
      return Several<decltype(at(X)), 1>{{at(X + (r + i) * O)}};
    });
    for (size_t i = 0; i < R; ++i) mu[r + i] = total[0][i] / width;
  });
  by_rows_(rows, [=](auto count, size_t r) THINC_INLINE_LAMBDA {
    constexpr size_t R = decltype(count)::value;
    T total[1][R];
    row_sums_(total, O, [=](auto at, size_t i) THINC_INLINE_LAMBDA {
      auto h = at(X + (r + i) * O) - mu[r + i];
      return Several<decltype(at(X)), 1>{{h * h}};
    });
    for (size_t i = 0; i < R; ++i) rstd[r + i] = T(1) / sqrt_(total[0][i] / width + eps);
  });
  by_rows_(rows, [=](auto count, size_t r) THINC_INLINE_LAMBDA {
    constexpr size_t R = decltype(count)::value;
    T m[R], s[R];
    memcpy(m, mu + r, sizeof m);
    memcpy(s, rstd + r, sizeof s);
    columns_<T>(
        O,
        [&](auto at) THINC_INLINE_LAMBDA {
          Several<decltype(at(X)), R> out;
          auto scale = at(G), shift = at(b);
          THINC_UNROLL for (size_t i = 0; i < R; ++i) out.v[i] = (at(X + (r + i) * O) - m[i]) * s[i] * scale + shift;
          return out;
        },
        [=](size_t o, auto out) THINC_INLINE_LAMBDA {
          THINC_UNROLL for (size_t i = 0; i < R; ++i) memcpy(Y + (r + i) * O + o, &out.v[i], sizeof out.v[i]);
        });
  });
}

// Rows of a block: as many as stay in L1, but rows that are long by themselves one by one.
template <typename T>
static size_t norm_block_(size_t O) {
  return O * sizeof(T) > 2048 ? 1 : O * sizeof(T) > 512 ? NORM_BLOCK / 4 : NORM_BLOCK;
}

// f(O), with a constant where O is a multiple of 32 up to 128: loops over such a row are unrolled, which saves a tenth
// to a fifth. (Softmax would gain 2%: its time is that of exp.)
template <size_t TIMES_32 = 4, typename F>
static THINC_INLINE void unrolled_(size_t O, F f) {
  if constexpr (TIMES_32 == 0) {
    f(O);
  } else {
    if (O == 32 * TIMES_32) return f(std::integral_constant<size_t, 32 * TIMES_32>());
    unrolled_<TIMES_32 - 1>(O, f);
  }
}

template <typename T>
static void layernorm(T* Y_bo, T* mu_b, T* rstd_b, const T* X_bo, const T* G_o, const T* b_o, size_t B, size_t O,
                      T eps) {
  const size_t block = norm_block_<T>(O);
  in_parts_(B, 3 * O, block, [=](size_t first, size_t last) {
    unrolled_(O, [=](auto O) THINC_INLINE_LAMBDA {
      for (size_t b = first; b < last; b += block)
        layernorm_block(Y_bo + b * O, mu_b + b, rstd_b + b, X_bo + b * O, G_o, b_o, last - b < block ? last - b : block,
                        O, eps);
    });
  });
}

// With h = (x - mu) rstd and g = dY G: dX = rstd (g - mean(g) - h mean(g h)); dG += sum_b dY h; db += sum_b dY.
template <typename T, typename W>
static void backprop_layernorm_block(T* dX, T* dG, T* db, const T* dY, const T* X, const T* G, const T* mu,
                                     const T* rstd, size_t rows, W O) {
  T g_mean[NORM_BLOCK], gh_mean[NORM_BLOCK];
  by_rows_(rows, [&](auto count, size_t r) THINC_INLINE_LAMBDA {
    constexpr size_t R = decltype(count)::value;
    T total[2][R];
    row_sums_(total, O, [=](auto at, size_t i) THINC_INLINE_LAMBDA {
      auto g = at(dY + (r + i) * O) * at(G);
      return Several<decltype(at(X)), 2>{{g, g * ((at(X + (r + i) * O) - mu[r + i]) * rstd[r + i])}};
    });
    for (size_t i = 0; i < R; ++i) {
      g_mean[r + i] = total[0][i] / T(O);
      gh_mean[r + i] = total[1][i] / T(O);
    }
  });
  by_rows_(rows, [&](auto count, size_t r) THINC_INLINE_LAMBDA {
    constexpr size_t R = decltype(count)::value;
    columns_<T>(
        O,
        [&](auto at) THINC_INLINE_LAMBDA {
          Several<decltype(at(X)), R + 2> out;  // dX of each row, dG, db
          auto scale = at(G);
          out.v[R] = at(dG), out.v[R + 1] = at(db);
          THINC_UNROLL for (size_t i = 0; i < R; ++i) {
            auto h = (at(X + (r + i) * O) - mu[r + i]) * rstd[r + i], dy = at(dY + (r + i) * O);
            out.v[R] += dy * h;
            out.v[R + 1] += dy;
            out.v[i] = rstd[r + i] * (dy * scale - g_mean[r + i] - h * gh_mean[r + i]);
          }
          return out;
        },
        [=](size_t o, auto out) THINC_INLINE_LAMBDA {
          THINC_UNROLL for (size_t i = 0; i < R; ++i) memcpy(dX + (r + i) * O + o, &out.v[i], sizeof out.v[i]);
          memcpy(dG + o, &out.v[R], sizeof out.v[R]);
          memcpy(db + o, &out.v[R + 1], sizeof out.v[R + 1]);
        });
  });
}

template <typename T>
static void backprop_layernorm_rows(T* dX, T* dG, T* db, const T* dY, const T* X, const T* G, const T* mu,
                                    const T* rstd, size_t B, size_t O) {
  const size_t block = norm_block_<T>(O);
  unrolled_(O, [=](auto O) THINC_INLINE_LAMBDA {
    for (size_t b = 0; b < B; b += block)
      backprop_layernorm_block(dX + b * O, dG, db, dY + b * O, X + b * O, G, mu + b, rstd + b,
                               B - b < block ? B - b : block, O);
  });
}

// dG and db are summed in chunks of rows, whose number depends on B alone, and the sums of the chunks added in order:
// so any number of threads gives the same bits. Without memory for the sums, all rows are one chunk.
template <typename T>
static void backprop_layernorm(T* dX_bo, T* dG_o, T* db_o, const T* dY_bo, const T* X_bo, const T* G_o, const T* mu_b,
                               const T* rstd_b, size_t B, size_t O) {
  const size_t size = B < 16 * 256 ? 256 : (B + 15) / 16, chunks = (B + size - 1) / size;
  T* const sums = chunks > 1 ? static_cast<T*>(std::calloc(chunks * 2 * O, sizeof(T))) : nullptr;
  if (!sums) return backprop_layernorm_rows(dX_bo, dG_o, db_o, dY_bo, X_bo, G_o, mu_b, rstd_b, B, O);
  in_parts_(chunks, 5 * size * O, 1, [=](size_t first, size_t last) {
    for (size_t c = first, b = first * size; c < last; ++c, b += size)
      backprop_layernorm_rows(dX_bo + b * O, sums + 2 * c * O, sums + (2 * c + 1) * O, dY_bo + b * O, X_bo + b * O, G_o,
                              mu_b + b, rstd_b + b, B - b < size ? B - b : size, O);
  });
  for (size_t c = 0; c < chunks; ++c) {
    const T *dG = sums + 2 * c * O, *db = dG + O;
    fill_(dG_o, O, [=](size_t o) { return dG_o[o] + dG[o]; });
    fill_(db_o, O, [=](size_t o) { return db_o[o] + db[o]; });
  }
  std::free(sums);
}

template <typename T>
static void rmsnorm_block(T* Y, T* rstd, const T* X, const T* G, size_t rows, size_t O, T eps) {
  by_rows_(rows, [=](auto count, size_t r) THINC_INLINE_LAMBDA {
    constexpr size_t R = decltype(count)::value;
    T total[1][R];
    row_sums_(total, O, [=](auto at, size_t i) THINC_INLINE_LAMBDA {
      auto x = at(X + (r + i) * O);
      return Several<decltype(at(X)), 1>{{x * x}};
    });
    for (size_t i = 0; i < R; ++i) rstd[r + i] = T(1) / sqrt_(total[0][i] / (O ? T(O) : T(1)) + eps);
  });
  for (size_t r = 0; r < rows; ++r) {
    const T *x = X + r * O, s = rstd[r];
    each_(Y + r * O, O, [=](auto at) THINC_INLINE_LAMBDA { return at(x) * s * at(G); });
  }
}

template <typename T>
static void rmsnorm(T* Y_bo, T* rstd_b, const T* X_bo, const T* G_o, size_t B, size_t O, T eps) {
  const size_t block = norm_block_<T>(O);
  in_parts_(B, 3 * O, block, [=](size_t first, size_t last) {
    for (size_t b = first; b < last; b += block)
      rmsnorm_block(Y_bo + b * O, rstd_b + b, X_bo + b * O, G_o, last - b < block ? last - b : block, O, eps);
  });
}

// With h = x rstd and g = dY G: dX = rstd (g - h mean(g h)); dG += sum_b dY h, in the order of the rows for any number
// of threads, which share the columns.
template <typename T>
static void backprop_rmsnorm(T* dX_bo, T* dG_o, const T* dY_bo, const T* X_bo, const T* G_o, const T* rstd_b, size_t B,
                             size_t O) {
  in_parts_(O, 2 * B, 64 / sizeof(T), [=](size_t first, size_t last) {
    for (size_t b = 0; b < B; ++b) {
      const T *dy = dY_bo + b * O, *x = X_bo + b * O, s = rstd_b[b];
      fill_(dG_o + first, last - first, [=](size_t o) { return dG_o[first + o] + dy[first + o] * (x[first + o] * s); });
    }
  });
  in_parts_(B, 4 * O, 1, [=](size_t first, size_t last) {
    for (size_t b = first; b < last; ++b) {
      const T *dy = dY_bo + b * O, *x = X_bo + b * O, s = rstd_b[b];
      const T total = sum_<T>(O, [=](auto at) THINC_INLINE_LAMBDA { return at(dy) * at(G_o) * (at(x) * s); });
      const T mean = total / T(O);
      each_(dX_bo + b * O, O, [=](auto at) THINC_INLINE_LAMBDA { return s * (at(dy) * at(G_o) - (at(x) * s) * mean); });
    }
  });
}
