// A step for all parameters of a model: the norms of the gradients, then all that happens to a value in one pass.
// Threads share the values and the squares of all parameters together, however few a parameter has.

enum Rate_ {
  BETA1,
  BETA2,
  EPS,
  LEARN_RATE,
  MOMENTUM_RATE,
  GRAD_CLIP,
  PENALTY,
  DECAY,
  SHARE,
  BY_SIGN,
  AVERAGE_RATE,
  RATES
};
enum Array_ { WEIGHTS, GRADIENT, MOM1, MOM2, AVERAGE, ARRAYS };
enum Lines_ { REACHED, TOUCHED, LINES };

template <typename T>
struct Parameters_ {
  T* const* arrays;  // ARRAYS of each; null for one that it has not
  uint8_t* const*
      marks;             // LINES of each, or null: where moments or average, and where the gradient may be other than 0
  const size_t* starts;  // how many values all those before have, and at the end how many there are
  const double* rates;   // RATES of each
  double* squares;       // the sum of those of its gradient, of each
  double unscale;
  bool look;  // whether it is asked if gradients are finite

  size_t size(size_t i) const { return starts[i + 1] - starts[i]; }
  T* array(size_t i, Array_ which) const { return arrays[i * ARRAYS + which]; }
  double rate(size_t i, Rate_ which) const { return rates[i * RATES + which]; }
  uint8_t* lines(size_t i, Lines_ which) const { return marks[i * LINES + which]; }
  bool ready(size_t i) const { return unscale == 1 && rate(i, PENALTY) == 0; }
  bool moves_weights(size_t i) const { return array(i, AVERAGE) || rate(i, DECAY) != 1; }
  bool divides(size_t i) const { return array(i, MOM2) != nullptr; }

  Step_<T> step(size_t i) const {
    Step_<T> s = adam_step_(rate(i, BETA1), rate(i, BETA2), T(rate(i, EPS)), T(rate(i, LEARN_RATE)), T(1));
    const double most = rate(i, GRAD_CLIP), norm = most != 0 ? sqrt_(squares[i]) : 0;
    if (norm >= most && norm > 0) s.scale = T(most / norm);
    s.along = T(rate(i, MOMENTUM_RATE));
    s.decay = T(rate(i, DECAY));
    s.share = T(rate(i, SHARE));
    s.toward = T(rate(i, AVERAGE_RATE));
    return s;
  }
  Kind_ kind(size_t i) const {
    if (!array(i, MOM1)) return PLAIN;
    if (!array(i, MOM2)) return rate(i, BY_SIGN) != 0 ? SIGN : MOMENTUM;
    return rate(i, MOMENTUM_RATE) != 0 ? ADAM_ALONG : ADAM;
  }
};

// gradient = unscale gradient + penalty weights, n values from the first on.
template <typename T>
static void make_ready_(const Parameters_<T>& p, size_t i, size_t first, size_t n) {
  T *const gradient = p.array(i, GRADIENT) + first, *const weights = p.array(i, WEIGHTS) + first;
  const T factor = T(p.unscale), penalty = T(p.rate(i, PENALTY));
  if (p.unscale != 1) fill_(gradient, n, [=](size_t k) { return gradient[k] * factor; });
  if (p.rate(i, PENALTY) != 0) fill_(gradient, n, [=](size_t k) { return gradient[k] + penalty * weights[k]; });
}

// The squares of a block of a gradient, if they are wanted. Lines that this step has to visit are marked as reached:
// those with a gradient, and with weights that move without one.
template <typename T>
static double look_at_block_(const Parameters_<T>& p, size_t i, size_t block) {
  const size_t start = block * SQUARES_BLOCK, rest = p.size(i) - start, n = rest < SQUARES_BLOCK ? rest : SQUARES_BLOCK;
  const size_t byte = start / BYTE_OF_LINES, bytes = line_bytes_(n);
  uint8_t* const reached = p.lines(i, REACHED) ? p.lines(i, REACHED) + byte : nullptr;
  uint8_t* const touched = p.lines(i, TOUCHED) ? p.lines(i, TOUCHED) + byte : nullptr;
  const T* const gradient = p.array(i, GRADIENT) + start;
  const uint8_t* const known = p.ready(i) ? touched : nullptr;
  if (!p.ready(i)) make_ready_(p, i, start, n);
  const bool wanted = (p.look || p.rate(i, GRAD_CLIP) != 0) && (!known || any_line_(known, bytes));
  const double sum = wanted ? block_squares_(gradient, n, known) : 0;
  if (reached) {
    if (known)
      for (size_t k = 0; k < bytes; ++k) reached[k] |= known[k];
    else
      mark_lines_(reached, gradient, n);
    if (p.moves_weights(i)) mark_lines_(reached, p.array(i, WEIGHTS) + start, n);
  }
  if (touched && !known) memset(touched, 0xFF, bytes);
  return sum;
}

// Blocks of gradients, of as many parameters as it takes, whose squares are added up side by side.
struct Window_ {
  static constexpr size_t MOST = 128;
  size_t owner[MOST], block[MOST], count, values;
  double sum[MOST];
};
template <typename T>
static void look_at_window_(const Parameters_<T>& p, Window_& window) {
  Window_* const w = &window;
  const size_t cost = window.values / window.count / 2 + 1;
  in_parts_(window.count, cost, 1, [=, &p](size_t first, size_t last) {
    for (size_t k = first; k < last; ++k) w->sum[k] = look_at_block_(p, w->owner[k], w->block[k]);
  });
  for (size_t k = 0; k < window.count; ++k) p.squares[window.owner[k]] += window.sum[k];
  window.count = window.values = 0;
}

