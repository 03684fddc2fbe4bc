// One step of an LSTM, a thread per unit of each row. Formulas and layout: reference/lstm.py.
// A step has `rows` rows, of which the first `kept` go on from rows of the step before, whose cells are at `before`;
// the others begin here. Cells of neighbouring rows are `ld` elements apart.

// 1 / (1 + e^-x), from e^-|x|, which cannot overflow.
template <typename A>
DEVICE A logistic(A x) {
  A e = exp_(-abs_(x));
  return (x >= A(0) ? A(1) : e) / (A(1) + e);
}

// a = A + bx + bh + what the product with the output before gives: Z (kept, 4 nO), or z0 (4 nO,) for rows that begin.
// Writes H (rows, nO), cells, and units (rows, 6, nO), unless that is null. cells may be exactly before.
template <typename T>
DEVICE void lstm_step(T* __restrict__ H, T* cells, T* units, const T* __restrict__ X, const T* __restrict__ bx,
                      const T* __restrict__ bh, const T* __restrict__ Z, const T* __restrict__ z0, const T* before,
                      const T* __restrict__ c0, i64 rows, i64 kept, i64 nO, i64 ld) {
  typedef acc<T> A;
  for (i64 i = first_index(); i < rows * nO; i += stride()) {
    i64 o = modulo(i, nO), row = (i - o) / nO;
    const T* z = row < kept ? Z + row * 4 * nO : z0;
    A a[4];
#pragma unroll
    for (int gate = 0; gate < 4; ++gate) {
      i64 at = gate * nO + o;
      a[gate] = to_acc(X[row * 4 * nO + at]) + (to_acc(bx[at]) + to_acc(bh[at])) + to_acc(z[at]);
    }
    A forget = logistic(a[0]), into = logistic(a[1]), out = logistic(a[2]), candidate = tanh_(a[3]);
    A c = forget * to_acc(row < kept ? before[row * ld + o] : c0[o]) + into * candidate, tanh_c = tanh_(c);
    H[i] = from_acc<T>(out * tanh_c);
    if (units) {
      T* unit = units + row * 6 * nO + o;
      unit[0] = from_acc<T>(forget);
      unit[nO] = from_acc<T>(into);
      unit[2 * nO] = from_acc<T>(out);
      unit[3 * nO] = from_acc<T>(candidate);
      unit[5 * nO] = from_acc<T>(tanh_c);
    }
    cells[row * ld + o] = from_acc<T>(c);
  }
}

// dA (rows, 4 nO), the gradient of a, and H (rows, nO), the outputs before that a was computed from. dh and dc are the
// gradients that the step after sends to this one's output and cell; dc is changed to what this one sends on.
// dY: rows of `ldy` elements. before: units of the step before.
template <typename T>
DEVICE void backprop_lstm_step(T* __restrict__ dA, T* __restrict__ H, T* __restrict__ dc, const T* __restrict__ dh,
                               const T* __restrict__ dY, const T* __restrict__ units, const T* __restrict__ before,
                               const T* __restrict__ h0, const T* __restrict__ c0, i64 rows, i64 kept, i64 nO,
                               i64 ldy) {
  typedef acc<T> A;
  for (i64 i = first_index(); i < rows * nO; i += stride()) {
    i64 o = modulo(i, nO), row = (i - o) / nO;
    const T *unit = units + row * 6 * nO + o, *last = before + row * 6 * nO + o;
    A forget = to_acc(unit[0]), into = to_acc(unit[nO]), out = to_acc(unit[2 * nO]);
    A candidate = to_acc(unit[3 * nO]), tanh_c = to_acc(unit[5 * nO]), c;
    if (row < kept) {
      c = to_acc(last[4 * nO]);
      H[i] = from_acc<T>(to_acc(last[2 * nO]) * to_acc(last[5 * nO]));
    } else {
      c = to_acc(c0[o]);
      H[i] = h0[o];
    }
    A d = to_acc(dY[row * ldy + o]) + to_acc(dh[i]), d_cell = to_acc(dc[i]) + d * out * (A(1) - tanh_c * tanh_c);
    T* to = dA + row * 4 * nO + o;
    to[0] = from_acc<T>(d_cell * c * forget * (A(1) - forget));
    to[nO] = from_acc<T>(d_cell * candidate * into * (A(1) - into));
    to[2 * nO] = from_acc<T>(d * tanh_c * out * (A(1) - out));
    to[3 * nO] = from_acc<T>(d_cell * into * (A(1) - candidate * candidate));
    dc[i] = from_acc<T>(d_cell * forget);
  }
}
#define LSTM(suffix, T, ...)                                                                                          \
  KERNEL(lstm_step_##suffix, (T * H, T * cells, T * units, const T* X, const T* bx, const T* bh, const T* Z,          \
                              const T* z0, const T* before, const T* c0, i64 rows, i64 kept, i64 nO, i64 ld)) {       \
    lstm_step(H, cells, units, X, bx, bh, Z, z0, before, c0, rows, kept, nO, ld);                                     \
  }                                                                                                                   \
  KERNEL(backprop_lstm_step_##suffix,                                                                                 \
         (T * dA, T * H, T * dc, const T* dh, const T* dY, const T* units, const T* before, const T* h0, const T* c0, \
          i64 rows, i64 kept, i64 nO, i64 ldy)) {                                                                     \
    backprop_lstm_step(dA, H, dc, dh, dY, units, before, h0, c0, rows, kept, nO, ldy);                                \
  }
FOR_FLOATS(LSTM)
