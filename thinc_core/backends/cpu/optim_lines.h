// Most weights of a large table or of a bag of words have never had a gradient, and few have one in a step. A bit for
// each line of values says which lines may hold anything but zeros: the others are neither read nor written.
constexpr size_t LINE = 64, BYTE_OF_LINES = 8 * LINE;

static inline size_t line_bytes_(size_t n) { return (n + BYTE_OF_LINES - 1) / BYTE_OF_LINES; }

// Whether n values at X are all +0.
template <typename T>
static inline bool all_zero_(const T* X, size_t n) {
  using Bits = decltype(bit_type_(T()));
  Bits any = 0;
  for (size_t i = 0; i < n; ++i) {
    Bits x;
    memcpy(&x, X + i, sizeof x);
    any |= x;
  }
  return any == 0;
}

// Sets the bits of lines of X with anything but +0.
template <typename T>
static void mark_lines_(uint8_t* lines, const T* X, size_t n) {
  for (size_t byte = 0; byte < line_bytes_(n); ++byte) {
    if (lines[byte] == 0xFF) continue;
    const size_t start = byte * BYTE_OF_LINES, end = n - start < BYTE_OF_LINES ? n : start + BYTE_OF_LINES;
    if (all_zero_(X + start, end - start)) continue;
    for (size_t i = start, bit = 1; i < end; i += LINE, bit *= 2)
      if (!all_zero_(X + i, end - i < LINE ? end - i : LINE)) lines[byte] |= (uint8_t)bit;
  }
}

// Sets the bits of the lines of n values from the one at `start` on.
static inline void mark_range_(uint8_t* lines, size_t start, size_t n) {
  for (size_t line = start / LINE; line * LINE < start + n; ++line) lines[line / 8] |= (uint8_t)(1 << line % 8);
}

static inline bool any_line_(const uint8_t* lines, size_t bytes) {
  uint8_t any = 0;
  for (size_t k = 0; k < bytes; ++k) any |= lines[k];
  return any != 0;
}

// f(start, n, marked) for the runs of lines that are marked, and of those that are not, which make up the n values from
// the one at `from` on.
template <typename F>
static THINC_INLINE void each_run_(const uint8_t* lines, size_t from, size_t n, F f) {
  const size_t end = from + n;
  size_t start = from;  // of the run
  bool marked = false;
  for (size_t at = from; at < end;) {
    const size_t line = at / LINE, byte = line / 8;
    const bool whole = line % 8 == 0 && (lines[byte] == 0 || lines[byte] == 0xFF);
    const size_t stop = whole ? (byte + 1) * BYTE_OF_LINES : (line + 1) * LINE;
    const bool now = lines[byte] >> line % 8 & 1;
    if (now != marked && at > start) {
      f(start, at - start, marked);
      start = at;
    }
    marked = now;
    at = stop < end ? stop : end;
  }
  if (end > start) f(start, end - start, marked);
}
