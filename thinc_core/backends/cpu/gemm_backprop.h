// The backward pass of affine_maxout. Each output passes its gradient to one of P rows of W only: instead of products
// with a dZ that is zero but for one value in P, sums over the chosen rows, NV vectors of columns at a time.
// Measured in us (one core of a Zen 5, float32, dX + dW + db), chosen rows against dZ and dense products:
//                                 64-byte vectors   32-byte       16-byte
//   B 500, O 96, P 3, I 384          588 / 911       858 / 1757   1610 / 4747
//   B 500, O 96, P 3, I 96           183 / 240       255 / 451     430 / 1219
//   B 128, O 300, P 2, I 300         410 / 387       543 / 719     990 / 1921
// So the products are left for P = 2 with 64-byte vectors, and for fewer than three vectors of columns.

// Rows of a matrix cut into slabs of columns, about equal and at most eight vectors wide: eight independent sums hide
// the latency of an addition, and a copy of a few dozen rows of one slab stays in the first-level cache.
template <typename T>
struct Slabs {
  static constexpr size_t L = Simd<T>::L, MOST_NV = 8, CACHE = 24576, MOST_B = 256;
  size_t columns, vectors, count;

  explicit Slabs(size_t n) : columns(n), vectors((n + L - 1) / L), count((vectors + MOST_NV - 1) / MOST_NV) {}
  size_t first(size_t slab) const { return slab * vectors / count * L; }
  size_t nv(size_t slab) const { return (slab + 1) * vectors / count - slab * vectors / count; }
  size_t width(size_t slab) const { return smaller(columns - first(slab), nv(slab) * L); }
  // Rows of the widest slab that fit in the cache.
  static size_t rows() { return CACHE / (MOST_NV * L * sizeof(T)); }
};

// out: rows x nv vectors, the columns [0, n) of in and zeros.
template <typename T>
static void copy_slab(T* out, const T* in, size_t ld, size_t rows, size_t n, size_t nv) {
  for (size_t r = 0; r < rows; ++r) pack_panel(out + r * nv * Simd<T>::L, in + r * ld, ld, false, n, 1);
}

// NV vectors of sums in memory, of which n values exist: the last vector may be ragged.
template <typename T, int NV>
struct Sums {
  typedef typename Simd<T>::vec vec;
  static constexpr size_t L = Simd<T>::L, LAST = (NV - 1) * L;
  vec v[NV];

  GEMM_INLINE void read(const T* x, size_t n) {
    GEMM_UNROLL for (int j = 0; j < NV - 1; ++j) v[j] = load<vec>(x + j * L);
    if (n == NV * L) {
      v[NV - 1] = load<vec>(x + LAST);
    } else {
      alignas(64) T last[L] = {};
      copy_few(last, x + LAST, n - LAST);
      v[NV - 1] = load<vec>(last);
    }
  }
  GEMM_INLINE void zero() { GEMM_UNROLL for (int j = 0; j < NV; ++j) v[j] = vec{}; }
  GEMM_INLINE void add(T d, const T* row) {
    const vec scale = splat<vec>(d);
    GEMM_UNROLL for (int j = 0; j < NV; ++j) v[j] += scale * load<vec>(row + j * L);
  }
  GEMM_INLINE void write(T* x, size_t n) const {
    GEMM_UNROLL for (int j = 0; j < NV - 1; ++j) store(x + j * L, v[j]);
    if (n == NV * L) {
      store(x + LAST, v[NV - 1]);
    } else {
      alignas(64) T last[L];
      store(last, v[NV - 1]);
      copy_few(x + LAST, last, n - LAST);
    }
  }
};

// One slab of dX (+)= sum over some outputs of dY times the chosen row of W, a copy of whose slab is in rows.
template <typename T, int NV>
static void add_chosen(T* dX, size_t ldx, size_t n, const T* dY, const int32_t* which, size_t ldy, const T* rows,
                       size_t B, size_t O, size_t P, bool accumulate) {
  constexpr size_t WIDTH = NV * Simd<T>::L;
  for (size_t b = 0; b < B; ++b, dX += ldx, dY += ldy, which += ldy) {
    Sums<T, NV> sums;
    if (accumulate)
      sums.read(dX, n);
    else
      sums.zero();
    for (size_t o = 0; o < O; ++o) sums.add(dY[o], rows + (o * P + size_t(which[o])) * WIDTH);
    sums.write(dX, n);
  }
}

// The rows b of X in which an output chose one piece, with the gradients there.
template <typename T>
struct Chosen {
  typename std::make_unsigned<typename Simd<T>::lane>::type row;
  T d;
};

