// Very long sequences: all rows are cut into chunks, of as many rows as the host says, and what a chunk has of such a
// sequence is a part of it. It has parts of two at most, in places 2 * c and 2 * c + 1, as they are longer than it.

constexpr i64 LONG = 4;  // chunks
DEVICE bool is_long(i64 n, i64 chunk) { return n > LONG * chunk; }

struct Sequences {
  const i64* starts;  // (B + 1,), or null for sequences of `length` rows each
  i64 B, length;
  MEMBER i64 start(i64 b) const { return starts ? starts[b] : b * length; }
  MEMBER i64 with(i64 row) const { return starts ? last_at_most(starts, B, row) : row / length; }
};

// Rows [first, end) of the sequence that begins at start; none where a place has no part.
struct Part {
  i64 start, first, end;
  i64 stop;  // of the sequence, where start is
};
DEVICE Part part_of(Sequences sequences, i64 rows, i64 chunk, i64 place) {
  i64 low = place / 2 * chunk, high = min(rows, low + chunk), b = sequences.with(place % 2 ? high - 1 : low);
  i64 start = sequences.start(b), stop = sequences.start(b + 1);
  bool there = is_long(stop - start, chunk) && (place % 2 == 0 || start > low);
  return Part{start, max(start, low) - start, there ? min(stop, high) - start : 0, stop};
}
// The chunks of a sequence are those of its first and of its last row and all between.
DEVICE i64 chunk_of(i64 row, i64 chunk) { return row / chunk; }
DEVICE i64 place_in(i64 c, i64 start, i64 chunk) { return 2 * c + (start > c * chunk); }
