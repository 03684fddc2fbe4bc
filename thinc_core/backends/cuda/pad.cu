// Lists of sequences to one array. What is copied are rows of bytes, whatever their dtype, in pieces of 1 to 16 bytes.

// Which row of the result is what: row t of sequence b, or zeros if that has no row t.
struct Place {
  i64 b, t;
};

// A thread per piece, each written once. table: the addresses of B sequences, then how many rows each has, then what
// place(r, starts) needs to know of the starts. width: pieces of a row.
template <typename U, typename F>
DEVICE void place_rows(U* __restrict__ Y, const i64* __restrict__ table, i64 B, i64 rows, i64 width, F place) {
  for (i64 i = first_index(); i < rows * width; i += stride()) {
    i64 r = i / width;
    Place at = place(r, table + 2 * B);
    U piece = {};
    if (at.t >= 0 && at.t < table[B + at.b]) {
      piece = reinterpret_cast<const U*>(table[at.b])[at.t * width + i - r * width];
    }
    Y[i] = piece;
  }
}

// join: end to end, `zeros` rows before each and after the last.
// beside: side by side, L rows for each.
// by_step: row 0 of all sequences, then row 1 of all of them.
#define PLACE(bytes, U)                                                                            \
  UNTYPED_KERNEL(join_##bytes, (U * Y, const i64* table, i64 B, i64 rows, i64 width, i64 zeros)) { \
    place_rows(Y, table, B, rows, width, [=](i64 r, const i64* starts) {                           \
      i64 b = last_at_most(starts, B, r);                                                          \
      return Place{b, r - starts[b] - zeros};                                                      \
    });                                                                                            \
  }                                                                                                \
  UNTYPED_KERNEL(beside_##bytes, (U * Y, const i64* table, i64 B, i64 rows, i64 width, i64 L)) {   \
    place_rows(Y, table, B, rows, width, [=](i64 r, const i64*) { return Place{r / L, r % L}; });  \
  }                                                                                                \
  UNTYPED_KERNEL(by_step_##bytes, (U * Y, const i64* table, i64 B, i64 rows, i64 width)) {         \
    place_rows(Y, table, B, rows, width, [=](i64 r, const i64*) { return Place{r % B, r / B}; });  \
  }
typedef Vec<u64, 2> Bytes16;
PLACE(1, u8)
PLACE(2, u16)
PLACE(4, u32)
PLACE(8, u64)
PLACE(16, Bytes16)
