// The pool of threads that kernels share: who runs the parts of a loop. Kernels use in_parts_ of parallel.h.
#pragma once
#include <cstddef>

namespace thinc {

typedef void (*PartOfWork)(void* work, size_t part);

// How many threads a kernel may use, the caller's among them; 1 at first.
size_t thread_count();
void set_thread_count(size_t n);

// part(work, i) for each i < parts, on the calling thread and on those of the pool that are free; returns when all are
// done. Within a part, and while another thread's parts run, the caller computes all of its own parts.
void run_parts(PartOfWork part, void* work, size_t parts);

}  // namespace thinc
