// Long short-term memory, one direction of one layer at a time. Rows are packed by step, the longest sequence first:
//
//   step 0: [a b c d]  step 1: [a b c]  step 2: [a b c]  step 3: [a]      4 sequences of 4, 3, 3 and 1 steps
//
// so the sequences that go on from one step to the next are the first rows of both. A block of steps is taken at a
// time: one product gives the part of the gates that comes from X, then each step adds the part that comes from the
// step before, a product of its few rows with weights that are packed once, and computes its gates. The backward pass
// goes the other way, and all products that do not wait for a step before are done a block at a time. Threads share
// the sequences of a block of steps, and each takes its own from the first step to the last.
//
// One core of a Zen 5, AVX-512, float32, ms of forward / forward and backward, beside PyTorch 2.13 on the padded batch
// and thinc 8.3.14 in the same process (least of 100 rounds):
//   32 sequences of 5-30 steps, 96 -> 96:   0.42 / 1.32   PyTorch  0.84 / 2.94   thinc 4.4 /  12
//   the same, 96 -> 2 x 48, 2 layers:       0.64 / 2.00   PyTorch  1.47 / 8.44   thinc 7.1 /  19
//   64 sequences of 10-50 steps, 300 -> 256: 9.8 / 29.8   PyTorch  16.1 / 66.4   thinc  73 / 212
//   32 sequences of 20 steps, 96 -> 96:     0.44 / 1.36   PyTorch  0.57 / 1.78   thinc 4.6 /  20  (nothing is padded)
// That is 190 to 220 GFLOP/s of the 250 that gemm.h reaches at its best size. Two threads, on two cores of an AVX-512
// EPYC, are 1.8 times as fast with 32 or 40 sequences, 1.6 with 8; a single sequence gains in the large products only.
//
// Fused multiply-add is allowed, as in gemm.h: values may differ in the last bits between instruction sets.
#if defined(__clang__)
#pragma clang fp contract(fast)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=fast")
#endif

// tanh(x) = (e^2x - 1) / (e^2x + 1); from |x| = 20 on it rounds to 1. The error is relative, also near 0.
template <typename T>
static THINC_INLINE Vec<T> gate_tanh_(Vec<T> x) {
  Vec<T> t = expm1_(at_least_(at_most_(x + x, T(40)), T(-40)));
  return t / (t + T(2));
}

// 1 / (1 + e^-x); from -80 down it is e^-80.
template <typename T>
static THINC_INLINE Vec<T> gate_sigmoid_(Vec<T> x) {
  return T(1) / (T(1) + exp_(at_most_(-x, T(80))));
}

// Up to a vector of values that may end early.
template <typename T>
static THINC_INLINE Vec<T> load_up_to_(const T* p, size_t n) {
  if (n >= sizeof(Vec<T>) / sizeof(T)) return load_(p);
  Vec<T> x = {};
  memcpy(&x, p, n * sizeof(T));
  return x;
}
template <typename T>
static THINC_INLINE void store_up_to_(T* p, Vec<T> x, size_t n) {
  if (n >= sizeof(Vec<T>) / sizeof(T))
    memcpy(p, &x, sizeof x);
  else
    memcpy(p, &x, n * sizeof(T));
}

// Where what a pass needs lies in its scratch memory, in values. N rows, B of them in the largest step.
struct LstmScratch {
  static constexpr size_t BLOCK = 256;  // rows of a block of steps: enough for a product to run at full speed
  size_t held, bias, start, A, H, dH, dC, dA0, total;

  LstmScratch(size_t N, size_t B, size_t O) : total(0) {
    const size_t rows = N < BLOCK ? N : B < BLOCK ? BLOCK : B;
    held = take(4 * O * (O + 64));
    bias = take(4 * O);
    start = take(4 * O);
    A = take(rows * 4 * O);
    H = take(rows * O);
    dH = take(B * O);
    dC = take(B * O);
    dA0 = take(B * 4 * O);
    total += 64;  // to align the whole
  }
  size_t take(size_t n) {
    const size_t at = total;
    total += (n + 63) / 64 * 64;
    return at;
  }
};

