// Lookups in a table of vectors.

// Y[b] = sum over k of table[indices[b, k]], a thread per piece of N columns. An index beyond the table is reported
// and adds nothing.
template <int N, typename T, typename I>
DEVICE void gather_pieces(T* __restrict__ Y, const T* __restrict__ table, const I* __restrict__ indices, i64 B, i64 K,
                          i64 V, i64 O, ErrorWord* error, i64 ticket) {
  for (Pieces at(O / N); at.row < B; at.next()) {
    i64 b = at.row, o = at.piece * N;
    acc<T> sum[N] = {};
    i64 bad = K;
    for (i64 k = 0; k < K; ++k) {
      i64 row = indices[b * K + k];
      if (row < 0 || row >= V) {
        bad = min(bad, k);
        continue;
      }
      Vec<T, N> x = load<N>(table + row * O + o);
#pragma unroll
      for (int j = 0; j < N; ++j) sum[j] += to_acc(x.v[j]);
    }
    Vec<T, N> y;
#pragma unroll
    for (int j = 0; j < N; ++j) y.v[j] = from_acc<T>(sum[j]);
    store(Y + b * O + o, y);
    if (bad < K && o == 0) report(error, ticket, indices[b * K + bad], b * K + bad, V);
  }
}

template <typename T, typename I>
DEVICE void gather_add(T* Y, const T* table, const I* indices, i64 B, i64 K, i64 V, i64 O, ErrorWord* error,
                       i64 ticket) {
  if (O % LANES<T> == 0 && aligned(Y, table)) {
    gather_pieces<LANES<T>>(Y, table, indices, B, K, V, O, error, ticket);
  } else {
    gather_pieces<1>(Y, table, indices, B, K, V, O, error, ticket);
  }
}
#define GATHER_ADD(suffix, T, I)                                                                                \
  KERNEL(gather_add_##suffix##_##I,                                                                             \
         (T * Y, const T* table, const I* indices, i64 B, i64 K, i64 V, i64 O, ErrorWord* error, i64 ticket)) { \
    gather_add(Y, table, indices, B, K, V, O, error, ticket);                                                   \
  }
FOR_FLOATS(GATHER_ADD, i32)
FOR_FLOATS(GATHER_ADD, i64)

// table[indices[i]] += values[i], in any order. Negative indices are skipped.
template <int N, typename T, typename I>
DEVICE void scatter_pieces(T* table, const I* __restrict__ indices, const T* __restrict__ values, i64 n, i64 V, i64 O,
                           ErrorWord* error, i64 ticket) {
  for (Pieces at(O / N); at.row < n; at.next()) {
    i64 i = at.row, o = at.piece * N, row = indices[i];
    if (row >= V) {
      if (o == 0) report(error, ticket, row, i, V);
    } else if (row >= 0) {
      add_atomic(table + row * O + o, load<N>(values + i * O + o));
    }
  }
}
template <typename T, typename I>
DEVICE void scatter_add(T* table, const I* indices, const T* values, i64 n, i64 V, i64 O, ErrorWord* error,
                        i64 ticket) {
  if (O % LANES<T> == 0 && aligned(table, values)) {
    scatter_pieces<LANES<T>>(table, indices, values, n, V, O, error, ticket);
  } else {
    scatter_pieces<1>(table, indices, values, n, V, O, error, ticket);
  }
}
#define SCATTER_ADD(suffix, T, I)                                                                             \
  KERNEL(scatter_add_##suffix##_##I,                                                                          \
         (T * table, const I* indices, const T* values, i64 n, i64 V, i64 O, ErrorWord* error, i64 ticket)) { \
    scatter_add(table, indices, values, n, V, O, error, ticket);                                              \
  }
FOR_FLOATS(SCATTER_ADD, i32)
FOR_FLOATS(SCATTER_ADD, i64)

// The same in a fixed order: a key is row << bits | i, and sorted keys are in the order in which a row's terms are
// added. What is to be skipped goes behind the last row.
#define SCATTER_KEYS(I)                                                                                  \
  UNTYPED_KERNEL(scatter_keys_##I,                                                                       \
                 (i64 * keys, const I* indices, i64 n, i64 V, i64 bits, ErrorWord* error, i64 ticket)) { \
    for (i64 i = first_index(); i < n; i += stride()) {                                                  \
      i64 row = indices[i];                                                                              \
      if (row >= V) report(error, ticket, row, i, V);                                                    \
      keys[i] = (row >= 0 && row < V ? row : V) << bits | i;                                             \
    }                                                                                                    \
  }
SCATTER_KEYS(i32)
SCATTER_KEYS(i64)

// A thread per key and piece of N columns; the one at a row's first key adds all of the row's terms. Term i is row
// i >> shared of the values, which are `width` apart.
template <int N, typename T>
DEVICE void add_sorted_pieces(T* table, const T* __restrict__ values, const i64* __restrict__ keys, i64 n, i64 bits,
                              i64 V, i64 O, i64 shared, i64 width) {
  for (Pieces at(O / N); at.row < n; at.next()) {
    i64 i = at.row, o = at.piece * N, row = keys[i] >> bits;
    if (row >= V || (i > 0 && keys[i - 1] >> bits == row)) continue;
    Vec<T, N> total = load<N>(table + row * O + o);
    acc<T> sum[N];
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] = to_acc(total.v[k]);
    for (; i < n && keys[i] >> bits == row; ++i) {
      i64 term = keys[i] & (((i64)1 << bits) - 1);
      Vec<T, N> x = load<N>(values + (term >> shared) * width + o);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += to_acc(x.v[k]);
    }
#pragma unroll
    for (int k = 0; k < N; ++k) total.v[k] = from_acc<T>(sum[k]);
    store(table + row * O + o, total);
  }
}
#define ADD_SORTED(suffix, T, ...)                                                                              \
  KERNEL(add_sorted_##suffix,                                                                                   \
         (T * table, const T* values, const i64* keys, i64 n, i64 bits, i64 V, i64 O, i64 shared, i64 width)) { \
    if ((O % LANES<T> | width % LANES<T>) == 0 && aligned(table, values)) {                                     \
      add_sorted_pieces<LANES<T>>(table, values, keys, n, bits, V, O, shared, width);                           \
    } else {                                                                                                    \
      add_sorted_pieces<1>(table, values, keys, n, bits, V, O, shared, width);                                  \
    }                                                                                                           \
  }
FOR_FLOATS(ADD_SORTED)
