// Positions as angles, for the files that include it.

// Sine and cosine of an angle in turns times 2^64. Whole turns fall off in whole numbers, so the rest of a large angle
// is as exact as that of a small one, without FP64. It is at most an eighth of a turn, where the Taylor series to x^9
// and x^10 are exact to 2e-9.
DEVICE void sin_cos(u64 turn, float* sine, float* cosine) {
  u64 quarter = (turn + (1ull << 61)) >> 62;
  float x = (float)(i64)(turn - (quarter << 62)) * 3.40612158e-19f, z = x * x;  // 2 pi / 2^64
  float s = x + x * z * (-1.66666667e-1f + z * (8.33333333e-3f + z * (-1.98412698e-4f + z * 2.75573192e-6f)));
  float tail = -1.38888889e-3f + z * (2.48015873e-5f + z * -2.75573192e-7f);
  float c = 1.0f + z * (-0.5f + z * (4.16666667e-2f + z * tail));
  float a = quarter & 1 ? c : s, b = quarter & 1 ? s : c;
  *sine = quarter & 2 ? -a : a;
  *cosine = (quarter + 1) & 2 ? -b : b;
}
DEVICE void sin_cos(double angle, double* sine, double* cosine) {
  *sine = sin(angle);
  *cosine = cos(angle);
}

// How angles are given from step to step: the turns times 2^64, modulo 2^64; in FP64 as the file that takes them says.
template <typename T>
struct frequency_of {
  typedef u64 type;
};
template <>
struct frequency_of<double> {
  typedef double type;
};
template <typename T>
using frequency = typename frequency_of<T>::type;