template <typename T>
static void lstm_scratch(size_t* n, size_t N, size_t B, size_t O) {
  *n = LstmScratch(N, B, O).total;
}

template <typename T>
static T* aligned_(T* p) {
  return p + (64 - reinterpret_cast<uintptr_t>(p) % 64) % 64 / sizeof(T);
}

// A right-hand side op(W) (K, N), packed once for many products with few rows.
template <typename T>
class Held {
 public:
  Held(T* memory, const T* W, size_t ldw, bool trans, size_t K, size_t N)
      : panels_(memory), W_(W), ldw_(ldw), trans_(trans), K_(K), N_(N) {
#if defined(__GNUC__)
    each_panel([&](T* panel, size_t k, size_t depth, size_t n, size_t width) {
      pack_panel(panel, W + (trans ? n * ldw + k : k * ldw + n), ldw, trans, width, depth);
    });
#endif
  }

  // C (M, N) = A (M, K) op(W), or C += when accumulate.
  void times(T* C, size_t ldc, const T* A, size_t lda, size_t M, bool accumulate) const {
#if defined(__GNUC__)
    each_panel([&](const T* panel, size_t k, size_t depth, size_t n, size_t width) {
      const size_t ldb = (width + L - 1) / L * L;
      panel_product<T>(C + n, ldc, {A + k, lda, false, false}, panel, ldb, M, width, depth,
                       accumulate || k ? C + n : nullptr, ldc, false);
    });
#else
    gemm(C, A, W_, M, N_, K_, lda, ldw_, ldc, false, trans_, accumulate);
#endif
  }

 private:
#if defined(__GNUC__)
  static constexpr size_t L = Simd<T>::L, NR = Simd<T>::NR, DEPTH = 1536 / sizeof(T);
  template <typename F>
  void each_panel(F f) const {
    const size_t padded = (N_ + L - 1) / L * L;
    for (size_t k = 0; k < K_; k += DEPTH) {
      const size_t depth = K_ - k < DEPTH ? K_ - k : DEPTH;
      for (size_t n = 0; n < N_; n += NR) f(panels_ + k * padded + n * depth, k, depth, n, N_ - n < NR ? N_ - n : NR);
    }
  }
#endif
  T* panels_;
  const T* W_;
  size_t ldw_;
  bool trans_;
  size_t K_, N_;
};

// One step as a direction takes it: rows [row, row + n), of which the first `kept` go on from those at `before`.
struct LstmStep {
  size_t row, n, before, kept;
};

// Steps, each of one row at least, that follow each other: their rows from `first` on, and the most rows that one has.
struct LstmBlock {
  size_t first, rows, most, count;
  LstmStep steps[LstmScratch::BLOCK];

  // f(step, low, high) for each step and its rows [low, high), a range of the sequences at a time: the threads share
  // the sequences, which know nothing of each other. cost: work of one row.
  template <typename F>
  void in_parts(size_t cost, F f) const {
    constexpr size_t PARTS = 2;  // for each thread: a product of less than eight rows takes longer
    const auto some = [&](size_t low, size_t high) {
      for (size_t s = 0; s < count && low < high; ++s)
        if (low < steps[s].n) f(steps[s], low, steps[s].n < high ? steps[s].n : high);
    };
    product_parts_(most, cost * count, 4, some, PARTS);
  }
};

// The steps of a direction, in its order (forward pass) or against it (backward pass), a block at a time.
class LstmWalk {
 public:
  LstmWalk(const int32_t* sizes, size_t S, bool backwards, bool against) : sizes_(sizes), backwards_(backwards) {
    while (S > 0 && sizes[S - 1] == 0) --S;
    S_ = S;
    up_ = backwards == against;
    for (size_t t = 0; t < S; ++t) rows_ += size_t(sizes[t]);
    next_ = up_ ? 0 : rows_;
  }
  size_t rows() const { return rows_; }

