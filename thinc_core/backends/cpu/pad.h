// Lists of sequences to one array and back. What is copied are rows of bytes, whatever their dtype.
// Measured, one thread of an AVX-512 EPYC shared with others, 4,000 rows of 96 floats, about 200 sequences, us beside a
// copy of the same bytes: flatten 40 (34), pad 52 (49), list2padded 58 (51), padded2list 53 (34; views are 12 of it).

// The members end to end, `zeros` bytes of 0 before each that is not empty and after the last.
static void join_sequences(char* Y, const char* const* X_b, const size_t* bytes_b, size_t B, size_t zeros) {
  size_t total = 0;
  for (size_t b = 0; b < B; ++b) total += bytes_b[b];
  in_parts_(B, total / B / sizeof(float), 1, [=](size_t first, size_t last) {
    char* target = Y;
    for (size_t b = 0; b < first; ++b) target += bytes_b[b] ? bytes_b[b] + zeros : 0;
    for (size_t b = first; b < last; ++b) {
      if (!bytes_b[b]) continue;
      memset(target, 0, zeros);
      memcpy(target + zeros, X_b[b], bytes_b[b]);
      target += zeros + bytes_b[b];
    }
    if (last == B) memset(target, 0, zeros);
  });
}

// The members side by side, `stride` bytes apart, with zeros behind each.
static void pad_sequences(char* Y, const char* const* X_b, const size_t* bytes_b, size_t B, size_t stride) {
  in_parts_(B, stride / sizeof(float), 1, [=](size_t first, size_t last) {
    for (size_t b = first; b < last; ++b) {
      if (bytes_b[b]) memcpy(Y + b * stride, X_b[b], bytes_b[b]);
      memset(Y + b * stride + bytes_b[b], 0, stride - bytes_b[b]);
    }
  });
}

// Copies whole pieces of a row from byte i on; returns where the rest begins.
template <typename V>
static THINC_INLINE size_t copy_pieces_(char* Y, const char* X, size_t i, size_t n) {
  for (V piece; i + sizeof piece <= n; i += sizeof piece) {
    memcpy(&piece, X + i, sizeof piece);
    memcpy(Y + i, &piece, sizeof piece);
  }
  return i;
}

// One row of n bytes, for which a call of memcpy takes as long as the copy does.
static THINC_INLINE void copy_row_(char* Y, const char* X, size_t n) {
  constexpr size_t SMALL = 16, LARGE = 2048;
  struct Small {
    uint64_t low, high;
  };
  if (n < SMALL || n > LARGE) {
    memcpy(Y, X, n);
    return;
  }
  size_t i = copy_pieces_<Small>(Y, X, copy_pieces_<Vec<float>>(Y, X, 0, n), n);
  if (i < n) copy_pieces_<Small>(Y, X, n - SMALL, n);
}

// Steps of some columns at a time: the next step of a column is a page or more away, its next column beside it.
constexpr size_t STEPS = 4, COLUMNS = 8;

// How many of the first n lengths, which do not increase, are more than t.
static inline size_t longer_than_(const int32_t* lengths, size_t n, size_t t) {
  while (n > 0 && (size_t)lengths[n - 1] <= t) --n;
  return n;
}

// Row t of every member that is longer than t, for each of S steps; then zeros. Lengths do not increase.
static void interleave_sequences(char* Y, const char* const* X_b, const int32_t* lengths_b, size_t B, size_t S,
                                 size_t width) {
  in_parts_(S, B * width / sizeof(float), STEPS, [=](size_t first, size_t last) {
    size_t live = B;
    for (size_t start = first; start < last; start += STEPS) {
      const size_t stop = start + STEPS < last ? start + STEPS : last;
      live = longer_than_(lengths_b, live, start);
      for (size_t b = 0; b < live; ++b) {
        const size_t end = (size_t)lengths_b[b] < stop ? (size_t)lengths_b[b] : stop;
        for (size_t t = start; t < end; ++t) copy_row_(Y + (t * B + b) * width, X_b[b] + t * width, width);
      }
      for (size_t t = start, ends = live; t < stop; ++t) {
        ends = longer_than_(lengths_b, ends, t);
        memset(Y + (t * B + ends) * width, 0, (B - ends) * width);
      }
    }
  });
}

static inline char* split_block_(char* Y, const char* X, const int32_t* lengths_b, size_t n, size_t stride,
                                 size_t width) {
  char* target[COLUMNS];
  size_t longest = 0;
  for (size_t b = 0; b < n; ++b) {
    const size_t length = (size_t)lengths_b[b];
    target[b] = Y;
    Y += length * width;
    longest = length > longest ? length : longest;
  }
  for (size_t t = 0; t < longest; ++t)
    for (size_t b = 0; b < n; ++b)
      if (t < (size_t)lengths_b[b]) copy_row_(target[b] + t * width, X + t * stride + b * width, width);
  return Y;
}

// The inverse: the first lengths_b[b] rows of each column of X, (steps, B) rows, end to end.
static void split_columns(char* Y, const char* X, const int32_t* lengths_b, size_t B, size_t width) {
  size_t total = 0;
  for (size_t b = 0; b < B; ++b) total += (size_t)lengths_b[b];
  if (total == 0) return;
  in_parts_(B, total * width / B / sizeof(float), COLUMNS, [=](size_t first, size_t last) {
    char* target = Y;
    for (size_t b = 0; b < first; ++b) target += (size_t)lengths_b[b] * width;
    for (; first < last; first += COLUMNS) {
      const size_t n = last - first < COLUMNS ? last - first : COLUMNS;
      target = split_block_(target, X + first * width, lengths_b + first, n, B * width, width);
    }
  });
}
