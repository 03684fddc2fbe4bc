// Hashes of ids and keys, position codes, and the embedding that sums four hashed rows of a table.
// The header of the CPU's hash is put here by _device.py; NVRTC has no stdint.h.
#ifdef __CUDACC_RTC__
#define uint64_t u64
#define uint32_t u32
#endif
#include "angles.cuh"
#include "thinc_core/murmur3.h"

struct Hash {
  uint64_t low, high;

  MEMBER u32 word(int k) const { return (u32)((k < 2 ? low : high) >> (k % 2 * 32)); }
};
DEVICE Hash hashed(u64 id, u32 seed) {
  Hash h;
  thinc_murmur3(id, seed, &h.low, &h.high);
  return h;
}

// step: from one id to the next.
UNTYPED_KERNEL(hash, (u32* __restrict__ words, const u64* __restrict__ ids, i64 step, i64 n, i64 seed)) {
  bool whole = aligned(words);
  for (i64 i = first_index(); i < n; i += stride()) {
    Hash h = hashed(ids[i * step], (u32)seed);
    Vec<u32, 4> all = {{h.word(0), h.word(1), h.word(2), h.word(3)}};
    if (whole) {
      store(words + i * 4, all);
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) words[i * 4 + k] = all.v[k];
    }
  }
}

// MurmurHash3_x86_32 of the 8 bytes of a key.
DEVICE u32 rotated(u32 x, int bits) { return (x << bits) | (x >> (32 - bits)); }
DEVICE u32 hash_word(u64 key, u32 seed) {
  u32 h = seed;
  for (int half = 0; half < 2; ++half) {
    h ^= rotated((u32)(key >> (32 * half)) * 0xcc9e2d51u, 15) * 0x1b873593u;
    h = rotated(h, 13) * 5u + 0xe6546b64u;
  }
  h ^= 8u;
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}
// Places (n, 2, O) of the weights of each key, see reference/sparse.py: of L an output, or, masked, of all outputs.
UNTYPED_KERNEL(sparse_slots,
               (i64* __restrict__ slots, const u64* __restrict__ keys, i64 step, i64 n, i64 O, i64 L, i64 masked)) {
  for (i64 i = first_index(); i < 2 * n; i += stride()) {
    u32 h = hash_word(keys[i / 2 * step], (u32)(i % 2));
    i64 first = masked ? h & (u32)(L - 1) : h % (u32)L;
    for (i64 o = 0; o < O; ++o) slots[i * O + o] = first + (masked ? o : o * L);
  }
}

// MurmurHash64A of each window of n keys, seed 0.
UNTYPED_KERNEL(ngrams, (u64* __restrict__ hashes, const u64* __restrict__ keys, i64 step, i64 windows, i64 n)) {
  constexpr u64 m = 0xc6a4a7935bd1e995ull;
  for (i64 i = first_index(); i < windows; i += stride()) {
    u64 h = (u64)n * 8 * m;
    for (i64 j = 0; j < n; ++j) {
      u64 k = keys[(i + j) * step] * m;
      h = (h ^ ((k ^ (k >> 47)) * m)) * m;
    }
    h = (h ^ (h >> 47)) * m;
    hashes[i] = h ^ (h >> 47);
  }
}

DEVICE u64 angle_of(i64 i, u64 step) { return (u64)i * step; }
DEVICE double angle_of(i64 i, double period) { return (double)i / period; }

// A thread per pair of columns, which has one frequency.
template <typename T, typename F>
DEVICE void position_encode(T* __restrict__ Y, const F* __restrict__ frequencies, i64 N, i64 D) {
  bool whole = D % 2 == 0 && aligned(Y);
  for (Pieces at((D + 1) / 2); at.row < N; at.next()) {
    i64 i = at.row, j = at.piece;
    acc<T> sine, cosine;
    sin_cos(angle_of(i, frequencies[j]), &sine, &cosine);
    T* y = Y + i * D + 2 * j;
    if (whole) {
      store(y, Vec<T, 2>{{from_acc<T>(sine), from_acc<T>(cosine)}});
    } else {
      y[0] = from_acc<T>(sine);
      if (2 * j + 1 < D) y[1] = from_acc<T>(cosine);
    }
  }
}
#define POSITION_ENCODE(suffix, T, ...)                                                      \
  KERNEL(position_encode_##suffix, (T * Y, const frequency<T>* frequencies, i64 N, i64 D)) { \
    position_encode(Y, frequencies, N, D);                                                   \
  }
FOR_FLOATS(POSITION_ENCODE)

// Embeddings. A warp takes the next IDS ids of one table: lane l finds row l % 4 of id l / 4, then the lanes share out
// the pieces of N columns of all these ids, and ask each other for rows.
constexpr int IDS = WARP / 4, MOST_TABLES = 6;

// A table or its gradient; where the column of its ids begins in theirs, and its columns in those of all.
template <typename T>
struct Table {
  T* rows;
  i64 column;
  u32 V, O, seed, start;

  MEMBER T* row(u32 v) const { return rows + (u64)v * O; }
};

// f(id, row numbers, first column) for each id of a group and each piece of N columns of the table.
template <int N, typename T, typename F>
DEVICE void for_pieces(const Table<T>& table, const u64* ids, i64 step, i64 first, i64 B, F f) {
  int lane = threadIdx.x % WARP;
  i64 b = first + lane / 4;
  u32 row = b < B ? hashed(ids[b * step + table.column], table.seed).word(lane % 4) % table.V : 0;
  u32 pieces = table.O / N, n = (u32)min((i64)IDS, B - first) * pieces;
  for (u32 start = 0; start < n; start += WARP) {
    u32 i = start + lane, id = i / pieces, o = (i - id * pieces) * N;
    u32 rows[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) rows[k] = __shfl_sync(WHOLE_WARP, row, (id * 4 + k) % WARP);
    if (i < n) f(first + id, rows, o);
  }
}