  // f(block) for each block.
  template <typename F>
  void each_block(F f) {
    LstmBlock block;
    for (size_t s = 0; s < S_;) {
      const size_t from = next_;
      block.rows = block.most = block.count = 0;
      for (; s < S_; ++s) {
        const size_t more = size_t(sizes_[at(s)]);
        if (block.count && block.rows + more > LstmScratch::BLOCK) break;
        block.steps[block.count++] = take(at(s));
        block.rows += more;
        if (more > block.most) block.most = more;
      }
      block.first = up_ ? from : next_;
      f(block);
    }
  }

 private:
  size_t at(size_t s) const { return up_ ? s : S_ - 1 - s; }
  LstmStep take(size_t t) {
    const size_t n = size_t(sizes_[t]), row = up_ ? next_ : next_ - n;
    next_ = up_ ? row + n : row;
    if (backwards_) return {row, n, row + n, t + 1 < S_ ? size_t(sizes_[t + 1]) : 0};
    return {row, n, t ? row - size_t(sizes_[t - 1]) : 0, t ? n : 0};
  }

  const int32_t* sizes_;
  bool backwards_, up_;
  size_t S_, rows_ = 0, next_;
};

// Rows of gates and cells: forget, input, output, candidate, which are 4 O values of A, then what follows from them.
// c_before may be c. KEEP: the gates replace what they were computed from, and tanh_c is written.
template <bool KEEP, typename T>
static void lstm_gates(T* A, size_t lda, T* c, T* tanh_c, size_t ldc, T* Y, size_t ldy, const T* c_before, size_t ldb,
                       size_t rows, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  for (size_t r = 0; r < rows; ++r) {
    T *a = A + r * lda, *y = Y + r * ldy;
    for (size_t k = 0; k < O; k += L) {
      const size_t n = O - k;
      Vec<T> f = gate_sigmoid_<T>(load_up_to_(a + k, n)), i = gate_sigmoid_<T>(load_up_to_(a + O + k, n));
      Vec<T> o = gate_sigmoid_<T>(load_up_to_(a + 2 * O + k, n)), g = gate_tanh_<T>(load_up_to_(a + 3 * O + k, n));
      Vec<T> cell = f * load_up_to_(c_before + r * ldb + k, n) + i * g, t = gate_tanh_<T>(cell);
      store_up_to_(c + r * ldc + k, cell, n);
      store_up_to_(y + k, o * t, n);
      if (KEEP) {
        store_up_to_(a + k, f, n);
        store_up_to_(a + O + k, i, n);
        store_up_to_(a + 2 * O + k, o, n);
        store_up_to_(a + 3 * O + k, g, n);
        store_up_to_(tanh_c + r * ldc + k, t, n);
      }
    }
  }
}

// A (rows, 4 O) = bias + X Wx^T.
template <typename T>
static void lstm_inputs(T* A, size_t lda, const T* X, const T* Wx, const T* bias, size_t rows, size_t I, size_t O) {
#if defined(__GNUC__)
  product<T>({A, X, Wx, rows, 4 * O, I, I, I, lda, false, true, bias, 0, false});
#else
  for (size_t r = 0; r < rows; ++r) memcpy(A + r * lda, bias, 4 * O * sizeof(T));
  gemm(A, X, Wx, rows, 4 * O, I, I, I, lda, false, true, true);
#endif
}

// How many of the rows [low, high) of a step go on from the step before: they come first.
static inline size_t kept_rows(const LstmStep& step, size_t low, size_t high) {
  return step.kept < low ? 0 : (step.kept < high ? step.kept : high) - low;
}

// Work of one row of a step: a product with O x 4 O weights, and about 12 functions of O values.
static inline size_t lstm_cost(size_t O) { return O * (O + 16); }

// What each step of a forward pass has in common. A: the gates of a block, or, when they are kept, those of the pass.
template <typename T>
struct LstmForward {
  T *Y, *units, *cells;
  const T *start, *c0;
  const Held<T>& held;
  size_t O, ldy, lda;

