// Loops cut into parts that several threads compute. Where a loop is cut depends on its size and on the number of
// threads, so a kernel cuts only where no bit of its result depends on it: between outputs, never along a sum.

// A part has at least this much work, counted in values copied (about 5 us): less is not worth handing over.
constexpr size_t LEAST_WORK = 65536;
// Parts for each thread: one that starts late, or shares its core, leaves some to the others.
constexpr size_t PARTS_PER_THREAD = 4;

template <typename F>
struct Parts {
  F& f;
  size_t n, size;
};

template <typename F>
static void run_part_(void* work, size_t part) {
  const Parts<F>& parts = *static_cast<Parts<F>*>(work);
  const size_t first = part * parts.size, rest = parts.n - first;
  parts.f(first, first + (rest < parts.size ? rest : parts.size));
}

// f(first, last) over ranges that make up [0, n). cost: work of one of the n, counted in values copied; a range starts
// at a multiple of `step`. most: parts for each thread, fewer where every part has to begin with the same work.
template <typename F>
static void in_parts_(size_t n, size_t cost, size_t step, F f, size_t most = PARTS_PER_THREAD) {
  const size_t threads = thread_count();
  const size_t worth = threads > 1 ? n * cost / LEAST_WORK : 0;
  const size_t count = worth < threads * most ? worth : threads * most;
  Parts<F> parts = {f, n, n};
  if (count > 1) parts.size = ((n + count - 1) / count + step - 1) / step * step;
  if (parts.size < n)
    run_parts(&run_part_<F>, &parts, (n + parts.size - 1) / parts.size);
  else if (n)
    run_part_<F>(&parts, 0);
}

// One part for each thread, or fewer when there is too little work: for loops every part of which has to look at all of
// the input. work: in values copied, of the whole loop.
static inline size_t parts_worth_(size_t work) {
  const size_t threads = thread_count(), worth = work / (2 * LEAST_WORK);
  return worth < threads ? worth : threads;
}

template <typename F>
static void call_part_(void* f, size_t part) {
  (*static_cast<F*>(f))(part);
}

// f(part) for each part < parts.
template <typename F>
static void each_part_(size_t parts, F f) {
  run_parts(&call_part_<F>, &f, parts);
}

// How many values come before the first in Y that begins a cache line: stores that cross lines cost a tenth of a long,
// simple loop (relu of 384,000 values: 36 us, from there on 32). None when there are few values.
template <typename T>
static inline size_t before_line_(const T* Y, size_t n) {
  return n < 4096 ? 0 : (0 - (uintptr_t)Y / sizeof(T)) % (64 / sizeof(T));
}

// Y = f(X, ...) as map_ does, and Y[i] = f(i) as fill_ does, in parts. COST of an f32; most functions need exp.
template <size_t COST = 5, typename T, typename F, typename... Inputs>
static THINC_INLINE void map_parts_(T* Y, size_t n, F f, const Inputs*... X) {
  in_parts_(n, COST * sizeof(T) / 4, 1024, [=](size_t first, size_t last) {
    const size_t line = first + before_line_(Y + first, last - first);
    map_(Y + first, line - first, f, (X + first)...);
    map_(Y + line, last - line, f, (X + line)...);
  });
}
template <typename T, typename F>
static THINC_INLINE void fill_parts_(T* Y, size_t n, F f) {
  in_parts_(n, sizeof(T) / 4, 1024, [=](size_t first, size_t last) {
    const size_t line = first + before_line_(Y + first, last - first);
    fill_(Y + first, line - first, [=](size_t i) { return f(first + i); });
    fill_(Y + line, last - line, [=](size_t i) { return f(line + i); });
  });
}
