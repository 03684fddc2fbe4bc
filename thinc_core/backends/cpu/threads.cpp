// A pool of worker threads for loops that take from ten microseconds up.
//
// One job runs at a time. Its parts are handed out by counting a ticket down, so whoever is awake takes the next one,
// and the caller never waits for a worker that has not begun. Workers spin for a moment after a job, because the next
// one usually follows at once, then sleep. A forked child has none of its parent's threads and starts its own.
#include "threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

namespace thinc {
namespace {

constexpr auto SPIN = std::chrono::microseconds(150);
constexpr int SPINS_PER_LOOK = 64;  // at the clock

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  asm volatile("yield");
#endif
}

std::atomic<size_t> wanted{1};

// A worker that is late may still read the job of before; it takes a part only if the ticket has not changed since.
struct Pool {
  std::atomic<uint64_t> ticket{0};  // number of the job << 32 | parts not yet taken
  std::atomic<size_t> unfinished{0};
  std::atomic<PartOfWork> part{nullptr};
  std::atomic<void*> work{nullptr};
  std::atomic<bool> busy{false};
  std::atomic<bool> over{false};  // another pool has taken its place
  std::atomic<size_t> sleeping{0};
  std::mutex mutex;
  std::condition_variable wake;
  size_t started = 0;  // touched by whoever made the pool busy
};

bool has_parts(uint64_t ticket) { return uint32_t(ticket) != 0; }

// Takes and computes one part; false when none was left.
bool compute_one(Pool& pool) {
  uint64_t ticket = pool.ticket.load(std::memory_order_acquire);
  while (has_parts(ticket)) {
    const PartOfWork part = pool.part.load(std::memory_order_relaxed);
    void* const work = pool.work.load(std::memory_order_relaxed);
    if (!pool.ticket.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    part(work, uint32_t(ticket) - 1);
    pool.unfinished.fetch_sub(1, std::memory_order_release);
    return true;
  }
  return false;
}

bool is_called(const Pool& pool) { return has_parts(pool.ticket.load()) || pool.over.load(); }

// More threads than processors would take turns instead of spinning side by side. Counting these reads a file.
bool worth_spinning() {
  static const unsigned processors = std::thread::hardware_concurrency();
  return wanted.load(std::memory_order_relaxed) <= processors;
}

void wait_for_work(Pool& pool) {
  const auto until = std::chrono::steady_clock::now() + SPIN;
  while (worth_spinning() && std::chrono::steady_clock::now() < until)
    for (int i = 0; i < SPINS_PER_LOOK; ++i, relax())
      if (is_called(pool)) return;
  std::unique_lock<std::mutex> lock(pool.mutex);
  pool.sleeping.fetch_add(1);
  pool.wake.wait(lock, [&] { return is_called(pool); });
  pool.sleeping.fetch_sub(1);
}

void serve(Pool* pool) {
  while (!pool->over.load()) {
    wait_for_work(*pool);
    while (compute_one(*pool)) {
    }
  }
}

// Signals are for the threads of the interpreter.
#if defined(_WIN32)
void start_worker(Pool& pool) { std::thread(serve, &pool).detach(); }
#else
void start_worker(Pool& pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread(serve, &pool).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}
#endif

// As many workers as wanted, or as the system allows: the caller computes what nobody helps with.
void start_workers(Pool& pool) {
  try {
    for (; pool.started + 1 < wanted.load(std::memory_order_relaxed); ++pool.started) start_worker(pool);
  } catch (const std::system_error&) {
  }
}

// Never freed, as a worker may look at it at any time: a few hundred bytes for each change of the number of threads.
std::atomic<Pool*> current{nullptr};

#if !defined(_WIN32)
void forget_pool() { current.store(nullptr); }
const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
#endif

Pool& the_pool() {
  Pool* pool = current.load();
  if (pool) return *pool;
  Pool* const made = new Pool;
  if (current.compare_exchange_strong(pool, made)) return *made;
  delete made;
  return *pool;
}

// Whoever was about to sleep has looked once more, or is asleep, when the lock has been free.
void call_sleepers(Pool& pool) {
  {
    std::lock_guard<std::mutex> lock(pool.mutex);
  }
  pool.wake.notify_all();
}

void wait_for_workers(const Pool& pool) {
  for (int i = 0; pool.unfinished.load(std::memory_order_acquire) != 0; ++i) {
    relax();
    if (i >= 1000) std::this_thread::yield();
  }
}

}  // namespace

size_t thread_count() { return wanted.load(std::memory_order_relaxed); }

void set_thread_count(size_t n) {
  if (wanted.exchange(n) == n) return;
  Pool* const pool = current.exchange(nullptr);
  if (!pool) return;
  pool->over.store(true);
  call_sleepers(*pool);
}

void run_parts(PartOfWork part, void* work, size_t parts) {
  Pool& pool = the_pool();
  if (parts > UINT32_MAX || pool.busy.exchange(true, std::memory_order_acquire)) {
    for (size_t i = 0; i < parts; ++i) part(work, i);
    return;
  }
  start_workers(pool);
  pool.part.store(part, std::memory_order_relaxed);
  pool.work.store(work, std::memory_order_relaxed);
  pool.unfinished.store(parts, std::memory_order_relaxed);
  pool.ticket.store(((pool.ticket.load(std::memory_order_relaxed) >> 32) + 1) << 32 | parts);
  if (pool.sleeping.load() != 0) call_sleepers(pool);
  while (compute_one(pool)) {
  }
  wait_for_workers(pool);
  pool.busy.store(false, std::memory_order_release);
}

}  // namespace thinc