// One slab of `lists` rows of dW += sum over each one's list of d times row of X, a copy of whose slab is in rows.
template <typename T, int NV>
static void add_listed(T* dW, size_t ldw, size_t n, const Chosen<T>* list, size_t room, const Chosen<T>* const* end,
                       size_t lists, const T* rows) {
  for (size_t l = 0; l < lists; ++l, dW += ldw, list += room) {
    if (list == end[l]) continue;
    Sums<T, NV> sums;
    sums.read(dW, n);
    for (const Chosen<T>* c = list; c < end[l]; ++c) sums.add(c->d, rows + size_t(c->row) * (NV * Simd<T>::L));
    sums.write(dW, n);
  }
}

template <typename T, int... I>
static auto add_chosen_of(size_t nv, std::integer_sequence<int, I...>) {
  static constexpr decltype(&add_chosen<T, 1>) functions[] = {&add_chosen<T, I + 1>...};
  return functions[nv - 1];
}

template <typename T, int... I>
static auto add_listed_of(size_t nv, std::integer_sequence<int, I...>) {
  static constexpr decltype(&add_listed<T, 1>) functions[] = {&add_listed<T, I + 1>...};
  return functions[nv - 1];
}

// What the functions below read: dY and which (B, O), values between their rows ldy, X (B, I), between whose rows,
// which may overlap, there are ldx, and W (O, P, I).
template <typename T>
struct MaxoutGradient {
  const T* dY;
  const int32_t* which;
  size_t ldy;
  const T* X;
  size_t ldx;
  const T* W;
  size_t B, O, P, I;

  MaxoutGradient rows(size_t first, size_t last) const {
    return {dY + first * ldy, which + first * ldy, ldy, X + first * ldx, ldx, W, last - first, O, P, I};
  }
  MaxoutGradient outputs(size_t first, size_t last) const {
    return {dY + first, which + first, ldy, X, ldx, W + first * P * I, B, last - first, P, I};
  }
};

template <typename T>
static void plain_backprop(T* dX, T* dW, T* db, const MaxoutGradient<T>& g) {
  plain::strided_backprop_maxout(dX, dW, db, g.dY, g.which, g.ldy, g.X, g.ldx, g.W, g.B, g.O, g.P, g.I);
}

template <typename T>
static void chosen_dX(T* dX, const MaxoutGradient<T>& g, T* copy) {
  typedef Slabs<T> S;
  const S slabs(g.I);
  const size_t outputs = Blocks<T>::part(g.O, S::rows() / g.P + 1, 1), rows = Blocks<T>::part(g.B, S::MOST_B, 1);
  for (size_t b = 0; b < g.B; b += rows)
    for (size_t s = 0; s < slabs.count; ++s) {
      const size_t i = slabs.first(s), nv = slabs.nv(s), n = slabs.width(s);
      const auto add = add_chosen_of<T>(nv, std::make_integer_sequence<int, S::MOST_NV>());
      for (size_t o = 0; o < g.O; o += outputs) {
        const size_t some = smaller(g.O - o, outputs), at = b * g.ldy + o;
        copy_slab(copy, g.W + o * g.P * g.I + i, g.I, some * g.P, n, nv);
        add(dX + b * g.I + i, g.I, n, g.dY + at, g.which + at, g.ldy, copy, smaller(g.B - b, rows), some, g.P, o > 0);
      }
    }
}

// The lists of what chose each of `lists` pieces, `room` entries each, and where the copy of a slab goes.
template <typename T>
struct Lists {
  typedef Slabs<T> S;
  size_t room, most;  // rows per list; outputs times P in the lists at once
  T* copy;
  Chosen<T>*list, **end;  // where the lists start, and where each ends

  static constexpr size_t BYTES = 524288;  // of the lists and the rows of dW: half a second-level cache of 1 MB
  static size_t bytes_per_list(size_t room) { return room * sizeof(Chosen<T>) + sizeof(Chosen<T>*); }

  bool get(size_t B, size_t O, size_t P, size_t I) {
    room = Blocks<T>::part(B, S::rows(), 1);
    most = Blocks<T>::part(O, BYTES / (bytes_per_list(room) + I * sizeof(T)) / P + 1, 1) * P;
    const size_t slab = (S::rows() + P) * S::MOST_NV * S::L * sizeof(T);
    char* const memory = static_cast<char*>(workspace.get(slab + most * bytes_per_list(room)));
    copy = reinterpret_cast<T*>(memory);
    list = reinterpret_cast<Chosen<T>*>(memory + slab);
    end = reinterpret_cast<Chosen<T>**>(list + most * room);
    return memory;
  }

  // From `rows` rows of outputs [0, O).
  void fill(const T* dY, const int32_t* which, size_t ldy, size_t rows, size_t O, size_t P) {
    for (size_t l = 0; l < O * P; ++l) end[l] = list + l * room;
    for (size_t r = 0; r < rows; ++r)
      for (size_t o = 0; o < O; ++o)
        *end[o * P + size_t(which[r * ldy + o])]++ = {static_cast<decltype(list->row)>(r), dY[r * ldy + o]};
  }
};