// Table t. An index that is known at run time only would put the arguments into local memory.
template <typename T>
DEVICE Table<T> chosen(const Table<T> (&tables)[MOST_TABLES], int t) {
  Table<T> table = tables[0];
  u32 start = 0;
#pragma unroll
  for (int k = 1; k < MOST_TABLES; ++k) {
    start += k <= t ? tables[k - 1].O : 0;
    if (k == t) table = tables[k];
  }
  table.start = start;
  return table;
}

// f(table, first id) for every group of ids of each of n tables, once per warp. Groups of all tables: below 2^32.
template <typename T, typename F>
DEVICE void for_groups(const Table<T> (&tables)[MOST_TABLES], i64 n, i64 B, F f) {
  i64 groups = (B + IDS - 1) / IDS;
  for (i64 i = first_index() / WARP; i < groups * n; i += stride() / WARP) {
    u32 group = (u32)i / (u32)n, t = (u32)i - group * (u32)n;
    f(chosen(tables, (int)t), (i64)group * IDS);
  }
}

// Whether pieces of 16 bytes of a table and of its columns in the matrix of all, width wide, are aligned.
template <typename T>
DEVICE bool whole_pieces(const Table<T>& table, const T* all, i64 width) {
  return (table.O % LANES<T> | table.start % LANES<T> | width % LANES<T>) == 0 && aligned(table.rows, all);
}

template <int N, typename T>
DEVICE void sum_rows(T* Y, i64 width, const Table<T>& table, const u64* ids, i64 step, i64 first, i64 B) {
  for_pieces<N>(table, ids, step, first, B, [&](i64 b, const u32* rows, u32 o) {
    Vec<T, N> x[4], y;
#pragma unroll
    for (int k = 0; k < 4; ++k) x[k] = load<N>(table.row(rows[k]) + o);
#pragma unroll
    for (int j = 0; j < N; ++j) {
      y.v[j] = from_acc<T>(to_acc(x[0].v[j]) + to_acc(x[1].v[j]) + to_acc(x[2].v[j]) + to_acc(x[3].v[j]));
    }
    store(Y + b * width + table.start + o, y);
  });
}
template <int N, typename T>
DEVICE void add_to_rows(const T* dY, i64 width, const Table<T>& table, const u64* ids, i64 step, i64 first, i64 B) {
  for_pieces<N>(table, ids, step, first, B, [&](i64 b, const u32* rows, u32 o) {
    Vec<T, N> dy = load<N>(dY + b * width + table.start + o);
#pragma unroll
    for (int k = 0; k < 4; ++k) add_atomic(table.row(rows[k]) + o, dy);
  });
}

#define TABLE(T, k) T *table##k, i64 V##k, i64 O##k, i64 column##k, i64 seed##k
#define TABLES(T) TABLE(T, 0), TABLE(T, 1), TABLE(T, 2), TABLE(T, 3), TABLE(T, 4), TABLE(T, 5)
#define GIVEN(k) {table##k, column##k, (u32)V##k, (u32)O##k, (u32)seed##k, 0}
#define ALL_GIVEN {GIVEN(0), GIVEN(1), GIVEN(2), GIVEN(3), GIVEN(4), GIVEN(5)}

// step: from the ids of one row to the next. column: that of a table, times the step from column to column.
#define HASH_EMBED(suffix, T, ...)                                                                                     \
  KERNEL(hash_embeds_##suffix, (T * Y, const u64* ids, i64 step, i64 B, i64 width, i64 n, TABLES(T))) {                \
    const Table<T> tables[MOST_TABLES] = ALL_GIVEN;                                                                    \
    for_groups(tables, n, B, [=](const Table<T>& table, i64 first) {                                                   \
      if (whole_pieces(table, (const T*)Y, width)) {                                                                   \
        sum_rows<LANES<T>>(Y, width, table, ids, step, first, B);                                                      \
      } else {                                                                                                         \
        sum_rows<1>(Y, width, table, ids, step, first, B);                                                             \
      }                                                                                                                \
    });                                                                                                                \
  }                                                                                                                    \
  KERNEL(backprop_hash_embeds_##suffix, (const T* dY, const u64* ids, i64 step, i64 B, i64 width, i64 n, TABLES(T))) { \
    const Table<T> tables[MOST_TABLES] = ALL_GIVEN;                                                                    \
    for_groups(tables, n, B, [=](const Table<T>& table, i64 first) {                                                   \
      if (whole_pieces(table, dY, width)) {                                                                            \
        add_to_rows<LANES<T>>(dY, width, table, ids, step, first, B);                                                  \
      } else {                                                                                                         \
        add_to_rows<1>(dY, width, table, ids, step, first, B);                                                         \
      }                                                                                                                \
    });                                                                                                                \
  }
FOR_FLOATS(HASH_EMBED)

// For sums in a fixed order (add_sorted of gather.cu): row << bits | number of the term.
UNTYPED_KERNEL(hash_keys,
               (i64* __restrict__ keys, const u64* __restrict__ ids, i64 step, i64 B, i64 V, i64 seed, i64 bits)) {
  for (i64 b = first_index(); b < B; b += stride()) {
    Hash h = hashed(ids[b * step], (u32)seed);
#pragma unroll
    for (int k = 0; k < 4; ++k) keys[b * 4 + k] = (i64)(h.word(k) % (u32)V) << bits | (b * 4 + k);
  }
}
