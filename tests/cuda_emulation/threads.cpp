// A thread of the system for each thread of the grid, all at once, so that ThreadSanitizer sees what they do to the
// same memory. This file is compiled without it, and its locks order nothing in the sanitizer's eyes: only barriers do,
// and __syncwarp. A shuffle does not, as on the device.
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "emulation.h"  // after those that CUDA's names would disturb

extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace emulation {

struct Warp {
  uint64_t slot[2][32];
  uint32_t mask = 0, arrived = 0, phase = 0;
  Meeting meeting = SYNCWARP;
  char order[2];  // for the sanitizer, by turns: a thread that is late must not see what others do after the next one
};
struct Block {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Warp> warps;
  int alive = 0, waiting = 0, at_barrier = 0, votes = 0, result = 0;
  uint32_t phase = 0;
  std::vector<char> shared;
  size_t shared_used = 0;
  std::map<const void*, size_t> shared_places;
  char order[2];
};
static thread_local Block* block;
static thread_local Here own;

void set_schedule(Schedule, uint32_t) {}
void set_first_block(unsigned) {}
const Here& here() { return own; }

// The other threads are at work and cannot be stopped.
void fail(const char* message) {
  std::fprintf(stderr, "emulated threads: %s (block %u, thread %u)\n", message, own.block.x, own.thread.x);
  _exit(3);
}

struct Lock : std::unique_lock<std::mutex> {
  Lock() : std::unique_lock<std::mutex>((AnnotateIgnoreSyncBegin(__FILE__, __LINE__), block->mutex)) {}
  ~Lock() {
    unlock();
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  }
  // Until the phase is another one.
  void wait(const uint32_t& phase) {
    uint32_t before = phase;
    if (++block->waiting == block->alive)
      fail("threads wait for each other for ever: a barrier or a *_sync function that not all of them reach");
    while (phase == before) block->changed.wait(*this);
  }
  void release(uint32_t& phase, int others) {
    phase++;
    block->waiting -= others;
    block->changed.notify_all();
  }
};

static void open_barrier(Lock& lock, int others) {
  block->result = block->votes;
  block->votes = block->at_barrier = 0;
  lock.release(block->phase, others);
}

static int vote_locked(int value) {
  Lock lock;
  block->votes += value;
  if (++block->at_barrier == block->alive) {
    open_barrier(lock, block->alive - 1);
  } else {
    lock.wait(block->phase);
  }
  return block->result;
}
// Within the lock the sanitizer would hear nothing of the order. The phase does not change before this thread arrives.
int vote(int value) {
  char* order = &block->order[block->phase & 1];
  __tsan_release(order);
  int result = vote_locked(value);
  __tsan_acquire(order);
  return result;
}

static const uint64_t* exchange_locked(unsigned mask, uint64_t value, Meeting meeting) {
  static thread_local uint64_t found[32];
  Lock lock;
  Warp& w = block->warps[own.warp];
  int lanes = std::min(32, (int)own.block_size.x - own.warp * 32);
  if (!(mask >> own.lane & 1)) fail("a lane calls a *_sync function with a mask that leaves it out");
  mask &= lanes == 32 ? ~0u : (1u << lanes) - 1;
  if (w.arrived == 0) {
    w.mask = mask;
    w.meeting = meeting;
  } else if (w.mask != mask || w.meeting != meeting) {
    fail("lanes of one warp meet in different *_sync functions or masks");
  }
  uint64_t* slot = w.slot[w.phase & 1];
  slot[own.lane] = value;
  w.arrived |= 1u << own.lane;
  if (w.arrived == w.mask) {
    w.arrived = 0;
    lock.release(w.phase, __builtin_popcount(w.mask) - 1);
  } else {
    lock.wait(w.phase);
  }
  std::memcpy(found, slot, sizeof found);
  return found;
}
const uint64_t* exchange(unsigned mask, uint64_t value, Meeting meeting) {
  Warp& w = block->warps[own.warp];
  char* order = &w.order[w.phase & 1];
  if (meeting == SYNCWARP) __tsan_release(order);
  const uint64_t* found = exchange_locked(mask, value, meeting);
  if (meeting == SYNCWARP) __tsan_acquire(order);
  return found;
}

char* shared_memory(const void* tag, size_t bytes) {
  Lock lock;
  auto known = block->shared_places.find(tag);
  if (known != block->shared_places.end()) return block->shared.data() + known->second;
  size_t place = (block->shared_used + 15) / 16 * 16;
  if (place + bytes > (own.dynamic_bytes ? SHARED_BYTES : STATIC_BYTES)) fail("too much shared memory");
  block->shared_used = place + bytes;
  block->shared_places.emplace(tag, place);
  return block->shared.data() + place;
}

static void run_thread(Block* mine, unsigned number, uint3 at, const Launch& launch) {
  block = mine;
  own = {{number, 0, 0}, at, launch.block, launch.grid, (int)number % 32, (int)number / 32, launch.dynamic_bytes};
  launch.body(launch.arguments);
  Lock lock;
  block->alive--;
  if (block->alive == 0) return;
  if (block->at_barrier == block->alive) {
    open_barrier(lock, block->alive);
  } else if (block->waiting == block->alive) {
    fail("threads wait for each other for ever: a barrier or a *_sync function that not all of them reach");
  }
}

// Threads wait here from launch to launch: to start one takes longer than most kernels.
struct Pool {
  std::mutex mutex;
  std::condition_variable changed;
  const Launch* launch;
  std::vector<std::unique_ptr<Block>> blocks;
  size_t threads = 0, wanted = 0, left = 0;
  uint32_t phase = 0;
  char begin, end;  // for the sanitizer
};
static Pool& pool = *new Pool;  // never destroyed, as threads wait there when the process ends

static void serve(size_t i, uint32_t seen) {
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  for (;;) {
    std::unique_lock<std::mutex> lock(pool.mutex);
    while (pool.phase == seen) pool.changed.wait(lock);
    seen = pool.phase;  // a thread that is not wanted may sleep through some launches, and must not do one twice
    if (i >= pool.wanted) continue;
    lock.unlock();
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    __tsan_acquire(&pool.begin);
    const Launch& launch = *pool.launch;
    unsigned n = launch.block.x, number = (unsigned)(i / n);
    uint3 at = {number % launch.grid.x, number / launch.grid.x, 0};
    run_thread(pool.blocks[number].get(), (unsigned)(i % n), at, launch);
    __tsan_release(&pool.end);
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
    lock.lock();
    if (--pool.left == 0) pool.changed.notify_all();
  }
}

std::string run(const Launch& launch) {
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  std::unique_lock<std::mutex> lock(pool.mutex);
  unsigned n = launch.block.x, blocks = launch.grid.x * launch.grid.y;
  pool.launch = &launch;
  pool.blocks.clear();
  for (unsigned i = 0; i < blocks; i++) {
    pool.blocks.emplace_back(new Block);
    pool.blocks[i]->alive = (int)n;
    pool.blocks[i]->warps.resize((n + 31) / 32);
    pool.blocks[i]->shared.assign(SHARED_BYTES, (char)0xFF);
  }
  pool.wanted = pool.left = (size_t)blocks * n;
  for (; pool.threads < pool.wanted; pool.threads++) std::thread(serve, pool.threads, pool.phase).detach();
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  __tsan_release(&pool.begin);
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  pool.phase++;
  pool.changed.notify_all();
  while (pool.left) pool.changed.wait(lock);
  lock.unlock();
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
  __tsan_acquire(&pool.end);
  return "";
}
}  // namespace emulation
