// Runs the pool of threads.cpp from several callers while the number of threads changes; ThreadSanitizer watches.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "threads.h"

namespace {

struct Job {
  std::vector<int> done;
};

void mark(void* work, size_t part) { ++static_cast<Job*>(work)->done[part]; }

void mark_inside(void* work, size_t part) {
  Job inner;
  inner.done.assign(3, 0);
  thinc::run_parts(mark, &inner, 3);  // nested: computed here, one after the other
  for (int count : inner.done) static_cast<Job*>(work)->done[part] += count == 1;
}

void expect(const Job& job, int times) {
  for (size_t i = 0; i < job.done.size(); ++i)
    if (job.done[i] != times) {
      std::printf("part %zu of %zu was computed %d times\n", i, job.done.size(), job.done[i]);
      std::exit(1);
    }
}

void call_often() {
  for (size_t i = 0; i < 3000; ++i) {
    Job job;
    job.done.assign(1 + i % 13, 0);
    thinc::run_parts(i % 5 ? mark : mark_inside, &job, job.done.size());
    expect(job, i % 5 ? 1 : 3);
    if (i % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // workers fall asleep
  }
}

}  // namespace

int main() {
  thinc::set_thread_count(4);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back(call_often);
  for (size_t i = 0; i < 50; ++i) {
    thinc::set_thread_count(1 + i % 4);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (std::thread& caller : callers) caller.join();
  thinc::set_thread_count(3);
  call_often();
  std::puts("every part once");
}
