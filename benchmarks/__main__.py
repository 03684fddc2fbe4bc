"""Starts the benchmarks with one thread on every side, which must be said before any of them starts its pool."""

import os
import sys

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")  # see machine.SPIN

if __name__ == "__main__":
    from .cli import main

    sys.exit(main())
