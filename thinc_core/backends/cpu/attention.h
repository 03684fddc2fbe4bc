// Attention of each sequence to itself. A block of queries of one head is taken at a time, so that what lies between
// its two products stays in cache however long the sequence is; nothing is padded. Threads share the sequences.
//
// The products are those of gemm.h: values may differ in the last bits between instruction sets.

// One block: queries [query, query + n) of a head of the sequence that starts at `row`, and the keys they may see. Its
// weights, n rows of `length`, begin at `at`; what its sequence may use of the scratch memory at `scratch`.
struct AttentionBlock {
  size_t row, length, head, query, n, keys, at, scratch;
};

// f(block) for each block. The last of a head comes first: it is the one that sees all keys. rows: most queries in a
// block. scratch: arrays of `rows` by length values that a sequence needs.
template <typename F>
static void each_attention_block_(const int32_t* lengths, size_t B, size_t H, size_t D, size_t rows, bool causal,
                                  size_t scratch, F f) {
  size_t pairs = 0;
  for (size_t b = 0; b < B; ++b) pairs += size_t(lengths[b]) * size_t(lengths[b]);
  in_parts_(B, B ? pairs * H * (D / 4 + 6) / B + 1 : 1, 1, [=](size_t first, size_t last) {
    AttentionBlock block = {};
    for (size_t b = 0; b < last; ++b) {
      const size_t L = size_t(lengths[b]), heads = b < first ? 0 : H;
      block.length = L;
      block.scratch = block.row * rows * scratch;
      for (block.head = 0; block.head < heads; ++block.head)
        for (size_t q = (L + rows - 1) / rows * rows; q > 0;) {
          AttentionBlock each = block;
          each.query = q -= rows;
          each.n = L - q < rows ? L - q : rows;
          each.keys = causal ? q + each.n : L;
          each.at += (block.head * L + q) * L;
          f(each);
        }
      block.at += H * L * L;
      block.row += L;
    }
  });
}

// Y = A * mask for the keys that each query of a block sees, 0 for the others; rows of A are `lda` apart, those of Y
// side by side. mask: of the block; null for ones.
template <typename T>
static void masked_(T* Y, const T* A, const T* mask, const AttentionBlock& b, size_t lda, bool causal) {
  for (size_t i = 0; i < b.n; ++i, Y += b.keys, A += lda) {
    const T *a = A, *m = mask ? mask + i * b.length : nullptr;
    const size_t seen = causal ? b.query + i + 1 : b.keys;
    if (m)
      fill_(Y, seen, [=](size_t j) { return a[j] * m[j]; });
    else if (Y != A)
      memcpy(Y, A, seen * sizeof(T));
    for (size_t j = seen; j < b.keys; ++j) Y[j] = T(0);
  }
}

template <typename T>
static void attention(T* Y, T* weights, T* scratch, const T* QKV, const T* mask, const int32_t* lengths, size_t B,
                      size_t H, size_t D, size_t rows, bool causal) {
  const size_t O = H * D, ld = 3 * O, arrays = (weights ? 0 : 1) + (mask ? 1 : 0);
  const T temperature = sqrt_(T(D));
  each_attention_block_(lengths, B, H, D, rows, causal, arrays, [=](const AttentionBlock& b) {
    const T *Q = QKV + (b.row + b.query) * ld + b.head * D, *K = QKV + b.row * ld + O + b.head * D, *V = K + O;
    T* free = scratch + b.scratch;
    T* S = weights ? weights + b.at : free;
    gemm(S, Q, K, b.n, b.keys, D, ld, ld, b.length, false, true, false);
    for (size_t i = 0; causal && i < b.n; ++i)
      for (size_t j = b.query + i + 1; j < b.length; ++j) S[i * b.length + j] = T(-INFINITY);
    softmax_rows_(S, S, b.n, b.length, temperature);
    const T* A = S;
    size_t lda = b.length;
    if (mask) {
      T* dropped = free + (weights ? 0 : rows * b.length);
      masked_(dropped, S, mask + b.at, b, b.length, causal);
      A = dropped, lda = b.keys;
    }
    gemm(Y + (b.row + b.query) * O + b.head * D, A, V, b.n, D, b.keys, lda, ld, O, false, false, false);
  });
}

template <typename T>
static void backprop_attention(T* dQKV, T* scratch, const T* dY, const T* QKV, const T* weights, const T* mask,
                               const int32_t* lengths, size_t B, size_t H, size_t D, size_t rows, bool causal) {
  const size_t O = H * D, ld = 3 * O, arrays = mask || causal ? 2 : 1;
  const T temperature = sqrt_(T(D));
  each_attention_block_(lengths, B, H, D, rows, causal, arrays, [=](const AttentionBlock& b) {
    const size_t q = (b.row + b.query) * ld + b.head * D, k = b.row * ld + O + b.head * D, v = k + O;
    const T *dy = dY + (b.row + b.query) * O + b.head * D, *P = weights + b.at, *A = P;
    T *dS = scratch + b.scratch, *dropped = dS + rows * b.length;
    size_t lda = b.length;
    gemm(dS, dy, QKV + v, b.n, b.keys, D, O, ld, b.keys, false, true, false);
    if (mask || causal) {
      const T* m = mask ? mask + b.at : nullptr;
      masked_(dS, dS, m, b, b.keys, causal);
      masked_(dropped, P, m, b, b.length, causal);
      A = dropped, lda = b.keys;
    }
    for (size_t i = 0; i < b.n; ++i) {
      T* ds = dS + i * b.keys;
      backprop_softmax(ds, ds, P + i * b.length, 1, causal ? b.query + i + 1 : b.keys, temperature);
    }
    const bool more = b.query + b.n < b.length;  // what the block before this one has begun
    gemm(dQKV + q, dS, QKV + k, b.n, D, b.keys, b.keys, ld, ld, false, false, false);
    gemm(dQKV + k, dS, QKV + q, b.keys, D, b.n, b.keys, ld, ld, true, false, more);
    gemm(dQKV + v, A, dy, b.keys, D, b.n, lda, O, ld, true, false, more);
  });
}

// Turns the pairs (j, j + D / 2) of the first H heads of each row by the angle of its step, whose cosines and sines are
// in a row of turns, and copies the rest. Y may be X.
template <typename T>
static void rotary(T* Y, const T* X, const T* turns, const int32_t* lengths, size_t B, size_t H, size_t D, size_t I,
                   bool back) {
  const size_t half = D / 2, rest = I - H * D;
  const T sign = back ? T(-1) : T(1);
  for (size_t b = 0; b < B; ++b)
    for (size_t t = 0; t < size_t(lengths[b]); ++t, X += I, Y += I) {
      const T *cos = turns + t * D, *sin = cos + half;
      for (size_t h = 0; h < H; ++h) {
        const T *x = X + h * D, *z = x + half;
        T *y = Y + h * D, *w = y + half;
        THINC_INDEPENDENT
        for (size_t j = 0; j < half; ++j) {
          const T low = x[j], high = z[j], turn = sign * sin[j];
          y[j] = low * cos[j] - high * turn;
          w[j] = high * cos[j] + low * turn;
        }
      }
      if (Y != X && rest) memcpy(Y + H * D, X + H * D, rest * sizeof(T));
    }
}
