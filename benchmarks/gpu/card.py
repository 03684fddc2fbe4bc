"""The device that is measured: CuPy's, or the emulator, on which every line runs but no figure of time is one."""

import contextlib
import math
import sys
import time
from dataclasses import dataclass, fields, is_dataclass, replace
from statistics import median, quantiles
from typing import Any, Callable, Dict, Iterator, List, Mapping, NoReturn, Tuple

import numpy as np

from ..machine import ROOT
from ..timing import Timing

Call = Callable[[], Any]


@dataclass
class Scale:
    """How much of everything.

    rows: of the batches that fit into the cache; targets are stated for 8192.  filler: bytes of the buffer whose copy
    is the measure of bandwidth.  rounds: per side.  queued: calls between two events.  batches: of a training run.
    items: of a batch, at most.  beyond: elements of the array that no 32-bit index reaches the end of.
    """

    rows: int = 8192
    filler: int = 1 << 30
    rounds: int = 15
    queued: int = 20
    batches: int = 24
    items: int = 1000
    beyond: int = 2**31 + 1000


DRY = Scale(rows=6, filler=1 << 12, rounds=2, queued=1, batches=1, items=2, beyond=1000)
QUICK = Scale(rounds=3, queued=5, batches=4)


class Card:
    """A CUDA device that is current from now on. number: of the device."""

    dry = False

    def __init__(self, number: int, scale: Scale) -> None:
        from thinc_core.api import get_current_ops, require_gpu

        require_gpu(number)
        self.ops: Any = get_current_ops()
        self.number, self.scale, self.xp, self.cuda = number, scale, self.ops.xp, self.ops.xp.cuda
        self.properties: Dict[str, Any] = self.cuda.runtime.getDeviceProperties(number)
        self.l2 = int(self.properties["l2CacheSize"])
        self._filler = [self.xp.empty((scale.filler // 4,), dtype="float32") for _ in range(2)]
        self._filler[0].fill(1)
        self.copy_seconds = 0.0
        self.copy_seconds = median(self.elapsed(self.copy, 1) for _ in range(20))

    @property
    def copy_rate(self) -> float:
        """Bytes per second, read and written, of a copy that no cache holds."""
        return 2 * self.scale.filler / self.copy_seconds

    def big_rows(self, width: int) -> int:
        """Rows of float32 that take three times the second-level cache."""
        return -(-3 * self.l2 // (4 * width))

    def copy(self) -> None:
        """One buffer to the other."""
        self.xp.copyto(self._filler[1], self._filler[0])

    def synchronize(self) -> None:
        """Wait for all that was launched."""
        self.cuda.runtime.deviceSynchronize()

    def moved(self, value: Any) -> Any:
        """Arrays of NumPy on the device, in lists, tuples and containers too; anything else as it is."""
        return mapped(value, np.ndarray, self.ops.asarray)

    def tensors(self, torch: Any, value: Any) -> Any:
        """Arrays of the device as tensors that share their memory, in lists too."""
        if isinstance(value, self.xp.ndarray):
            return self._tensor(torch, value)
        return [self.tensors(torch, item) for item in value] if isinstance(value, list) else value

    def _tensor(self, torch: Any, array: Any) -> Any:
        return torch.from_dlpack(array)

    @property
    def torch_device(self) -> str:
        """What PyTorch calls this device."""
        return f"cuda:{self.number}"

    def original(self, api: Any) -> Any:
        """The ops of the original library on this device."""
        return api.CupyOps()

    # Time

    def host_seconds(self, call: Call, calls: int) -> float:
        """Seconds of the host per call, which does not wait for the device."""
        self.synchronize()
        started = time.perf_counter()
        for _ in range(calls):
            call()
        spent = time.perf_counter() - started
        self.synchronize()
        return spent / calls

    def elapsed(self, call: Call, calls: int, host: float = 0.0) -> float:
        """Seconds of the device per call, between events before and after so many of them.

        host: seconds of the host per call. The device is kept busy for as long as the host takes to queue all of them,
        so that it runs them without a gap.
        """
        for _ in range(math.ceil(host * calls / self.copy_seconds) + 1 if host else 0):
            self.copy()
        start, end = self.cuda.Event(), self.cuda.Event()
        start.record()
        for _ in range(calls):
            call()
        end.record()
        end.synchronize()
        return float(self.cuda.get_elapsed_time(start, end)) / 1e3 / calls

    def paired(self, sides: Mapping[str, Call]) -> Tuple[Dict[str, Timing], Dict[str, float]]:
        """Seconds of the device per call of each side, the median of rounds of alternate order; and of the host."""
        for call in sides.values():
            call()  # compiles, fills the pool
        calls = self.scale.queued
        host = {name: self.host_seconds(call, calls) for name, call in sides.items()}
        samples: Dict[str, List[float]] = {name: [] for name in sides}
        for turn in range(self.scale.rounds):
            for name in list(sides)[:: -1 if turn % 2 else 1]:
                samples[name].append(self.elapsed(sides[name], calls, host[name]))
        return {name: typical(values) for name, values in samples.items()}, host

    # Launches

    def kernels(self, call: Call) -> int:
        """How many of our kernels a call launches."""
        from thinc_core.backends.cuda import current_device

        device, count = current_device(self.xp), 0
        find = device.kernel

        def counted(stem: str, name: str) -> Any:
            nonlocal count
            count += 1
            return find(stem, name)

        vars(device)["kernel"] = counted
        try:
            call()
        finally:
            del vars(device)["kernel"]
        return count


class EmulatedCard(Card):
    """The emulator in the place of the device: small sizes, and times that say nothing."""

    dry = True

    def _tensor(self, torch: Any, array: Any) -> Any:
        return torch.from_numpy(array.get())

    @property
    def torch_device(self) -> str:
        return "cpu"

    def original(self, api: Any) -> Any:
        return api.NumpyOps()


def mapped(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """value with all arrays of this kind changed, in lists, tuples and containers too."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(member, kind, change) for member in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: mapped(getattr(value, each.name), kind, change) for each in fields(value)})
    return value


def typical(samples: List[float]) -> Timing:
    """The median, and how far apart the quartiles are."""
    middle = median(samples)
    low, _, high = quantiles(samples, n=4) if len(samples) > 1 else (middle, middle, middle)
    return Timing(middle, (high - low) / max(middle, 1e-12))


@contextlib.contextmanager
def opened(backend: str, number: int, quick: bool) -> Iterator[Card]:
    """The card, for as long as the block lasts. RAISES: SystemExit with one sentence when there is none."""
    if backend == "cupy":
        from thinc_core.backends import gpu_problem

        problem = gpu_problem()
        if problem is not None:
            _give_up(problem)
        try:
            card = Card(number, QUICK if quick else Scale())
        except ValueError as error:  # a number that no device has
            _give_up(str(error))
        yield card
        return
    use_tests()
    import emulated_gpu

    problem = emulated_gpu.problem()
    if problem is not None:
        _give_up(problem)
    with emulated_gpu.installed():
        yield EmulatedCard(number, DRY)


def _give_up(problem: str) -> NoReturn:
    print(f"benchmarks: {problem}", file=sys.stderr)
    raise SystemExit(2)


def use_tests() -> None:
    """Make the tables of the test suite importable: rows of ops, tolerances, the emulator."""
    folder = str(ROOT / "tests")
    if folder not in sys.path:
        sys.path.append(folder)
