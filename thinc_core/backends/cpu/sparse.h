// Scores of bags of hashed keys, and their gradients, of which only the weights that keys chose are visited.

// MurmurHash3_x86_32 of a key of 8 little-endian bytes.
// SOURCE: Austin Appleby, MurmurHash3 (public domain algorithm).
static inline uint32_t rotated_(uint32_t x, int bits) { return (x << bits) | (x >> (32 - bits)); }

static inline uint32_t hash_word_(uint64_t key, uint32_t seed) {
  uint32_t h = seed;
  for (int half = 0; half < 2; ++half) {
    h ^= rotated_((uint32_t)(key >> (32 * half)) * 0xcc9e2d51u, 15) * 0x1b873593u;
    h = rotated_(h, 13) * 5u + 0xe6546b64u;
  }
  h ^= 8u;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

static void sparse_slots(uint32_t* slots_k2, const uint64_t* keys_k, size_t n_keys, uint32_t L, bool masked) {
  const double inverse = 1.0 / L;
  in_parts_(n_keys, 16, 1, [=](size_t first, size_t last) {
    for (size_t k = first; k < last; ++k) {
      for (uint32_t seed = 0; seed < 2; ++seed) {
        const uint32_t h = hash_word_(keys_k[k], seed);
        slots_k2[k * 2 + seed] = masked ? h & (L - 1) : modulo_(h, L, inverse);
      }
    }
  });
}

// f(b, start, end) for the bags [first, last) with their keys.
template <typename F>
static THINC_INLINE void each_bag_(const int32_t* lengths_b, size_t first, size_t last, F f) {
  size_t start = 0;
  for (size_t b = 0; b < first; ++b) start += (size_t)lengths_b[b];
  for (size_t b = first; b < last; start += (size_t)lengths_b[b++]) f(b, start, start + (size_t)lengths_b[b]);
}

// What a key costs, in values copied: its weights are anywhere.
static inline size_t bag_cost_(size_t n_keys, size_t B, size_t O) { return (n_keys / B + 1) * (O * 8 + 8); }

// Weights of one key lie side by side (step 1), or an output apart. Then the output is the outer loop: the weights of
// one output fit a cache, and those of one key, a power of two apart as they often are, would evict each other.
template <typename T>
static void sparse_affine(T* Y_bo, const uint32_t* slots_k2, const T* values_k, const int32_t* lengths_b, const T* W,
                          const T* b_o, size_t n_keys, size_t B, size_t O, size_t step) {
  in_parts_(B, B ? bag_cost_(n_keys, B, O) : 0, 1, [=](size_t first, size_t last) {
    if (step == 1) {
      each_bag_(lengths_b, first, last, [=](size_t b, size_t start, size_t end) {
        T* Y = Y_bo + b * O;
        fill_(Y, O, [=](size_t o) { return b_o[o]; });
        for (size_t k = start; k < end; ++k) {
          const T value = values_k[k], *w0 = W + slots_k2[k * 2], *w1 = W + slots_k2[k * 2 + 1];
          fill_(Y, O, [=](size_t o) { return Y[o] + value * (w0[o] + w1[o]); });
        }
      });
      return;
    }
    for (size_t o = 0; o < O; ++o) {
      const T* w = W + o * step;
      each_bag_(lengths_b, first, last, [=](size_t b, size_t start, size_t end) {
        T sum = b_o[o];
        for (size_t k = start; k < end; ++k) sum += values_k[k] * (w[slots_k2[k * 2]] + w[slots_k2[k * 2 + 1]]);
        Y_bo[b * O + o] = sum;
      });
    }
  });
}

// Marks the lines of all weights that keys chose.
static void mark_slots_(uint8_t* touched, const uint32_t* slots_k2, size_t n_keys, size_t O, size_t step) {
  const size_t width = step == 1 ? O : 1;  // of what lies side by side
  for (size_t start = 0; start < O; start += width)
    for (size_t k = 0; k < n_keys * 2; ++k) mark_range_(touched, start * step + slots_k2[k], width);
}

// Threads share the outputs, but not when step is 1, where outputs share weights.
template <typename T>
static void backprop_sparse_weights(T* dW, uint8_t* touched, const T* dY_bo, const uint32_t* slots_k2,
                                    const T* values_k, const int32_t* lengths_b, size_t n_keys, size_t B, size_t O,
                                    size_t step) {
  if (touched) mark_slots_(touched, slots_k2, n_keys, O, step);
  if (step == 1) {
    each_bag_(lengths_b, 0, B, [=](size_t b, size_t start, size_t end) {
      const T* dY = dY_bo + b * O;
      for (size_t k = start; k < end; ++k) {
        for (size_t slot = 0; slot < 2; ++slot) {
          T* w = dW + slots_k2[k * 2 + slot];
          const T value = values_k[k];
          fill_(w, O, [=](size_t o) { return w[o] + value * dY[o]; });
        }
      }
    });
    return;
  }
  in_parts_(O, n_keys * 8, 1, [=](size_t first, size_t last) {
    for (size_t o = first; o < last; ++o) {
      T* w = dW + o * step;
      each_bag_(lengths_b, 0, B, [=](size_t b, size_t start, size_t end) {
        const T slope = dY_bo[b * O + o];
        for (size_t k = start; k < end; ++k) {
          w[slots_k2[k * 2]] += values_k[k] * slope;
          w[slots_k2[k * 2 + 1]] += values_k[k] * slope;
        }
      });
    }
  });
}

template <typename T>
static void backprop_sparse_values(T* dvalues_k, const T* dY_bo, const uint32_t* slots_k2, const int32_t* lengths_b,
                                   const T* W, size_t n_keys, size_t B, size_t O, size_t step) {
  in_parts_(B, B ? bag_cost_(n_keys, B, O) : 0, 1, [=](size_t first, size_t last) {
    for (size_t o = 0; o < O; o += step == 1 ? O : 1) {
      const T* w = W + o * step;
      each_bag_(lengths_b, first, last, [=](size_t b, size_t start, size_t end) {
        const T* dY = dY_bo + b * O;
        for (size_t k = start; k < end; ++k) {
          const T *w0 = w + slots_k2[k * 2], *w1 = w + slots_k2[k * 2 + 1];
          if (step == 1)
            dvalues_k[k] = sum_<T>(O, [=](auto at) { return at(dY) * (at(w0) + at(w1)); });
          else
            dvalues_k[k] = (o ? dvalues_k[k] : T(0)) + dY[o] * (*w0 + *w1);
        }
      });
    }
  });
}