  void take(const LstmStep& step, T* a, size_t low, size_t high) const {
    const size_t kept = kept_rows(step, low, high), fresh = high - low - kept;
    T *y = Y + (step.row + low) * ldy, *a_new = a + kept * lda;
    if (kept) held.times(a, lda, Y + (step.before + low) * ldy, ldy, kept, true);
    for (size_t r = 0; r < fresh; ++r) {
      T* row = a_new + r * lda;
      const T* more = start;
      fill_(row, 4 * O, [=](size_t k) { return row[k] + more[k]; });
    }
    if (units) {
      const T* before = units + (step.before + low) * lda + 4 * O;
      lstm_gates<true>(a, lda, a + 4 * O, a + 5 * O, lda, y, ldy, before, lda, kept, O);
      lstm_gates<true>(a_new, lda, a_new + 4 * O, a_new + 5 * O, lda, y + kept * ldy, ldy, c0, 0, fresh, O);
    } else {
      T *c = cells + low * O, *c_new = c + kept * O;
      lstm_gates<false>(a, lda, c, c, O, y, ldy, c, O, kept, O);
      lstm_gates<false>(a_new, lda, c_new, c_new, O, y + kept * ldy, ldy, c0, 0, fresh, O);
    }
  }
};

template <typename T>
static void lstm(T* Y, T* units, T* scratch, const T* X, const T* weights, const T* h0, const T* c0,
                 const int32_t* sizes, size_t S, size_t I, size_t O, size_t ldy, bool backwards) {
  LstmWalk walk(sizes, S, backwards, false);
  const LstmScratch at(walk.rows(), S ? size_t(sizes[0]) : 0, O);
  scratch = aligned_(scratch);
  const T *Wx = weights, *bx = Wx + 4 * O * I, *Wh = bx + 4 * O, *bh = Wh + 4 * O * O;
  T *bias = scratch + at.bias, *start = scratch + at.start;
  const Held<T> held(scratch + at.held, Wh, O, true, O, 4 * O);
  for (size_t k = 0; k < 4 * O; ++k) bias[k] = bx[k] + bh[k];
  held.times(start, 4 * O, h0, O, 1, false);
  const size_t lda = units ? 6 * O : 4 * O;
  const LstmForward<T> pass = {Y, units, scratch + at.dC, start, c0, held, O, ldy, lda};
  walk.each_block([&](const LstmBlock& block) {
    T* A = units ? units + block.first * lda : scratch + at.A;
    lstm_inputs(A, lda, X + block.first * I, Wx, bias, block.rows, I, O);
    block.in_parts(lstm_cost(O), [&](const LstmStep& step, size_t low, size_t high) {
      pass.take(step, A + (step.row - block.first + low) * lda, low, high);
    });
  });
}

// The gradient of what the gates of a row were computed from, from those of its output (dy + dh) and of its cell (dc),
// which becomes that of the cell before. h: the output of before. NEW: the row is the first of its sequence.
template <bool NEW, typename T>
static void backprop_lstm_gates(T* dA, T* dC, T* H, const T* dY, size_t ldy, const T* dH, const T* units,
                                const T* before, const T* h0, const T* c0, size_t rows, size_t O) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  for (size_t r = 0; r < rows; ++r) {
    const T *u = units + r * 6 * O, *b = before + r * 6 * O;
    T* da = dA + r * 4 * O;
    for (size_t k = 0; k < O; k += L) {
      const size_t n = O - k;
      Vec<T> f = load_up_to_(u + k, n), i = load_up_to_(u + O + k, n), o = load_up_to_(u + 2 * O + k, n);
      Vec<T> g = load_up_to_(u + 3 * O + k, n), t = load_up_to_(u + 5 * O + k, n);
      Vec<T> c = load_up_to_(NEW ? c0 + k : b + 4 * O + k, n);
      Vec<T> h = NEW ? load_up_to_(h0 + k, n) : load_up_to_(b + 2 * O + k, n) * load_up_to_(b + 5 * O + k, n);
      Vec<T> dh = load_up_to_(dY + r * ldy + k, n) + load_up_to_(dH + r * O + k, n);
      Vec<T> dc = load_up_to_(dC + r * O + k, n) + dh * o * (T(1) - t * t);
      store_up_to_(da + k, dc * c * (f * (T(1) - f)), n);
      store_up_to_(da + O + k, dc * g * (i * (T(1) - i)), n);
      store_up_to_(da + 2 * O + k, dh * t * (o * (T(1) - o)), n);
      store_up_to_(da + 3 * O + k, dc * i * (T(1) - g * g), n);
      store_up_to_(dC + r * O + k, dc * f, n);
      store_up_to_(H + r * O + k, h, n);
    }
  }
}

