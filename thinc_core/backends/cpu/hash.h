// Hashes of ids and keys, and the embedding that sums four hashed rows of a table.
// Measured, one thread of an AVX-512 EPYC shared with others, f32, 4000 x 96, us beside a copy of the same bytes: hash
// of 4,000 ids 3.4, ngrams of 3 2.4, hash_embed of as many different ids 105 to 126 (97), backward 155 (180),
// position_encode 323. Ids as frequent as words are take 0.75 and 0.9 of that. Fetching rows ahead was tried: up to 30%
// slower for such ids, a fifth faster only for different ids in tables far beyond the second-level cache.

static inline void hash_part_(uint32_t* out_b4, const uint64_t* ids_b, size_t B, uint32_t seed) {
  for (size_t b = 0; b < B; ++b) {
    uint64_t h1, h2;
    thinc_murmur3(ids_b[b], seed, &h1, &h2);
    out_b4[b * 4 + 0] = (uint32_t)h1;
    out_b4[b * 4 + 1] = (uint32_t)(h1 >> 32);
    out_b4[b * 4 + 2] = (uint32_t)h2;
    out_b4[b * 4 + 3] = (uint32_t)(h2 >> 32);
  }
}

static void hash(uint32_t* out_b4, const uint64_t* ids_b, size_t B, uint32_t seed) {
  in_parts_(B, 16, 1,
            [=](size_t first, size_t last) { hash_part_(out_b4 + first * 4, ids_b + first, last - first, seed); });
}

// MurmurHash64A of each window of n keys, seed 0: h = (h ^ mix(key)) m for each key. A block of windows goes on side by
// side, because one hash waits for its own products; a key is mixed once for all windows that see it.
constexpr size_t NGRAM_BLOCK = 256, NGRAM_KEYS = 32;

static inline void ngrams_block_(uint64_t* h, const uint64_t* keys, size_t windows, size_t n) {
  constexpr uint64_t m = 0xc6a4a7935bd1e995ull;
  uint64_t mixed[NGRAM_BLOCK + NGRAM_KEYS];
  for (size_t w = 0; w < windows; ++w) h[w] = (uint64_t)n * 8 * m;
  for (size_t start = 0; start < n; start += NGRAM_KEYS) {
    const size_t now = n - start < NGRAM_KEYS ? n - start : NGRAM_KEYS;
    for (size_t i = 0; i < windows + now - 1; ++i) {
      uint64_t k = keys[start + i] * m;
      mixed[i] = (k ^ (k >> 47)) * m;
    }
    for (size_t j = 0; j < now; ++j)
      for (size_t w = 0; w < windows; ++w) h[w] = (h[w] ^ mixed[w + j]) * m;
  }
  for (size_t w = 0; w < windows; ++w) {
    uint64_t last = (h[w] ^ (h[w] >> 47)) * m;
    h[w] = last ^ (last >> 47);
  }
}

static void ngrams(uint64_t* out, const uint64_t* keys, size_t n_keys, size_t n) {
  const size_t windows = n_keys - n + 1;
  in_parts_((windows + NGRAM_BLOCK - 1) / NGRAM_BLOCK, NGRAM_BLOCK * (8 + 4 * n), 1, [=](size_t first, size_t last) {
    for (size_t start = first * NGRAM_BLOCK; start < last * NGRAM_BLOCK && start < windows; start += NGRAM_BLOCK)
      ngrams_block_(out + start, keys + start, windows - start < NGRAM_BLOCK ? windows - start : NGRAM_BLOCK, n);
  });
}

// x mod V for 32-bit x and V >= 1, as x - V floor(x / V), of which the compiler makes vectors. The quotient is exact:
// (x + 1/2) / V is no nearer to an integer than 1 / (2 V), and the product with 1 / V is not that wrong. Numbers up to
// 2^32 become doubles in the low bits of 2^52, and are rounded in those of 1.5 times as much: just below 2^52 itself,
// where the quotient 0 may lie, there would be halves.
static inline uint32_t modulo_(uint32_t x, uint32_t V, double inverse) {
  constexpr double SHIFT = 4503599627370496.0, ROUND = 1.5 * SHIFT;
  uint64_t bits = x | 0x4330000000000000ull;
  double number;
  memcpy(&number, &bits, 8);
  number = ((number - SHIFT) + 0.5) * inverse - 0.5 + ROUND;
  memcpy(&bits, &number, 8);
  return x - (uint32_t)bits * V;
}

// The rows that up to HASH_BLOCK ids choose: enough to let hashing run ahead of the table.
constexpr size_t HASH_BLOCK = 64;

struct Hashed {
  const uint64_t* ids_b;
  size_t stride;  // from one id to the next
  uint32_t seed, V;