// db (O, P) += dY where it was chosen.
template <typename T>
static void chosen_db(T* db, const MaxoutGradient<T>& g) {
  for (size_t b = 0; b < g.B; ++b)
    for (size_t o = 0; o < g.O; ++o) db[o * g.P + size_t(g.which[b * g.ldy + o])] += g.dY[b * g.ldy + o];
}

template <typename T>
static void chosen_dW(T* dW, const MaxoutGradient<T>& g, Lists<T>& lists) {
  typedef Slabs<T> S;
  const S slabs(g.I);
  for (size_t o = 0; o < g.O; o += lists.most / g.P)
    for (size_t b = 0; b < g.B; b += lists.room) {
      const size_t rows = smaller(g.B - b, lists.room), some = smaller(g.O - o, lists.most / g.P);
      lists.fill(g.dY + b * g.ldy + o, g.which + b * g.ldy + o, g.ldy, rows, some, g.P);
      for (size_t s = 0; s < slabs.count; ++s) {
        const size_t i = slabs.first(s), nv = slabs.nv(s), n = slabs.width(s);
        copy_slab(lists.copy, g.X + b * g.ldx + i, g.ldx, rows, n, nv);
        add_listed_of<T>(nv, std::make_integer_sequence<int, S::MOST_NV>())(
            dW + o * g.P * g.I + i, g.I, n, lists.list, lists.room, lists.end, some * g.P, lists.copy);
      }
    }
}

// Sums over the chosen rows, of dX cut between rows, of dW and db between outputs.
template <typename T>
static void chosen_backprop(T* dX, T* dW, T* db, const MaxoutGradient<T>& g) {
  const auto some_rows = [=](size_t first, size_t last) {
    Lists<T> lists;
    const MaxoutGradient<T> part = g.rows(first, last);
    if (lists.get(part.B, g.O, g.P, g.I))
      chosen_dX(dX + first * g.I, part, lists.copy);
    else
      plain_backprop<T>(dX + first * g.I, nullptr, nullptr, part);
  };
  const auto some_outputs = [=](size_t first, size_t last) {
    Lists<T> lists;
    const MaxoutGradient<T> part = g.outputs(first, last);
    T *dw = dW ? dW + first * g.P * g.I : nullptr, *d = db ? db + first * g.P : nullptr;
    if (!lists.get(g.B, part.O, g.P, g.I)) return plain_backprop<T>(nullptr, dw, d, part);
    if (dw) chosen_dW(dw, part, lists);
    if (d) chosen_db(d, part);
  };
  if (dX) product_parts_(g.B, product_cost<T>(g.O, g.I), 1, some_rows, most_parts(g.B));
  if (dW || db) product_parts_(g.O, product_cost<T>(g.B, dW ? g.I : 1), 1, some_outputs, most_parts(g.O * g.P));
}

static thread_local Workspace dense_gradient;  // the products use the other one

// By way of dZ (B, O, P), some rows at a time. False when there is no memory.
template <typename T>
static bool dense_backprop(T* dX, T* dW, T* db, const MaxoutGradient<T>& g) {
  const size_t OP = g.O * g.P, fit = 262144 / sizeof(T) / (OP + 1), step = smaller(g.B, fit < 64 ? 64 : fit);
  T* const dZ = static_cast<T*>(dense_gradient.get(step * OP * sizeof(T)));
  for (size_t b = 0; dZ && b < g.B; b += step) {
    const size_t rows = smaller(g.B - b, step);
    backprop_maxout(dZ, g.dY + b * g.O, g.which + b * g.O, rows * g.O, g.P);
    if (dX) gemm(dX + b * g.I, dZ, g.W, rows, g.I, OP, OP, g.I, g.I, false, false, false);
    if (dW) gemm(dW, dZ, g.X + b * g.ldx, OP, g.I, rows, OP, g.ldx, g.I, true, false, true);
    if (db) column_sum(db, dZ, rows, OP, true);
  }
  return dZ;
}

template <typename T>
static void backprop_affine_maxout(T* dX, T* dW, T* db, const T* dY, const int32_t* which, const T* X, const T* W,
                                   size_t B, size_t O, size_t P, size_t I, size_t ldx) {
  const bool few_choices = P < 2 || (P == 2 && THINC_VECTOR_BYTES == 64), narrow = I < 3 * Simd<T>::L;
  const MaxoutGradient<T> g = {dY, which, O, X, ldx, W, B, O, P, I};
  if (B < 8 || O == 0) return plain_backprop(dX, dW, db, g);
  if (!few_choices && !narrow) return chosen_backprop(dX, dW, db, g);
  if (!dense_backprop(dX, dW, db, g)) plain_backprop(dX, dW, db, g);
}
