// Dropout masks from Philox-4x32-10, a generator without state: element i depends on the seed and on i alone.
// SOURCE: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
// An element takes 16 bits, so a counter serves 8 elements; the 20 products of a counter are the cost.
// Measured, one thread of an AVX-512 EPYC, 4000 x 96, us: 125 (writing alone 19; the original 4,388, PyTorch 3,135);
// dropout itself 131, of doubles 174.
//
//   element        counter                  bits
//   64 B + 32 w + 16 h + 2 c + v            half h (0 low) of word 2 w + v of counter 8 B + c

// The low halves of 64-bit lanes multiplied, all 64 bits of the product.
typedef VecInts<double> Wide;
static THINC_INLINE Wide multiply_low_(Wide a, uint32_t b) {
#ifdef THINC_MULTIPLY_LOW
  return THINC_MULTIPLY_LOW(a, Wide{} + (int64_t)b);
#else
  return (a & 0xffffffff) * (int64_t)b;
#endif
}
static THINC_INLINE Wide high_half_(Wide a) { return (a >> 32) & 0xffffffff; }

// Words 0 and 1 of counters `first`, first + 1, ... in the lanes of *even, words 2 and 3 in *odd. The products of a
// round stay in their lanes: whoever reads the low half ignores the high one.
static THINC_INLINE void philox_(uint64_t first, uint64_t seed, Wide* even, Wide* odd) {
  Wide counter = numbers_from_(0, 0.0) + (int64_t)first;
  Wide c0 = counter, c1 = high_half_(counter), c2 = Wide{}, c3 = Wide{};
  uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
  THINC_UNROLL for (int round = 0; round < 10; ++round) {
    Wide a = multiply_low_(c0, 0xD2511F53u), b = multiply_low_(c2, 0xCD9E8D57u);
    c0 = high_half_(b) ^ c1 ^ (int64_t)key0;
    c2 = high_half_(a) ^ c3 ^ (int64_t)key1;
    c1 = b;
    c3 = a;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  *even = (c0 & 0xffffffff) | (c1 << 32);
  *odd = (c2 & 0xffffffff) | (c3 << 32);
}

// The 64 elements of counters 8 B to 8 B + 7. Words are compared as lanes of 32 bits, the lower half of a Wide first.
template <typename T>
static THINC_INLINE void dropout_block_(T* mask, uint64_t B, uint64_t seed, int32_t threshold, T kept) {
  constexpr size_t L = sizeof(Wide) / sizeof(int64_t);
  int32_t word[2][16];
  THINC_UNROLL for (size_t c = 0; c < 8; c += L) {
    Wide even, odd;
    philox_(8 * B + c, seed, &even, &odd);
    memcpy(word[0] + 2 * c, &even, sizeof even);
    memcpy(word[1] + 2 * c, &odd, sizeof odd);
  }
  for (size_t w = 0; w < 2; ++w)
    for (size_t i = 0; i < 16; ++i) {
      mask[32 * w + i] = (word[w][i] & 0xffff) >= threshold ? kept : T(0);
      mask[32 * w + 16 + i] = ((word[w][i] >> 16) & 0xffff) >= threshold ? kept : T(0);
    }
}

// mask = kept where 16 random bits are >= threshold, else 0.
template <typename T>
static void dropout_mask(T* mask, size_t n, uint64_t seed, uint32_t threshold, T kept) {
  in_parts_((n + 63) / 64, 64 * 7, 16, [=](size_t first, size_t last) {
    size_t whole = last * 64 <= n ? last : last - 1;
    for (size_t B = first; B < whole; ++B) dropout_block_(mask + 64 * B, B, seed, (int32_t)threshold, kept);
    if (whole < last) {
      T block[64];
      dropout_block_(block, whole, seed, (int32_t)threshold, kept);
      memcpy(mask + 64 * whole, block, (n - 64 * whole) * sizeof(T));
    }
  });
}

// Y = X times the mask of the elements from the first-th on, which begins a block of 64. Y may be X. The mask is one of
// floats for doubles too, which vectors of 32-bit words choose from: a loop of doubles did not become one, and took 6
// times as long.
template <typename T>
static void dropout_from_(T* Y, const T* X, size_t n, size_t first, uint64_t seed, uint32_t threshold, T kept) {
  float mask[64];
  const float* const m = mask;
  for (size_t i = 0; i < n; i += 64) {
    dropout_block_(mask, (first + i) / 64, seed, (int32_t)threshold, (float)kept);
    const T* const x = X + i;
    fill_(Y + i, n - i < 64 ? n - i : 64, [=](size_t k) { return x[k] * (T)m[k]; });
  }
}
template <typename T>
static void dropout(T* Y, const T* X, size_t n, uint64_t seed, uint32_t threshold, T kept) {
  in_parts_(n, 8, 64, [=](size_t first, size_t last) {
    dropout_from_(Y + first, X + first, last - first, first, seed, threshold, kept);
  });
}