  // Rows of ids first, first + 1, ...; returns how many of them there are before id `last`, at most HASH_BLOCK.
  size_t rows(uint32_t* rows, size_t first, size_t last) const {
    uint64_t ids[HASH_BLOCK];
    const size_t n = last - first < HASH_BLOCK ? last - first : HASH_BLOCK;
    const double inverse = 1.0 / V;
    for (size_t i = 0; i < n; ++i) ids[i] = ids_b[(first + i) * stride];
    hash_part_(rows, ids, n, seed);
    for (size_t i = 0; i < n * 4; ++i) rows[i] = modulo_(rows[i], V, inverse);
    return n;
  }
};

template <typename T>
static void hash_embed(T* Y, const T* table_vo, const uint64_t* ids_b, uint32_t seed, size_t B, size_t V, size_t O,
                       size_t ldi, size_t ldy) {
  const Hashed hashed = {ids_b, ldi, seed, (uint32_t)V};
  in_parts_(B, O * 3 + 16, 1, [=](size_t first, size_t last) {
    uint32_t rows[HASH_BLOCK * 4];
    for (size_t n; first < last; first += n) {
      n = hashed.rows(rows, first, last);
      for (size_t i = 0; i < n; ++i) {
        const uint32_t* row = rows + i * 4;
        sum_rows_(Y + (first + i) * ldy, O, 4, [=](size_t k) { return table_vo + (size_t)row[k] * O; });
      }
    }
  });
}

// Marks the lines of all rows that ids choose.
static void mark_rows_(uint8_t* touched, const Hashed& hashed, size_t B, size_t O) {
  uint32_t rows[HASH_BLOCK * 4];
  for (size_t start = 0, n; start < B; start += n) {
    n = hashed.rows(rows, start, B);
    for (size_t i = 0; i < n * 4; ++i) mark_range_(touched, (size_t)rows[i] * O, O);
  }
}

template <typename T>
static void backprop_hash_embed(T* dtable_vo, uint8_t* touched, const T* dY, const uint64_t* ids_b, uint32_t seed,
                                size_t B, size_t V, size_t O, size_t ldi, size_t ldy) {
  static_assert(HASH_BLOCK * 4 <= SCATTER_BLOCK, "positions of all rows of a block");
  const Hashed hashed = {ids_b, ldi, seed, (uint32_t)V};
  if (touched) mark_rows_(touched, hashed, B, O);
  const size_t parts = parts_worth_(4 * B * O * sizeof(T) / 4);
  // Hashing spreads the ids evenly over the rows.
  const auto add = [=](size_t part) {
    const Range range = {uint32_t(part * V / (parts + !parts)), uint32_t((part + 1) * V / (parts + !parts))};
    uint32_t rows[HASH_BLOCK * 4], chosen[HASH_BLOCK * 4];
    for (size_t start = 0, n; start < B; start += n) {
      n = hashed.rows(rows, start, B);
      const size_t found = parts <= 1 ? n * 4 : positions_(chosen, rows, n * 4, range);
      for (size_t i = 0; i < found; ++i) {
        const size_t k = parts <= 1 ? i : chosen[i];
        add_row_(dtable_vo + (size_t)rows[k] * O, dY + (start + k / 4) * ldy, O);
      }
    }
  };
  parts <= 1 ? add(0) : each_part_(parts, add);
}

// Codes of position i, for a block of frequencies at a time.
template <typename T>
static void position_encode(T* Y_nd, const double* periods, size_t N, size_t D) {
  constexpr size_t L = sizeof(Vec<double>) / sizeof(double), PAIRS = 64;
  in_parts_(N, D * 12, 1, [=](size_t first, size_t last) {
    double sines[PAIRS], cosines[PAIRS];
    for (size_t i = first; i < last; ++i) {
      for (size_t start = 0; start < D; start += 2 * PAIRS) {
        const size_t columns = D - start < 2 * PAIRS ? D - start : 2 * PAIRS, pairs = (columns + 1) / 2;
        for (size_t j = 0; j < pairs; j += L) {
          const double* period = periods + start / 2 + j;
          Vec<double> sine, cosine;
          sin_cos_((double)i / (pairs - j < L ? load_last_(period, pairs - j) : load_(period)), &sine, &cosine);
          memcpy(sines + j, &sine, sizeof sine);
          memcpy(cosines + j, &cosine, sizeof cosine);
        }
        T* Y = Y_nd + i * D + start;
        for (size_t j = 0; j < columns / 2; ++j) {
          Y[2 * j] = T(sines[j]);
          Y[2 * j + 1] = T(cosines[j]);
        }
        if (columns % 2) Y[columns - 1] = T(sines[pairs - 1]);
      }
    }
  });
}