// What each step of a backward pass has in common. dA and H: of a block. dA0: rows of dA by sequence, those of the
// steps that start from h0; in dC, the same of c0 is what remains.
template <typename T>
struct LstmBackward {
  T *dA, *H, *dH, *dC, *dA0;
  const T *dY, *units, *h0, *c0;
  const Held<T>& held;
  size_t O, ldy;

  void take(const LstmStep& step, size_t row, size_t low, size_t high) const {
    const size_t kept = kept_rows(step, low, high), fresh = high - low - kept, first_new = low + kept;
    const T *dy = dY + (step.row + low) * ldy, *u = units + (step.row + low) * 6 * O;
    const T* before = units + (step.before + low) * 6 * O;
    T *da = dA + row * 4 * O, *da_new = da + kept * 4 * O, *dh = dH + low * O, *dc = dC + low * O, *h = H + row * O;
    backprop_lstm_gates<false>(da, dc, h, dy, ldy, dh, u, before, h0, c0, kept, O);
    backprop_lstm_gates<true>(da_new, dc + kept * O, h + kept * O, dy + kept * ldy, ldy, dh + kept * O,
                              u + kept * 6 * O, units, h0, c0, fresh, O);
    if (kept) held.times(dh, O, da, 4 * O, kept, false);
    if (fresh) memcpy(dA0 + first_new * 4 * O, da_new, fresh * 4 * O * sizeof(T));
  }
};

template <typename T>
static void backprop_lstm(T* dX, T* dweights, T* dh0, T* dc0, T* scratch, const T* dY, const T* units, const T* X,
                          const T* weights, const T* h0, const T* c0, const int32_t* sizes, size_t S, size_t I,
                          size_t O, size_t ldy, bool backwards, bool accumulate) {
  LstmWalk walk(sizes, S, backwards, true);
  const size_t B = walk.rows() ? size_t(sizes[0]) : 0;
  const LstmScratch at(walk.rows(), B, O);
  scratch = aligned_(scratch);
  const T *Wx = weights, *Wh = Wx + 4 * O * (I + 1);
  T *dWx = dweights, *dbx = dWx + 4 * O * I, *dWh = dbx + 4 * O, *dbh = dWh + 4 * O * O;
  T *dA = scratch + at.A, *H = scratch + at.H, *dH = scratch + at.dH, *dC = scratch + at.dC, *dA0 = scratch + at.dA0;
  const Held<T> held(scratch + at.held, Wh, O, false, 4 * O, O);
  fill_(dH, B * O, [](size_t) { return T(0); });
  fill_(dC, B * O, [](size_t) { return T(0); });
  const LstmBackward<T> pass = {dA, H, dH, dC, dA0, dY, units, h0, c0, held, O, ldy};
  bool later = false;
  walk.each_block([&](const LstmBlock& block) {
    const size_t rows = block.rows;
    block.in_parts(lstm_cost(O), [&](const LstmStep& step, size_t low, size_t high) {
      pass.take(step, step.row - block.first + low, low, high);
    });
    gemm(dWx, dA, X + block.first * I, 4 * O, I, rows, 4 * O, I, I, true, false, later);
    gemm(dWh, dA, H, 4 * O, O, rows, 4 * O, O, O, true, false, later);
    column_sum(dbx, dA, rows, 4 * O, later);
    if (dX) gemm(dX + block.first * I, dA, Wx, rows, I, 4 * O, 4 * O, I, I, false, false, accumulate);
    later = true;
  });
  if (!later) fill_(dweights, 4 * O * (I + O + 2), [](size_t) { return T(0); });
  fill_(dbh, 4 * O, [=](size_t k) { return dbx[k]; });
  T* start = scratch + at.start;
  column_sum(start, dA0, B, 4 * O, false);
  column_sum(dc0, dC, B, O, false);
  held.times(dh0, O, start, 4 * O, 1, false);
}

#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
