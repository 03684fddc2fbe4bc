// MurmurHash3_x64_128 of one 8-byte key, the hash behind HashEmbed: the same bits on the CPU and in CUDA.
// SOURCE: Austin Appleby, MurmurHash3 (public domain algorithm), specialised to a key of 8 bytes.
#pragma once
#if !defined(__CUDACC_RTC__)
#include <stdint.h>
#endif

#if defined(__CUDACC__)
#define THINC_HOST_DEVICE __host__ __device__
#else
#define THINC_HOST_DEVICE
#endif

#define THINC_MURMUR_MIX(x)   \
  x ^= x >> 33;               \
  x *= 0xff51afd7ed558ccdull; \
  x ^= x >> 33;               \
  x *= 0xc4ceb9fe1a85ec53ull; \
  x ^= x >> 33;

// out: the four 32-bit words of the hash are low(h1), high(h1), low(h2), high(h2).
THINC_HOST_DEVICE static inline void thinc_murmur3(uint64_t id, uint32_t seed, uint64_t* h1_out, uint64_t* h2_out) {
  uint64_t k = id * 0x87c37b91114253d5ull;
  k = (k << 31) | (k >> 33);
  k *= 0x4cf5ad432745937full;
  uint64_t h1 = ((uint64_t)seed ^ k) ^ 8u, h2 = (uint64_t)seed ^ 8u;
  h1 += h2;
  h2 += h1;
  THINC_MURMUR_MIX(h1)
  THINC_MURMUR_MIX(h2)
  h1 += h2;
  h2 += h1;
  *h1_out = h1;
  *h2_out = h2;
}
