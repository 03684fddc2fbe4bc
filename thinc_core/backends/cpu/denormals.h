// Whether numbers below the smallest normal one count as zeros in this thread, for as long as one of these lives. An
// Intel processor takes a hundred times as long over them, and the moments of an optimizer decay to them, never to
// zero, once a unit is dead or a word does not come again: adam of 200,000 such values 2,580 us, with this 130, of
// others 127. Gradients that vanish do the same to products: 500 x 96 x 288 with values of 1e-39 52,700 us, with this
// as ever 250.
struct FlushDenormals {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  static constexpr unsigned FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZEROS = 0x40;
  unsigned before;
  explicit FlushDenormals(bool wanted) : before(__builtin_ia32_stmxcsr()) {
    constexpr unsigned BOTH = FLUSH_TO_ZERO | DENORMALS_ARE_ZEROS;
    __builtin_ia32_ldmxcsr(wanted ? before | BOTH : before & ~BOTH);
  }
  ~FlushDenormals() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__) && defined(__GNUC__)
  static constexpr uint64_t FLUSH_TO_ZERO = uint64_t(1) << 24;
  uint64_t before;
  explicit FlushDenormals(bool wanted) {
    asm volatile("mrs %0, fpcr" : "=r"(before));
    asm volatile("msr fpcr, %0" : : "r"(wanted ? before | FLUSH_TO_ZERO : before & ~FLUSH_TO_ZERO));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" : : "r"(before)); }
#else
  explicit FlushDenormals(bool) {}
#endif
  FlushDenormals(const FlushDenormals&) = delete;
};
