// Half precision is stored, never computed with: to single precision and back, rounded to the nearest, ties to even.

static inline int32_t int_of_(float x) {
  int32_t i;
  memcpy(&i, &x, sizeof i);
  return i;
}
static inline float float_of_(int32_t i) {
  float x;
  memcpy(&x, &i, sizeof x);
  return x;
}

// The exponent field moves from 5 to 8 bits; a product with 2^112 makes up for the other bias, subnormals included.
static inline float single_of_(uint16_t half) {
  int32_t magnitude = (half & 0x7fff) << 13;
  int32_t bits = int_of_(float_of_(magnitude) * 5.192296858534828e33f);
  bits |= magnitude >= 0x0f800000 ? 0x7f800000 : 0;  // infinity, NaN
  return float_of_(bits | (int32_t)((uint32_t)(half & 0x8000) << 16));
}

// Below 2^-14 the sum with 1/2 rounds to the last bit of a subnormal; above, half of that bit is added before the cut.
static inline uint16_t half_of_(float x) {
  int32_t bits = int_of_(x), magnitude = bits & 0x7fffffff;
  int32_t subnormal = int_of_(float_of_(magnitude) + 0.5f) - 0x3f000000;
  int32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  int32_t half = magnitude < 0x38800000 ? subnormal : normal;
  int32_t special = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;  // NaN, and from 2^16 on infinity
  return (uint16_t)((magnitude >= 0x47800000 ? special : half) | ((bits >> 16) & 0x8000));
}

static void single_from_half(float* Y, const uint16_t* X, size_t n) {
  in_parts_(n, 2, 1024, [=](size_t first, size_t last) {
    THINC_INDEPENDENT
    for (size_t i = first; i < last; ++i) Y[i] = single_of_(X[i]);
  });
}

static void half_from_single(uint16_t* Y, const float* X, size_t n) {
  in_parts_(n, 3, 1024, [=](size_t first, size_t last) {
    THINC_INDEPENDENT
    for (size_t i = first; i < last; ++i) Y[i] = half_of_(X[i]);
  });
}
