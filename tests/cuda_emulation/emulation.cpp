// The machinery of emulation.h, and what Python calls.
#include "emulation.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace emulation {

static Schedule schedule = FORWARD;
static uint32_t seed = 1;
static std::string last_failure;

Block& block() {
  static Block the_block;  // launches come one at a time: Python holds a lock
  return the_block;
}
std::map<std::string, Kernel>& registry() {
  static std::map<std::string, Kernel> kernels;
  return kernels;
}

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
  Block& b = block();
#ifdef __x86_64__
  thinc_emulation_swap(&b.current->sp, b.outside);
#else
  swapcontext(&b.current->context, &b.outside);
#endif
}
static void enter_fiber(Fiber& f) {
  Block& b = block();
  b.current = &f;
#ifdef __x86_64__
  thinc_emulation_swap(&b.outside, f.sp);
#else
  swapcontext(&b.outside, &f.context);
#endif
}
static void run_thread() {
  block().body(block().arguments);
  block().current->state = DONE;
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

// IEEE half precision, rounded half to even.
float half_to_float(unsigned short h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  float x = exponent == 0    ? ldexpf((float)fraction, -24)
            : exponent == 31 ? (fraction ? NAN : INFINITY)
                             : ldexpf((float)(fraction + 1024), exponent - 25);
  return h & 0x8000 ? -x : x;
}
unsigned short float_to_half(float x) {
  unsigned sign = signbit(x) ? 0x8000u : 0u;
  float size = fabsf(x);
  if (size != size) return sign | 0x7e00;
  if (size >= 65520.0f) return sign | 0x7c00;
  int exponent = -24;  // of the last bit
  if (size >= 6.103515625e-05f) {
    frexpf(size, &exponent);
    exponent -= 11;
  }
  unsigned steps = (unsigned)nearbyintf(ldexpf(size, -exponent));  // 2048, one too many, carries into the exponent
  return sign | (exponent + 24 ? ((unsigned)(exponent + 24) << 10) + steps : steps);
}

// The launch ends here: the fiber is never entered again, and kernels own nothing that would have to be freed.
void fail(const char* message) {
  block().failure = message;
  leave_fiber();
  __builtin_trap();
}

void wait_for_block() {
  block().current->state = AT_BARRIER;
  block().at_barrier++;
  leave_fiber();
}

static void open_barrier() {
  Block& b = block();
  b.result = b.votes;
  b.votes = b.at_barrier = 0;
  for (auto& f : b.fibers)
    if (f.state == AT_BARRIER) f.state = READY;
}

// The values of all lanes in the mask, once they have arrived.
uint64_t* exchange(unsigned mask, uint64_t value, int op) {
  Block& b = block();
  Fiber* f = b.current;
  Warp& w = b.warps[f->warp];
  int lanes = std::min(32, (int)(b.fibers.size() - f->warp * 32));
  if (!(mask >> f->lane & 1)) fail("a lane calls a *_sync function with a mask that leaves it out");
  mask &= lanes == 32 ? ~0u : (1u << lanes) - 1;
  if (w.arrived == 0) {
    w.mask = mask;
    w.op = op;
  } else if (w.mask != mask || w.op != op) {
    fail("lanes of one warp meet in different *_sync functions or masks");
  }
  uint64_t* slot = w.slot[w.phase & 1];
  slot[f->lane] = value;
  w.arrived |= 1u << f->lane;
  if (w.arrived == w.mask) {
    w.arrived = 0;
    w.phase++;
    for (auto& other : b.fibers)
      if (other.warp == f->warp && other.state == AT_WARP) other.state = READY;
  } else {
    f->state = AT_WARP;
    leave_fiber();
  }
  return slot;
}

// Poisoned with ones (NaN, -1) when a block first asks for it.
char* shared_memory(const void* tag, size_t bytes) {
  Block& b = block();
  auto known = b.shared_places.find(tag);
  if (known != b.shared_places.end()) return b.shared.data() + known->second;
  size_t place = (b.shared_used + 15) / 16 * 16;
  if (place + bytes > (b.dynamic_bytes ? SHARED_BYTES : STATIC_BYTES)) fail("too much shared memory");
  b.shared_used = place + bytes;
  b.shared_places.emplace(tag, place);
  std::memset(b.shared.data() + place, 0xFF, bytes);
  return b.shared.data() + place;
}

static bool run_block(int n) {
  Block& b = block();
  std::vector<int> order(n);
  b.warps.assign((n + 31) / 32, Warp());
  b.shared_used = b.votes = b.at_barrier = 0;
  b.shared_places.clear();
  b.alive = n;
  for (int i = 0; i < n; i++) {
    Fiber& f = b.fibers[i];
    f.number = i, f.lane = i % 32, f.warp = i / 32, f.state = READY;
    f.thread = {(unsigned)i, 0, 0};
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
  Block& b = block();
  while (stacks.size() < n) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char* pages = (char*)mmap(nullptr, STACK + 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    mprotect(pages, 4096, PROT_NONE);  // a stack that is too small ends in a fault
    stacks.push_back(pages + 4096);
  }
  b.fibers.resize(n);
  for (size_t i = 0; i < n; i++) b.fibers[i].stack = stacks[i];
}
}  // namespace emulation

using namespace emulation;

EXPORT void* thinc_emulation_find(const char* name) {
  auto found = registry().find(name);
  return found == registry().end() ? nullptr : &found->second;
}
EXPORT const char* thinc_emulation_kinds(const void* kernel) { return ((const Kernel*)kernel)->kinds.c_str(); }
EXPORT const char* thinc_emulation_failure() { return last_failure.c_str(); }
EXPORT void thinc_emulation_schedule(int which, unsigned number) {
  schedule = (Schedule)which;
  seed = number;
}

// The signature of cuLaunchKernel.
EXPORT int thinc_emulation_launch(void* kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                                  unsigned bz, unsigned dynamic_bytes, void*, void** arguments, void**) {
  Block& b = block();
  if (bx == 0 || bx > 1024 || by != 1 || bz != 1 || gx == 0 || gy == 0 || gy > 65535 || gz != 1) {
    last_failure = "no such grid or block can be launched";
    return 1;
  }
  b.grid = {gx, gy, gz};
  b.block = {bx, by, bz};
  b.body = ((Kernel*)kernel)->body;
  b.arguments = arguments;
  b.dynamic_bytes = dynamic_bytes;
  b.random = seed * 2654435761u + 1;
  b.failure = nullptr;
  b.shared.resize(SHARED_BYTES);
  make_fibers(bx);
  for (unsigned y = 0; y < gy; y++)
    for (unsigned x = 0; x < gx; x++) {
      b.number = {x, y, 0};
      if (!run_block((int)bx)) {
        last_failure = std::string(b.failure) + " (block " + std::to_string(x) + ", thread " +
                       std::to_string(b.current ? b.current->number : -1) + ")";
        return 2;
      }
    }
  return 0;
}
