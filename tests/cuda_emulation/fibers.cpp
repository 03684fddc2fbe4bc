// A fiber for each thread of a block; blocks run one after another. Launches come one at a time: Python holds a lock.
#include "emulation.h"

#include <sys/mman.h>
#include <ucontext.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, size)
#define ASAN_UNPOISON_MEMORY_REGION(begin, size)
#endif

namespace emulation {

constexpr size_t STACK = 64 * 1024;
#ifdef __SANITIZE_ADDRESS__
constexpr size_t GAP = 64;  // between arrays in shared memory, poisoned
#else
constexpr size_t GAP = 0;
#endif
enum State : uint8_t { READY, AT_BARRIER, AT_WARP, DONE };
struct Warp {
  uint64_t slot[2][32];
  uint32_t mask = 0, arrived = 0, phase = 0;
  Meeting meeting = SYNCWARP;
};
struct Fiber {
  Here here;
  State state;
  char* stack;
#ifdef __x86_64__
  void* sp;
#else
  ucontext_t context;
#endif
};
// What runs now. Votes of __syncthreads_or and its like are counted until the barrier opens, then kept to be read.
static struct {
  const Launch* launch = nullptr;
  Fiber* current = nullptr;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  int alive = 0, at_barrier = 0, votes = 0, result = 0;
  std::vector<char> shared;
  size_t shared_used = 0;
  std::map<const void*, size_t> shared_places;
  uint32_t random = 1;
  const char* failure = nullptr;
#ifdef __x86_64__
  void* outside;
#else
  ucontext_t outside;
#endif
} b;
static Schedule schedule = FORWARD;
static uint32_t seed = 1;

void set_schedule(Schedule chosen, uint32_t number) {
  schedule = chosen;
  seed = number;
}
static unsigned first_block = 0;
void set_first_block(unsigned x) { first_block = x; }
const Here& here() { return b.current->here; }

#ifdef __x86_64__
extern "C" void thinc_emulation_swap(void** save_sp, void* load_sp);
asm(R"(
.text
.hidden thinc_emulation_swap
.globl thinc_emulation_swap
.type thinc_emulation_swap,@function
thinc_emulation_swap:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size thinc_emulation_swap,.-thinc_emulation_swap
)");
#endif

static void leave_fiber() {
#ifdef __x86_64__
  thinc_emulation_swap(&b.current->sp, b.outside);
#else
  swapcontext(&b.current->context, &b.outside);
#endif
}
static void enter_fiber(Fiber& f) {
  b.current = &f;
#ifdef __x86_64__
  thinc_emulation_swap(&b.outside, f.sp);
#else
  swapcontext(&b.outside, &f.context);
#endif
}
static void run_thread() {
  b.launch->body(b.launch->arguments);
  b.current->state = DONE;
  leave_fiber();
  __builtin_trap();
}
static void prepare(Fiber& f) {
#ifdef __x86_64__
  void** sp = (void**)((uintptr_t)(f.stack + STACK) & ~(uintptr_t)15);
  *--sp = nullptr;  // a return address that is never used keeps the alignment of the ABI
  *--sp = (void*)&run_thread;
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  f.sp = sp;
#else
  getcontext(&f.context);
  f.context.uc_stack.ss_sp = f.stack;
  f.context.uc_stack.ss_size = STACK;
  f.context.uc_link = nullptr;
  makecontext(&f.context, (void (*)())run_thread, 0);
#endif
}

// The launch ends here: the fiber is never entered again, and kernels own nothing that would have to be freed.
void fail(const char* message) {
  b.failure = message;
  leave_fiber();
  __builtin_trap();
}

int vote(int value) {
  b.votes += value;
  b.current->state = AT_BARRIER;
  b.at_barrier++;
  leave_fiber();
  return b.result;
}

static void open_barrier() {
  b.result = b.votes;
  b.votes = b.at_barrier = 0;
  for (auto& f : b.fibers)
    if (f.state == AT_BARRIER) f.state = READY;
}

const uint64_t* exchange(unsigned mask, uint64_t value, Meeting meeting) {
  Fiber* f = b.current;
  Warp& w = b.warps[f->here.warp];
  int lanes = std::min(32, (int)(b.fibers.size() - f->here.warp * 32));
  if (!(mask >> f->here.lane & 1)) fail("a lane calls a *_sync function with a mask that leaves it out");
  mask &= lanes == 32 ? ~0u : (1u << lanes) - 1;
  if (w.arrived == 0) {
    w.mask = mask;
    w.meeting = meeting;
  } else if (w.mask != mask || w.meeting != meeting) {
    fail("lanes of one warp meet in different *_sync functions or masks");
  }
  uint64_t* slot = w.slot[w.phase & 1];
  slot[f->here.lane] = value;
  w.arrived |= 1u << f->here.lane;
  if (w.arrived == w.mask) {
    w.arrived = 0;
    w.phase++;
    for (auto& other : b.fibers)
      if (other.here.warp == f->here.warp && other.state == AT_WARP) other.state = READY;
  } else {
    f->state = AT_WARP;
    leave_fiber();
  }
  return slot;
}

char* shared_memory(const void* tag, size_t bytes) {
  auto known = b.shared_places.find(tag);
  if (known != b.shared_places.end()) return b.shared.data() + known->second;
  size_t place = (b.shared_used + 15) / 16 * 16 + GAP, gaps = (b.shared_places.size() + 1) * GAP;
  if (place + bytes - gaps > (b.launch->dynamic_bytes ? SHARED_BYTES : STATIC_BYTES)) fail("too much shared memory");
  b.shared_used = place + bytes;
  b.shared_places.emplace(tag, place);
  ASAN_UNPOISON_MEMORY_REGION(b.shared.data() + place, bytes);
  std::memset(b.shared.data() + place, 0xFF, bytes);
  return b.shared.data() + place;
}

// Runs a block; false when it failed.
static bool run_block(int n, uint3 number) {
  std::vector<int> order(n);
  b.warps.assign((n + 31) / 32, Warp());
  b.shared_used = b.votes = b.at_barrier = 0;
  b.shared_places.clear();
  ASAN_POISON_MEMORY_REGION(b.shared.data(), b.shared.size());
  b.alive = n;
  for (int i = 0; i < n; i++) {
    Fiber& f = b.fibers[i];
    f.here = {{(unsigned)i, 0, 0}, number, b.launch->block, b.launch->grid, i % 32, i / 32, b.launch->dynamic_bytes};
    f.state = READY;
    order[i] = schedule == REVERSE ? n - 1 - i : i;
    prepare(f);
  }
  while (b.alive) {
    if (schedule == RANDOM)
      for (int i = n - 1; i > 0; i--) {
        b.random = b.random * 1664525u + 1013904223u;
        std::swap(order[i], order[(b.random >> 8) % (i + 1)]);
      }
    bool progress = false;
    for (int i : order) {
      Fiber& f = b.fibers[i];
      if (f.state != READY) continue;
      progress = true;
      enter_fiber(f);
      if (b.failure) return false;
      b.alive -= f.state == DONE;
    }
    if (b.alive && b.at_barrier == b.alive) {
      open_barrier();
    } else if (!progress && b.alive) {
      b.failure = "threads wait for each other for ever: a barrier or a *_sync function that not all of them reach";
      return false;
    }
  }
  return true;
}

static void make_fibers(size_t n) {
  static std::vector<char*> stacks;
  while (stacks.size() < n) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char* pages = (char*)mmap(nullptr, STACK + 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    mprotect(pages, 4096, PROT_NONE);  // a stack that is too small ends in a fault
    stacks.push_back(pages + 4096);
  }
  b.fibers.resize(n);
  for (size_t i = 0; i < n; i++) b.fibers[i].stack = stacks[i];
}

std::string run(const Launch& launch) {
  b.launch = &launch;
  b.random = seed * 2654435761u + 1;
  b.failure = nullptr;
  b.shared.resize(SHARED_BYTES + 16 * GAP);
  int n = (int)launch.block.x;
  make_fibers(n);
  for (unsigned y = 0; y < launch.grid.y; y++)
    for (unsigned x = first_block; x < launch.grid.x; x++)
      if (!run_block(n, {x, y, 0}))
        return std::string(b.failure) + " (block " + std::to_string(x) + ", thread " +
               std::to_string(b.current ? (int)b.current->here.thread.x : -1) + ")";
  return "";
}
}  // namespace emulation