template <typename T>
static void look_at_gradients_(const Parameters_<T>& p, size_t first, size_t last) {
  Window_ window;
  window.count = window.values = 0;
  for (size_t i = first; i < last; ++i) {
    p.squares[i] = 0;
    const bool marked = p.lines(i, REACHED) || p.lines(i, TOUCHED);
    if (p.ready(i) && !p.look && p.rate(i, GRAD_CLIP) == 0 && !marked) continue;
    for (size_t block = 0; block * SQUARES_BLOCK < p.size(i); ++block) {
      window.owner[window.count] = i;
      window.block[window.count] = block;
      window.values += block ? SQUARES_BLOCK : p.size(i) < SQUARES_BLOCK ? p.size(i) : SQUARES_BLOCK;
      if (++window.count == Window_::MOST) look_at_window_(p, window);
    }
  }
  if (window.count) look_at_window_(p, window);
}

// The step of n values from the one at `from` on: those in lines that are reached, where that is known.
template <int KIND, bool AVERAGES, typename T>
static void step_part_(const Parameters_<T>& p, size_t i, size_t from, size_t n, const Step_<T>& step) {
  constexpr bool BOTH = KIND == ADAM || KIND == ADAM_ALONG;
  T *const w = p.array(i, WEIGHTS), *const g = p.array(i, GRADIENT), *const average = p.array(i, AVERAGE);
  T *const m = p.array(i, MOM1), *const v = p.array(i, MOM2);
  const uint8_t *const reached = p.lines(i, REACHED), *const touched = p.lines(i, TOUCHED);
  const auto plus = [](T* X, size_t at) { return X ? X + at : X; };
  if (!reached) {
    step_range_<KIND, AVERAGES>(w + from, g + from, plus(m, from), plus(v, from), plus(average, from), n, step);
    return;
  }
  const FlushDenormals flush(may_flush_(step, BOTH));
  const auto take = [=](size_t at, size_t size, bool has_gradient) {
    T *const mom1 = plus(m, at), *const mom2 = plus(v, at), *const ema = plus(average, at);
    if (has_gradient)
      step_values_<KIND, AVERAGES>(w + at, g + at, mom1, mom2, ema, size, step);
    else
      step_values_<KIND, AVERAGES, false>(w + at, g + at, mom1, mom2, ema, size, step);
  };
  each_run_(reached, from, n, [=](size_t at, size_t size, bool marked) {
    if (marked && touched)
      each_run_(touched, at, size, take);
    else if (marked)
      take(at, size, true);
  });
}

template <int KIND, typename T>
static void step_kind_(const Parameters_<T>& p, size_t i, size_t from, size_t n, const Step_<T>& step) {
  if (p.array(i, AVERAGE))
    step_part_<KIND, true>(p, i, from, n, step);
  else
    step_part_<KIND, false>(p, i, from, n, step);
}

// With settings that move moments of 0, every line is reached, and a gradient of 0 may count.
template <typename T>
static void reach_all_if_unsettled_(const Parameters_<T>& p, size_t first, size_t last) {
  for (size_t i = first; i < last; ++i) {
    if (is_settled_(p.step(i), p.divides(i))) continue;
    for (const Lines_ which : {REACHED, TOUCHED})
      if (p.lines(i, which)) memset(p.lines(i, which), 0xFF, line_bytes_(p.size(i)));
  }
}

template <typename T>
static void step_parameters_(const Parameters_<T>& p, size_t first, size_t last) {
  const size_t begin = p.starts[first];
  reach_all_if_unsettled_(p, first, last);
  in_parts_(p.starts[last] - begin, 4, 1024, [=, &p](size_t at, size_t end) {
    size_t i = first;
    for (at += begin, end += begin; at < end; ++i) {
      if (p.starts[i + 1] <= at) continue;
      const size_t stop = p.starts[i + 1] < end ? p.starts[i + 1] : end, from = at - p.starts[i];
      const Step_<T> step = p.step(i);
      const Kind_ kind = p.kind(i);
      if (kind == PLAIN) step_kind_<PLAIN>(p, i, from, stop - at, step);
      if (kind == ADAM) step_kind_<ADAM>(p, i, from, stop - at, step);
      if (kind == ADAM_ALONG) step_kind_<ADAM_ALONG>(p, i, from, stop - at, step);
      if (kind == MOMENTUM) step_kind_<MOMENTUM>(p, i, from, stop - at, step);
      if (kind == SIGN) step_kind_<SIGN>(p, i, from, stop - at, step);
      at = stop;
    }
  });
}

template <typename T>
static void forget_touched_(const Parameters_<T>& p, size_t n) {
  for (size_t i = 0; i < n; ++i)
    if (p.lines(i, TOUCHED)) memset(p.lines(i, TOUCHED), 0, line_bytes_(p.size(i)));
}

template <typename T>
static void apply_gradients(T* const* arrays, uint8_t* const* marks, const size_t* starts, const double* rates,
                            double* squares, size_t n, double unscale, int32_t* found_inf) {
  const Parameters_<T> p = {arrays, marks, starts, rates, squares, unscale, found_inf != nullptr};
  // One thread takes parameter by parameter, and finds a gradient in the cache when it reads it again.
  const size_t group = thread_count() == 1 && !found_inf ? 1 : n;
  for (size_t first = 0; first < n; first += group) {
    look_at_gradients_(p, first, first + group);
    if (found_inf) {
      for (size_t i = 0; i < n; ++i) *found_inf |= !(squares[i] - squares[i] == 0);
      if (*found_inf) break;
    }
    step_parameters_(p, first, first + group);
  }
  forget_touched_(p, n);
  if (found_inf && *found_inf)
    for (size_t i = 0; i < n; ++i) memset(p.array(i, GRADIENT), 0, p.size(i) * sizeof(T));
}
