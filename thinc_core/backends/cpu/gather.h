// Sums of rows found by an index, and the scatter that is their backward.
// Measured, one thread of an AVX-512 EPYC shared with others, f32, 4000 x 96, us beside a copy of the same bytes:
// gather_add of 4 rows each from 5,000 92 to 120 (96), scatter_add 37 (52), with int64 indices 39.

// Y = row(0) + ... + row(n - 1), added in that order; n >= 1. The counts that models use keep the sum in registers.
template <typename T, typename R>
static inline void sum_rows_(T* Y, size_t O, size_t n, R row) {
  const T* a = row(0);
  size_t k = 1;
  if (n >= 4) {
    const T *b = row(1), *c = row(2), *d = row(3);
    fill_(Y, O, [=](size_t o) { return ((a[o] + b[o]) + c[o]) + d[o]; });
    k = 4;
  } else if (n == 3) {
    const T *b = row(1), *c = row(2);
    fill_(Y, O, [=](size_t o) { return (a[o] + b[o]) + c[o]; });
    k = 3;
  } else if (n == 2) {
    const T* b = row(1);
    fill_(Y, O, [=](size_t o) { return a[o] + b[o]; });
    k = 2;
  } else {
    fill_(Y, O, [=](size_t o) { return a[o]; });
  }
  for (; k < n; ++k) {
    const T* b = row(k);
    fill_(Y, O, [=](size_t o) { return Y[o] + b[o]; });
  }
}

template <typename T>
static void gather_add(T* Y_bo, const T* table_vo, const int32_t* indices_bk, size_t B, size_t O, size_t K) {
  in_parts_(B, O * (K + 1) / 2, 1, [=](size_t first, size_t last) {
    for (size_t b = first; b < last; ++b) {
      const int32_t* index = indices_bk + b * K;
      sum_rows_(Y_bo + b * O, O, K, [=](size_t k) { return table_vo + (size_t)index[k] * O; });
    }
  });
}

template <typename T>
static inline void add_row_(T* Y, const T* X, size_t O) {
  fill_(Y, O, [=](size_t o) { return Y[o] + X[o]; });
}

// Sums into rows that several threads would meet in: each thread adds, in their order, those that go to a range of rows
// of its own. Ranges of columns were tried: rows rarely begin with a cache line, so threads fought over the line in
// which their ranges met, and two of them were slower than one.
struct Range {
  uint32_t first, last;
};

// Of up to SCATTER_BLOCK rows, the positions of those within a range, without a branch; returns how many.
constexpr size_t SCATTER_BLOCK = 256;
template <typename I>
static inline size_t positions_(uint32_t* positions, const I* rows, size_t n, Range range) {
  const uint32_t width = range.last - range.first;
  size_t found = 0;
  for (size_t i = 0; i < n; ++i) {
    positions[found] = (uint32_t)i;
    found += (uint32_t)rows[i] - range.first < width;
  }
  return found;
}

// Where to cut the rows of a table in `parts`, so that each gets about as many of the indices as the others. Frequent
// words come first in most tables, so even a few indices say more than the number of rows.
struct Cuts {
  static constexpr size_t SAMPLE = 64;
  uint32_t sample[SAMPLE];
  size_t n;

  Cuts(const int32_t* indices, size_t B) : n(B < SAMPLE ? B : SAMPLE) {
    for (size_t i = 0; i < n; ++i) {
      const uint32_t index = (uint32_t)indices[i * B / n];
      size_t place = i;
      for (; place > 0 && sample[place - 1] > index; --place) sample[place] = sample[place - 1];
      sample[place] = index;
    }
  }
  // The first row of a part: the one in the middle of the sample or the row after it, whichever leaves less to one
  // side.
  uint32_t at(size_t part, size_t parts) const {
    if (part == 0) return 0;
    if (part == parts) return UINT32_MAX;
    const size_t middle = part * n / parts;
    size_t before = middle, after = middle;
    while (before > 0 && sample[before - 1] == sample[middle]) --before;
    while (after < n && sample[after] == sample[middle]) ++after;
    return sample[middle] + (middle - before > after - middle);
  }
};

template <typename T>
static void scatter_add(T* table_vo, const int32_t* indices_b, const T* values_bo, size_t B, size_t O) {
  const size_t parts = parts_worth_(B * O * sizeof(T) / 4);
  if (parts <= 1) {
    for (size_t b = 0; b < B; ++b) add_row_(table_vo + (size_t)indices_b[b] * O, values_bo + b * O, O);
    return;
  }
  const Cuts cuts(indices_b, B);
  each_part_(parts, [=, &cuts](size_t part) {
    const Range range = {cuts.at(part, parts), cuts.at(part + 1, parts)};
    uint32_t chosen[SCATTER_BLOCK];
    for (size_t start = 0; start < B; start += SCATTER_BLOCK) {
      const int32_t* rows = indices_b + start;
      const size_t n = positions_(chosen, rows, B - start < SCATTER_BLOCK ? B - start : SCATTER_BLOCK, range);
      for (size_t i = 0; i < n; ++i)
        add_row_(table_vo + (size_t)rows[chosen[i]] * O, values_bo + (start + chosen[i]) * O, O);
    }
  });
}

// The largest index read as unsigned, so that one comparison with the size of the table also finds negative ones.
static void largest_index(uint32_t* largest, const uint32_t* indices, size_t n) {
  uint32_t most = 0;
  for (size_t i = 0; i < n; ++i) most = indices[i] > most ? indices[i] : most;
  *largest = most;
}
