"""Where the time and the memory of an update go, layer by layer: as a table, and as a trace for Chrome or Perfetto."""

import json
import time
import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple, Union

from ..model import Model
from .checkpoints import write_atomic
from .instruments import arrays_in, instrumented, layer_paths
from .progress import table

WARM_UP, TIMED = 3, 20  # updates: left alone, then timed; one more is looked at for its memory
UPDATE = "update"


@dataclass
class LayerProfile:
    """What was measured of one layer. Times in seconds over all timed updates, memory in bytes in one update."""

    calls: int = 0
    forward: float = 0.0  # without what is spent in the layers inside
    backward: float = 0.0
    parameters: int = 0
    output: int = 0  # of one forward pass
    peak: int = 0  # the most that was allocated at a time while it ran, with the layers inside


@dataclass
class _Span:
    name: str
    start: float
    inside: float = 0.0  # spent in spans within this one
    base: int = 0
    peak: int = 0


@dataclass
class Profiler:
    """To be given to `fit` as `around`: looks at a few updates after a warm-up, then is done and costs nothing.

    Times are of layers run one by one, also those that are one step otherwise; `plain` is what whole updates take.
    """

    layers: Dict[str, LayerProfile] = field(default_factory=dict)
    events: List[Dict[str, Any]] = field(default_factory=list)
    plain: List[float] = field(default_factory=list)
    timed: List[float] = field(default_factory=list)
    _seen: int = 0
    _stack: List[_Span] = field(default_factory=list)
    _memory: "Any" = None

    @contextmanager
    def __call__(self, model: Model, step: int) -> Iterator[None]:
        self._seen += 1
        if self._seen > WARM_UP + TIMED + 1:
            yield
            return
        began = _now(model)
        if self._seen <= WARM_UP:
            yield
            self.plain.append(_now(model) - began)
        elif self._seen <= WARM_UP + TIMED:
            with self._watching(model), self._span(model, UPDATE, "update"):
                yield
        else:
            with _Memory(model) as self._memory, self._watching(model):
                yield
            self._memory = None

    @contextmanager
    def _watching(self, model: Model) -> Iterator[None]:
        paths, nodes = layer_paths(model), {id(node): node for node in model.walk()}
        for key, path in paths.items():
            node = nodes[key]
            own = [node.get_param(name).nbytes for name in node.param_names if node.has_param(name)]
            self._layer(path).parameters = sum(own)

        def wrap(node: Model, forward: Callable, model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
            path = paths[id(node)]
            with self._span(node, path, "forward"):
                Y, callback = forward(model, X, is_train)
            self._layer(path).output = sum(array.nbytes for array in arrays_in(Y))

            def backprop(dY: Any) -> Any:
                with self._span(node, path, "backward"):
                    return callback(dY)

            return Y, backprop

        with instrumented(model, wrap):
            yield

    def _layer(self, path: str) -> LayerProfile:
        return self.layers.setdefault(path, LayerProfile())

    @contextmanager
    def _span(self, node: Model, path: str, kind: str) -> Iterator[None]:
        span = _Span(path, _now(node))
        if self._memory:
            span.base = span.peak = self._memory.enter(self._stack)
        self._stack.append(span)
        try:
            yield
        finally:
            self._stack.pop()
            if self._memory:
                peak = self._memory.leave(self._stack, span)
                self._layer(path).peak = max(self._layer(path).peak, peak)
            else:
                self._count(span, kind, _now(node))

    def _count(self, span: _Span, kind: str, now: float) -> None:
        took = now - span.start
        if self._stack:
            self._stack[-1].inside += took
        if kind == "update":
            self.timed.append(took)
        layer = self._layer(span.name)
        layer.calls += kind != "backward"
        if kind == "backward":
            layer.backward += took - span.inside
        else:
            layer.forward += took - span.inside
        times = {"ts": round(span.start * 1e6, 1), "dur": round(took * 1e6, 1)}
        self.events.append({"name": span.name, "cat": kind, "ph": "X", **times, "pid": 0, "tid": 0})

    def table(self) -> str:
        """What took how long per update, and what memory it needs. The order is that of the layers."""
        n = max(len(self.timed), 1)
        total = max(sum(self.timed), 1e-12)
        rows = []
        for path, each in self.layers.items():
            share = (each.forward + each.backward) / total
            name = "loss, optimizer and the rest" if path == UPDATE else _indented(path)
            times = [f"{each.forward / n * 1e3:.3f}", f"{each.backward / n * 1e3:.3f}", f"{share:.1%}"]
            sizes = [_size(each.parameters), _size(each.output), _size(each.peak)]
            rows.append([name, f"{each.calls / n:g}", *times, *(["", "", ""] if path == UPDATE else sizes)])
        rows.sort(key=lambda row: row[0] == "loss, optimizer and the rest")
        header = ["layer", "calls", "forward ms", "backward ms", "share", "parameters", "output", "peak"]
        plain = sorted(self.plain)[len(self.plain) // 2] if self.plain else 0.0
        note = f"{len(self.timed)} updates of {total / n * 1e3:.2f} ms with every layer run on its own"
        return f"{table(header, rows)}\n  {note}; {plain * 1e3:.2f} ms as they are run otherwise"

    def trace(self) -> str:
        """JSON for chrome://tracing and https://ui.perfetto.dev."""
        return json.dumps({"displayTimeUnit": "ms", "traceEvents": self.events})

    def save(self, directory: Union[str, Path]) -> None:
        """Write profile.txt and profile.json, the trace."""
        write_atomic(Path(directory) / "profile.txt", self.table() + "\n")
        write_atomic(Path(directory) / "profile.json", self.trace())


class _Memory:
    """How much is allocated: by Python and NumPy on the CPU, by CuPy's pool on a GPU, where peaks cannot be seen."""

    def __init__(self, model: Model) -> None:
        self.pool = None if model.ops.device_type == "cpu" else model.ops.xp.get_default_memory_pool()
        self._was_on = tracemalloc.is_tracing()

    def __enter__(self) -> "_Memory":
        if self.pool is None and not self._was_on:
            tracemalloc.start()
        return self

    def __exit__(self, *error: Any) -> None:
        if self.pool is None and not self._was_on:
            tracemalloc.stop()

    def _now(self) -> Tuple[int, int]:
        if self.pool is not None:
            used = int(self.pool.used_bytes())
            return used, used
        return tracemalloc.get_traced_memory()

    def enter(self, stack: List[_Span]) -> int:
        """A span begins: what was the peak until now belongs to those around it. RETURNS: what is allocated."""
        used, peak = self._now()
        for span in stack:
            span.peak = max(span.peak, peak)
        if self.pool is None:
            tracemalloc.reset_peak()
        return used

    def leave(self, stack: List[_Span], span: _Span) -> int:
        """RETURNS: by how much more than at its beginning was allocated at a time while the span lasted."""
        peak = max(span.peak, self._now()[1])
        for outer in stack:
            outer.peak = max(outer.peak, peak)
        return max(peak - span.base, 0)


def _now(model: Model) -> float:
    """The clock, once the GPU has done what it was asked to."""
    if model.ops.device_type != "cpu":
        model.ops.xp.cuda.get_current_stream().synchronize()
    return time.perf_counter()


def _indented(path: str) -> str:
    parts = path.split(" > ")
    return "  " * (len(parts) - 1) + parts[-1]


def _size(n: int) -> str:
    if n < 1024:
        return f"{n} B" if n else ""
    return f"{n / 1024:.1f} KiB" if n < 1024**2 else f"{n / 1024**2:.1f} MiB"
