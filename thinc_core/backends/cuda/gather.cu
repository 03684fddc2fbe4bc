// Lookups in a table of vectors.

// Y[b] = sum over k of table[indices[b, k]], a thread per piece of N columns. An index beyond the table is reported
// and adds nothing.
template <int N, typename T, typename I>
DEVICE void gather_pieces(T* __restrict__ Y, const T* __restrict__ table, const I* __restrict__ indices, i64 B, i64 K,
                          i64 V, i64 O, ErrorWord* error, i64 ticket) {
  i64 pieces = O / N;
  for (i64 i = first_index(); i < B * pieces; i += stride()) {
    i64 b = i / pieces, o = (i - b * pieces) * N;
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
