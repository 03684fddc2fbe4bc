"""Every op over a sweep of sizes: our time beside a copy of the same bytes, the original, PyTorch and NumPy."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from .inputs import moved_bytes
from .jobs import Job, Selection
from .machine import Setup
from .ops import FAMILIES
from .result import OURS, Result, Target
from .rows import FLOATS, At, Op
from .timing import Side, Timing, paired

Call = Callable[[], Any]
TYPES = {"float32": "f32", "float64": "f64", "uint64": "u64"}
# Never slower with more threads; how much noise may look like it.
THREADS_SLACK = 0.05


@dataclass
class Sides:
    """What is timed in one row: calls that are ours or use threads, once per number of threads; the others once."""

    threaded: Dict[str, Call] = field(default_factory=dict)
    single: Dict[str, Call] = field(default_factory=dict)
    missing: Dict[str, str] = field(default_factory=dict)

    def add(self, name: str, call: Optional[Call], threaded: bool = False) -> None:
        """Takes a side if it runs. What a peer refuses (float64, say) is noted, not measured."""
        if call is None:
            return
        try:
            call()
        except Exception as error:
            self.missing[name] = f"{type(error).__name__}: {error}".split("\n")[0][:80]
        else:
            (self.threaded if threaded else self.single)[name] = call


def as_tensors(torch: Any, value: Any) -> Any:
    """Arrays as tensors that share their memory, in lists too."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return [as_tensors(torch, item) for item in value] if isinstance(value, list) else value


def floors(traffic: float) -> Dict[str, Call]:
    """Reading and writing as many bytes as the op must: into an array that is there, and into a fresh one."""
    source = np.ones(max(1, int(traffic // 8)), dtype=np.float32)
    target = np.empty_like(source)
    return {"copy": lambda: np.copyto(target, source), "fresh": lambda: np.copyto(np.empty_like(source), source)}


def peer_sides(sides: Sides, op: Op, args: Tuple[Any, ...], peers: Dict[str, Any]) -> None:
    """The same work in each peer, where it has a counterpart."""
    if "thinc" in peers and op.original is not False:
        native = peers["thinc"].NumpyOps()
        own = op.original(peers["thinc"], *args) if callable(op.original) else None
        if own or op.call or hasattr(native, op.name):
            sides.add("thinc", own or (lambda: op.run(native, *args)))
    if "torch" in peers and op.torch is not None:
        torch = peers["torch"]
        sides.add("torch", op.torch(torch, *(as_tensors(torch, arg) for arg in args)), threaded=True)
    if "numpy" in peers and op.numpy is not None:
        numpy = op.numpy
        sides.add("numpy", lambda: numpy(*args), threaded=op.flops is not None)


def sides_of(op: Op, at: At, ops: Any, peers: Dict[str, Any]) -> Tuple[Sides, Tuple[Any, ...], float]:
    """The sides of a row, the arguments they share, and the bytes that must move."""
    args = op.args(at)
    output = op.run(ops, *args)
    traffic = op.traffic(*args) if op.traffic else float(moved_bytes(*args, output))
    sides = Sides({OURS: lambda: op.run(ops, *args)})
    for name, call in op.beside.items():
        sides.add(name, partial(call, ops, *args), threaded=True)
    if at.dtype == "float64":
        narrow = op.args(At(at.shape))
        sides.add("f32", lambda: op.run(ops, *narrow), threaded=True)
    if op.flops is None:
        sides.single.update(floors(traffic))
    peer_sides(sides, op, args, peers)
    return sides, args, traffic


def timed(op: Op, args: Tuple[Any, ...], sides: Sides, setup: Setup) -> Dict[Tuple[str, int], Timing]:
    """All sides by name and number of threads, measured in turn."""
    calls = {(name, 1): call for name, call in sides.single.items()}
    calls.update({(name, n): call for name, call in sides.threaded.items() for n in setup.threads})
    reset = partial(op.reset, *args) if op.reset else None
    return paired({key: Side(call, reset) for key, call in calls.items()}, setup.plan, setup.switch)


def measure(family: str, op: Op, at: At, setup: Setup) -> List[Result]:
    """One result per number of threads."""
    from thinc_core.api import NumpyOps

    sides, args, traffic = sides_of(op, at, NumpyOps(), setup.peers)
    timings = timed(op, args, sides, setup)
    results = []
    for n in setup.threads:
        costs = {name: timings[name, n] for name in sides.threaded}
        costs.update({name: timings[name, 1] for name in sides.single})
        targets, note = list(op.targets_at(at)), ""
        if n != setup.threads[0]:
            one = costs["1 thread"] = timings[OURS, setup.threads[0]]
            targets = [Target("1 thread", 1 + max(THREADS_SLACK, one.noise, costs[OURS].noise))]
            note = f"speed-up {one.best / costs[OURS].best:.2f}"
        work = traffic
        if op.flops is not None:
            work = op.flops(at)
            best = max(setup.peak(at.dtype, n), *(work / cost.best for cost in costs.values()))
            costs["peak"] = Timing(work / best)
        result = Result("ops", op.name, str(at), costs, targets, family, TYPES[at.dtype], n, shape=at.shape)
        result.rate, result.work = ("GB/s" if op.flops is None else "GFLOP/s"), work / 1e9
        result.note = note
        result.extra = {"missing": sides.missing} if sides.missing else {}
        results.append(result)
    return results


def sizes_of(op: Op, dtype: str, selection: Selection) -> Sequence[Tuple[int, ...]]:
    """The sizes that were asked for and fit this op; by default the sweep, and of float64 what is judged."""
    if selection.shapes:
        return [shape for shape in selection.shapes if len(shape) == len(op.judged[0])]
    if selection.sizes == "all":
        return op.sizes
    if dtype == "float64":
        return op.judged if op.wide is None else op.wide
    return op.judged if selection.sizes == "judged" else op.sizes


def jobs(setup: Setup, selection: Selection) -> Iterator[Job]:
    """Every chosen row at every size and in every type."""
    for family, ops in FAMILIES.items():
        for op in ops:
            for dtype in op.dtypes:
                if dtype in FLOATS and dtype not in selection.dtypes:
                    continue
                for shape in sizes_of(op, dtype, selection):
                    at = At(shape, dtype)
                    label = f"{family}/{op.name}"
                    yield Job(
                        "ops",
                        label,
                        f"{at} {TYPES[dtype]}",
                        partial(measure, family, op, at, setup),
                    )
