"""What every figure depends on: machine, versions, threads; and the peers that run beside us."""

import ctypes
import importlib
import importlib.util
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .timing import QUICK, Plan, Side, paired

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("thinc", "torch", "numpy")
ALIASES = {"original": "thinc", "pytorch": "torch"}
MODULES = {"thinc": "thinc.api", "torch": "torch", "numpy": "numpy"}
# Threads of PyTorch and OpenBLAS look for more work for a while, on cores that the next side needs. __main__ sets
# OPENBLAS_THREAD_TIMEOUT to 20 (2^20 cycles instead of 2^28), which changes nothing while calls follow each other.
SPIN = 0.01
BUSY = 0.5  # load average per core, beyond which a warning is due


def available_peers(wanted: Optional[str]) -> List[str]:
    """The peers to measure: those asked for (comma-separated, `none` for none), or all that are installed."""
    given = PEERS if wanted is None else [name.strip() for name in wanted.split(",")]
    names = [ALIASES.get(name, name) for name in given if name and name != "none"]
    for name in names:
        if name not in PEERS:
            known = ", ".join((*PEERS, *ALIASES, "none"))
            raise SystemExit(f"benchmarks: --peers must be of {known}; got {name}")
        if wanted is not None and importlib.util.find_spec(name) is None:
            raise SystemExit(f"benchmarks: {name} is not installed for {sys.executable}")
    return [name for name in names if importlib.util.find_spec(name) is not None]


@dataclass
class Setup:
    """What is measured and how: the peers' modules by name, numbers of threads, time per row."""

    peers: Dict[str, Any] = field(default_factory=dict)
    threads: Sequence[int] = (1,)
    quick: bool = False
    _peaks: Dict[Tuple[str, int], float] = field(default_factory=dict)
    _now: int = 0
    _before: Tuple[str, int] = ("", 1)

    @property
    def plan(self) -> Plan:
        """How long a row takes."""
        return QUICK if self.quick else Plan()

    def use_threads(self, n: int) -> None:
        """So many threads for every side that can use them."""
        if n == self._now:
            return
        from thinc_core.backends import set_num_threads

        set_num_threads(n)
        if "torch" in self.peers:
            self.peers["torch"].set_num_threads(n)
        set_blas_threads(n)
        self._now = n

    def switch(self, key: Tuple[str, int]) -> None:
        """Before the slot of a side, by name and number of threads."""
        if self._before[1] > 1 and self._before[0] in self.peers:
            time.sleep(SPIN)
        self._before = key
        self.use_threads(key[1])

    def peak(self, dtype: str, threads: int) -> float:
        """The best rate of any library in products that fit the second-level cache, FLOP/s; measured once."""
        if (dtype, threads) not in self._peaks:
            self._peaks[dtype, threads] = max(self._product_rate(dtype, threads, n) for n in (192, 384))
        return self._peaks[dtype, threads]

    def _product_rate(self, dtype: str, threads: int, n: int) -> float:
        import numpy as np

        from thinc_core.api import NumpyOps

        A, B = np.ones((n, n), dtype), np.ones((n, n), dtype)
        ops: Any = NumpyOps()
        calls: Dict[str, Callable[[], Any]] = {"ours": lambda: ops.gemm(A, B), "numpy": lambda: A @ B}
        if "torch" in self.peers:
            a, b = map(self.peers["torch"].from_numpy, (A, B))
            calls["torch"] = lambda: a @ b
        self.use_threads(threads)
        timings = paired({name: Side(call) for name, call in calls.items()}, self.plan)
        return 2.0 * n**3 / min(timing.best for timing in timings.values())


def settle_allocator() -> None:
    """Lets malloc learn that large arrays come and go, as they do in a process that has been at work for a while.

    Until then it gets fresh pages from the system for each of them, which the first rows alone would pay for.
    """
    import numpy

    for _ in range(2):
        numpy.ones(31 << 20, dtype=numpy.uint8)


def load(names: Sequence[str]) -> Dict[str, Any]:
    """The modules of the peers."""
    settle_allocator()
    modules = {name: importlib.import_module(MODULES[name]) for name in names}
    if "torch" in modules:
        modules["torch"].set_grad_enabled(False)
    return modules


def set_blas_threads(n: int) -> bool:
    """Threads of the OpenBLAS that NumPy brought; tells whether there is one."""
    import numpy

    for path in (Path(numpy.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads"):
            if hasattr(library, name):
                getattr(library, name)(n)
                return True
    return False


def processor() -> str:
    """The name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    parts = {key.strip(): value.strip() for key, value in named.items()}
    name = parts.get("model name", platform.machine())
    return f"{name} (family {parts['cpu family']}, model {parts['model']})" if "cpu family" in parts else name


def commit() -> str:
    """The commit that is measured, with a plus sign when files differ from it."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, encoding="utf-8"
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def circumstances(peers: Sequence[str]) -> Dict[str, Any]:
    """Everything a figure depends on."""
    from importlib.metadata import version

    import thinc_core
    from thinc_core.backends import active_isa
    from thinc_core.backends.cblas import active_blas

    return {
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "thinc_core": thinc_core.__version__,
        **{name: version(name) for name in dict.fromkeys(["numpy", "blis", *peers])},
        "isa": active_isa(),
        "blas": active_blas(),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def warnings(setup: Setup) -> List[str]:
    """What will spoil the figures, seen before anything is measured."""
    found = []
    cores = os.cpu_count() or 1
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > BUSY * cores:
        found.append(f"something else is running here (load {os.getloadavg()[0]:.1f} on {cores} cores)")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    if max(setup.threads) > usable:
        found.append(f"--threads {max(setup.threads)} on {usable} usable cores")
    if os.environ.get("OPENBLAS_CORETYPE"):
        found.append("OPENBLAS_CORETYPE is set: NumPy's products may not be at their best")
    return found
