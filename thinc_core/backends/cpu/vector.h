// One register's worth of values, as a type with the usual operators (GCC and Clang vector extensions). Kernels that
// call vmath.h use it, so that their speed does not hang on what a compiler's own vectoriser makes of a long formula.
// Compilers without such types compute with single values: the same formulas, the same bits.

#if defined(__GNUC__)
#define THINC_INLINE inline __attribute__((always_inline))
#define THINC_INLINE_LAMBDA __attribute__((always_inline))
#define THINC_UNROLL _Pragma("GCC unroll 64")
template <typename T>
struct Quad;
template <>
struct Quad<float> {
  typedef float type __attribute__((vector_size(16)));
};
template <>
struct Quad<double> {
  typedef double type __attribute__((vector_size(16)));
};
template <typename T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float reals __attribute__((vector_size(THINC_VECTOR_BYTES)));
  typedef int32_t ints __attribute__((vector_size(THINC_VECTOR_BYTES)));
};
template <>
struct VecOf<double> {
  typedef double reals __attribute__((vector_size(THINC_VECTOR_BYTES)));
  typedef int64_t ints __attribute__((vector_size(THINC_VECTOR_BYTES)));
};
#else
#define THINC_INLINE inline
#define THINC_INLINE_LAMBDA
#define THINC_UNROLL
template <typename T>
struct VecOf;
template <>
struct VecOf<float> {
  typedef float reals;
  typedef int32_t ints;
};
template <>
struct VecOf<double> {
  typedef double reals;
  typedef int64_t ints;
};
#endif

static inline float sqrt_(float x) { return sqrtf(x); }
static inline double sqrt_(double x) { return sqrt(x); }

template <typename T>
using Vec = typename VecOf<T>::reals;
template <typename T>
using VecInts = typename VecOf<T>::ints;

// The bits of x as integers and back.
static THINC_INLINE VecInts<float> bits_(Vec<float> x) {
  VecInts<float> i;
  memcpy(&i, &x, sizeof i);
  return i;
}
static THINC_INLINE VecInts<double> bits_(Vec<double> x) {
  VecInts<double> i;
  memcpy(&i, &x, sizeof i);
  return i;
}
template <typename V, typename I>
static THINC_INLINE V from_bits_(I i) {
  V x;
  memcpy(&x, &i, sizeof x);
  return x;
}

// Lane by lane: yes where m holds, else no. m: a comparison of two V.
template <typename M, typename V>
static THINC_INLINE V select_(M m, V yes, V no) {
  return m ? yes : no;
}

static THINC_INLINE Vec<float> abs_(Vec<float> x) { return from_bits_<Vec<float>>(bits_(x) & 0x7fffffff); }
static THINC_INLINE Vec<double> abs_(Vec<double> x) { return from_bits_<Vec<double>>(bits_(x) & 0x7fffffffffffffff); }

// Square roots, by the instruction: compilers join the values again.
template <typename T>
static THINC_INLINE Vec<T> root_(Vec<T> x) {
  T value[sizeof(x) / sizeof(T)];
  memcpy(value, &x, sizeof x);
  THINC_UNROLL for (size_t i = 0; i < sizeof(x) / sizeof(T); ++i) value[i] = sqrt_(value[i]);
  memcpy(&x, value, sizeof x);
  return x;
}

// first, first + 1, ... in the lanes. The second argument chooses the width.
static inline int32_t bit_type_(float) { return 0; }
static inline int64_t bit_type_(double) { return 0; }
template <typename T>
static THINC_INLINE VecInts<T> numbers_from_(size_t first, T zero) {
  decltype(bit_type_(zero)) number[sizeof(Vec<T>) / sizeof(T)];
  THINC_UNROLL for (size_t i = 0; i < sizeof(Vec<T>) / sizeof(T); ++i) number[i] = first + i;
  VecInts<T> numbers;
  memcpy(&numbers, number, sizeof numbers);
  return numbers;
}

// The smaller and the larger of x and a number; NaN stays NaN.
template <typename V, typename T>
static THINC_INLINE V at_most_(V x, T high) {
  return select_(x > high, V{} + high, x);
}
template <typename V, typename T>
static THINC_INLINE V at_least_(V x, T low) {
  return select_(x < low, V{} + low, x);
}

// The smaller of x and high > 0, when NaN may become high: one instruction where integers can be compared.
static THINC_INLINE Vec<float> capped_(Vec<float> x, float high) {
  VecInts<float> i = bits_(x), most = bits_(Vec<float>{} + high);
  return from_bits_<Vec<float>>(i < most ? i : most);
}
static THINC_INLINE Vec<double> capped_(Vec<double> x, double high) {
#if THINC_VECTOR_BYTES == 64
  VecInts<double> i = bits_(x), most = bits_(Vec<double>{} + high);
  return from_bits_<Vec<double>>(i < most ? i : most);
#else
  return at_most_(x, high);
#endif
}

// x between low and high; NaN stays NaN.
template <typename V, typename T>
static THINC_INLINE V clip_(V x, T low, T high) {
  return at_most_(at_least_(x, low), high);
}

template <typename T>
static THINC_INLINE Vec<T> load_(const T* p) {
  Vec<T> x;
  memcpy(&x, p, sizeof x);
  return x;
}

// The values from X + i on, and at the end of an array the `rest` that is left, beside zeros.
template <typename T>
static THINC_INLINE Vec<T> load_last_(const T* X, size_t rest) {
  T last[sizeof(Vec<T>) / sizeof(T)] = {0};
  memcpy(last, X, rest * sizeof(T));
  return load_(last);
}

// Y = f(X, ...) for n values, a vector at a time. The output may be an input.
template <typename T, typename F, typename... Inputs>
static THINC_INLINE void map_(T* Y, size_t n, F f, const Inputs*... X) {
  constexpr size_t L = sizeof(Vec<T>) / sizeof(T);
  size_t whole = n - n % L;
  for (size_t i = 0; i < whole; i += L) {
    Vec<T> y = f(load_(X + i)...);
    memcpy(Y + i, &y, sizeof y);
  }
  if (whole < n) {
    Vec<T> y = f(load_last_(X + whole, n - whole)...);
    memcpy(Y + whole, &y, (n - whole) * sizeof(T));
  }
}
