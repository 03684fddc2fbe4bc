"""What the machine is, how fast it copies, how long kernels take to load, and what a launch costs the host."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Any, Callable, Dict, Iterator, List

from ..machine import ROOT
from ..result import OURS, Result, Target
from ..timing import Timing
from .card import Card

WARM_TARGET = 0.2  # seconds in which a process has its kernels when they are in CuPy's cache


def circumstances(card: Card) -> Dict[str, Any]:
    """What every figure depends on, besides the processor."""
    runtime, properties = card.cuda.runtime, card.properties
    return {
        "backend": "emulator (dry run)" if card.dry else "cupy",
        "gpu": properties["name"].decode(),
        "sms": properties["multiProcessorCount"],
        "compute_capability": card.cuda.Device(card.number).compute_capability,
        "l2_mb": round(card.l2 / 1e6, 1),
        "memory_gb": round(properties["totalGlobalMem"] / 1e9, 1),
        "cupy": getattr(card.xp, "__version__", "?"),
        "cuda_driver": runtime.driverGetVersion(),
        "cuda_runtime": runtime.runtimeGetVersion(),
        "nvrtc": nvrtc_version(),
    }


def nvrtc_version() -> str:
    """Of the compiler that CuPy finds."""
    from cupy.cuda import nvrtc

    try:
        return ".".join(map(str, nvrtc.getVersion()))
    except Exception as error:  # of every kind, where the library is missing
        return f"none: {type(error).__name__}"


def jobs(card: Card) -> List[Callable[[], Iterator[Result]]]:
    """What is measured first, in order."""

    def bandwidth() -> Iterator[Result]:
        yield timed(card, "copy of 1 GiB", card.copy_seconds, rate="GB/s", work=2 * card.scale.filler / 1e9)

    def loading() -> Iterator[Result]:
        yield from load_results(card)

    def launching() -> Iterator[Result]:
        yield from launch_results(card)

    return [bandwidth, loading, launching]


def timed(card: Card, name: str, seconds: float, **more: Any) -> Result:
    """A row with one figure, which a dry run does not show."""
    if card.dry:
        return Result("gpu", name, "", {}, family="probe", note="dry run: ran")
    return Result("gpu", name, "", {OURS: Timing(seconds)}, family="probe", **more)


def load_results(card: Card) -> Iterator[Result]:
    """Seconds to have a kernel of every file: compiled anew, and in a second process from CuPy's cache.

    This process uses that cache too, which saves compiling everything once more.
    """
    cache = tempfile.mkdtemp(prefix="thinc_core_kernels_")
    atexit.register(shutil.rmtree, cache, ignore_errors=True)
    for which in ("cold", "warm"):
        seconds = load_in_child(card, cache)
        result = timed(card, f"kernels of all files, {which}", seconds["total"] - seconds["context"])
        result.note = result.note or f"after {seconds['context']:.2f} s for CuPy and the context"
        result.extra = {} if card.dry else {"seconds": {name: round(s, 4) for name, s in seconds.items()}}
        if which == "warm" and result.measured:
            result.costs["limit"], result.targets = Timing(WARM_TARGET), [Target("limit", 1.0)]
        yield result
    if not card.dry:
        os.environ["CUPY_CACHE_DIR"] = cache


def load_in_child(card: Card, cache: str) -> Dict[str, float]:
    """What load.py prints in a process of its own that uses this cache."""
    command = [sys.executable, "-m", "benchmarks.gpu.load", *(["emulated"] if card.dry else [])]
    environment = {**os.environ, "CUPY_CACHE_DIR": cache}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"loading kernels failed: {done.stderr.strip().splitlines()[-1:]}")
    found: Dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def launch_results(card: Card) -> Iterator[Result]:
    """Host time of a launch: the launcher alone, a whole op of ours, the same in CuPy's own array code."""
    from thinc_core.backends.cuda import current_device

    X, Y = (card.xp.zeros((256,), dtype="float32") for _ in range(2))
    device = current_device(card.xp)
    calls: Dict[str, Callable[[], Any]] = {
        "launch of a kernel": lambda: device.launch("activations", "relu_f32", 64, Y, X, 256),
        "relu of 256 values, out given": lambda: card.ops.relu(X, out=Y),
        "relu of 256 values": lambda: card.ops.relu(X),
        "the same by CuPy: maximum": lambda: card.xp.maximum(X, 0, out=Y),
    }
    for name, call in calls.items():
        call()
        seconds = min(card.host_seconds(call, 10 if card.dry else 200) for _ in range(10))
        yield timed(card, f"host: {name}", seconds)
