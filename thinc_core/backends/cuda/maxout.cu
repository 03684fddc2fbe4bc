// The largest of P pieces, and where its gradient goes. PIECES: P where the compiler knows it, 0 where it does not.

// best = max of x[0 .. P), and its place: the lowest of a tie, the first NaN before everything.
template <int PIECES, typename T>
DEVICE i32 largest_piece(const T* x, i64 P, acc<T>& best) {
  i32 which = 0;
  best = to_acc(x[0]);
#pragma unroll
  for (i32 p = 1; p < (PIECES ? PIECES : P); ++p) {
    acc<T> v = to_acc(x[p]);
    if (v > best || (v != v && best == best)) {
      best = v;
      which = p;
    }
  }
  return which;
}

// A thread per output, for any P and any addresses.
template <typename T>
DEVICE void maxout_scalars(T* __restrict__ Y, i32* __restrict__ which, const T* __restrict__ X, i64 first, i64 n,
                           i64 P) {
  for (i64 i = first + first_index(); i < n; i += stride()) {
    acc<T> best;
    which[i] = largest_piece<0>(X + i * P, P, best);
    Y[i] = from_acc<T>(best);
  }
}
// A thread per 16 bytes of output, for which it reads P times 16 bytes.
template <int P, typename T>
DEVICE void maxout_vectors(T* __restrict__ Y, i32* __restrict__ which, const T* __restrict__ X, i64 n) {
  constexpr int N = LANES<T>, WORDS = N < 4 ? N : 4;  // indices that are stored at once
  i64 whole = n / N;
  for (i64 i = first_index(); i < whole; i += stride()) {
    T x[P * N];
#pragma unroll
    for (int p = 0; p < P; ++p) {
      Vec<T, N> piece = load<N>(X + (i * P + p) * N);
#pragma unroll
      for (int k = 0; k < N; ++k) x[p * N + k] = piece.v[k];
    }
    Vec<T, N> y;
#pragma unroll
    for (int k = 0; k < N; k += WORDS) {
      Vec<i32, WORDS> places;
#pragma unroll
      for (int j = 0; j < WORDS; ++j) {
        acc<T> best;
        places.v[j] = largest_piece<P>(x + (k + j) * P, P, best);
        y.v[k + j] = from_acc<T>(best);
      }
      store(which + i * N + k, places);
    }
    store(Y + i * N, y);
  }
  maxout_scalars(Y, which, X, whole * N, n, P);
}
template <typename T>
DEVICE void maxout(T* Y, i32* which, const T* X, i64 n, i64 P) {
  if (P > 4 || P < 2 || !aligned(Y, which, X)) {
    maxout_scalars(Y, which, X, 0, n, P);
  } else if (P == 2) {
    maxout_vectors<2>(Y, which, X, n);
  } else if (P == 3) {
    maxout_vectors<3>(Y, which, X, n);
  } else {
    maxout_vectors<4>(Y, which, X, n);
  }
}
#define MAXOUT(suffix, T, ...) \
  KERNEL(maxout_##suffix, (T * Y, i32 * which, const T* X, i64 n, i64 P)) { maxout(Y, which, X, n, P); }
FOR_FLOATS(MAXOUT)

// Every element of dX is written once: dY at the winning piece, 0 at the others. A bad index is reported, and its
// pieces are all 0.
template <typename T, typename I>
DEVICE void backprop_maxout_scalars(T* __restrict__ dX, const T* __restrict__ dY, const I* __restrict__ which,
                                    i64 first, i64 n, i64 P, ErrorWord* error, i64 ticket) {
  for (i64 j = first * P + first_index(); j < n * P; j += stride()) {
    i64 i = j / P, p = j - i * P, winner = which[i];
    dX[j] = winner == p ? dY[i] : T{};
    if (p == 0 && (winner < 0 || winner >= P)) report(error, ticket, winner, i, P);
  }
}
template <int P, typename T, typename I>
DEVICE void backprop_maxout_vectors(T* __restrict__ dX, const T* __restrict__ dY, const I* __restrict__ which, i64 n,
                                    ErrorWord* error, i64 ticket) {
  constexpr int N = LANES<T>, WORDS = N < 4 ? N : 4;
  i64 whole = n / N;
  for (i64 i = first_index(); i < whole; i += stride()) {
    Vec<T, N> dy = load<N>(dY + i * N);
    T dx[P * N];
    int bad = N;
#pragma unroll
    for (int k = N - WORDS; k >= 0; k -= WORDS) {
      Vec<I, WORDS> winners = load<WORDS>(which + i * N + k);
#pragma unroll
      for (int j = WORDS - 1; j >= 0; --j) {
        bool fits = winners.v[j] >= 0 && winners.v[j] < P;
        i32 winner = fits ? (i32)winners.v[j] : -1;
        if (!fits) bad = k + j;
#pragma unroll
        for (int p = 0; p < P; ++p) dx[(k + j) * P + p] = winner == p ? dy.v[k + j] : T{};
      }
    }
#pragma unroll
    for (int p = 0; p < P; ++p) {
      Vec<T, N> piece;
#pragma unroll
      for (int k = 0; k < N; ++k) piece.v[k] = dx[p * N + k];
      store(dX + (i * P + p) * N, piece);
    }
    if (bad < N) report(error, ticket, which[i * N + bad], i * N + bad, P);
  }
  backprop_maxout_scalars(dX, dY, which, whole * N, n, P, error, ticket);
}
template <typename T, typename I>
DEVICE void backprop_maxout(T* dX, const T* dY, const I* which, i64 n, i64 P, ErrorWord* error, i64 ticket) {
  if (sizeof(I) > 4 || P > 4 || P < 2 || !aligned(dX, dY, which)) {  // maxout gives int32
    backprop_maxout_scalars(dX, dY, which, 0, n, P, error, ticket);
  } else if (P == 2) {
    backprop_maxout_vectors<2>(dX, dY, which, n, error, ticket);
  } else if (P == 3) {
    backprop_maxout_vectors<3>(dX, dY, which, n, error, ticket);
  } else {
    backprop_maxout_vectors<4>(dX, dY, which, n, error, ticket);
  }
}
#define BACKPROP_MAXOUT(suffix, T, I)                                                         \
  KERNEL(backprop_maxout_##suffix##_##I,                                                      \
         (T * dX, const T* dY, const I* which, i64 n, i64 P, ErrorWord* error, i64 ticket)) { \
    backprop_maxout(dX, dY, which, n, P, error, ticket);                                      \
  }
FOR_FLOATS(BACKPROP_MAXOUT, i32)
FOR_FLOATS(BACKPROP_MAXOUT, i64)
