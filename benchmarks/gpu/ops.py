"""Every row of the op table on the device: our time beside a copy of as many bytes, the original and PyTorch."""

import contextlib
import math
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from ..bench_ops import Sides
from ..inputs import moved_bytes
from ..ops import FAMILIES
from ..result import OURS, Result, Target
from ..rows import At, Op, W
from ..timing import Timing
from .card import Card, mapped

# Of device copy bandwidth, for data beyond the cache.
POINTWISE, GATHERS = 0.85, 0.70
TARGET_SHARES = {
    **dict.fromkeys(("activations", "softmax", "layernorm", "maxout", "dropout", "optim"), POINTWISE),
    **dict.fromkeys(("gather", "hash"), GATHERS),
}
NO_BANDWIDTH = ("hash", "ngrams n=2", "clip_gradient", "sechsq", "erf")  # arithmetic, two passes, or off the hot path
# What torch.compile is worth its seconds for.
COMPILED = ("gelu", "backprop_gelu", "mish", "swish", "dish", "backprop_dish", "softmax", "layernorm", "maxout P=3")
IN_CACHE, BEYOND = "in cache", "beyond cache"


class Row:
    """One op at one size."""

    def __init__(self, family: str, op: Op, at: At, where: str, compiled: bool = False) -> None:
        self.family, self.op, self.at, self.where, self.compiled = family, op, at, where, compiled

    def __str__(self) -> str:
        return f"{self.op.name} {self.at}{' compiled' if self.compiled else ''}"

    def targets(self) -> Sequence[Target]:
        """What the GPU part of the targets says of this row."""
        if self.where == IN_CACHE:
            return [Target("thinc", 1.0), Target("torch", 1.0)] if not self.compiled else []
        share = TARGET_SHARES.get(self.family)
        return [] if share is None or self.op.name in NO_BANDWIDTH or self.op.flops else [Target("copy", 1 / share)]


def rows(card: Card) -> Iterator[Row]:
    """All ops at 8192 x 96, then all beyond the cache."""
    for where in (IN_CACHE, BEYOND):
        for family, ops in FAMILIES.items():
            for op in ops:
                yield Row(family, op, At(shape(card, op, where), op.dtypes[0]), where)


def compiled_rows(card: Card) -> Iterator[Row]:
    """The few ops that PyTorch compiles."""
    for family, ops in FAMILIES.items():
        for op in ops:
            if op.name in COMPILED:
                yield Row(family, op, At(shape(card, op, IN_CACHE), op.dtypes[0]), IN_CACHE, True)


def shape(card: Card, op: Op, where: str) -> Tuple[int, ...]:
    """The shape of a size in the dimensions of the op: numbers, rows and width, or rows, inputs and outputs."""
    n_rows = card.scale.rows if where == IN_CACHE else min(card.big_rows(W), 3_000_000)
    if card.dry and where == BEYOND:
        n_rows = 2 * card.scale.rows
    if len(op.judged[0]) == 1:
        return (n_rows * (W if op.judged[0][0] > 10_000 else 1),)  # parameters, or ids of words
    return (n_rows, W) if len(op.judged[0]) == 2 else (n_rows, W, 3 * W)


def measure(card: Card, row: Row, peers: Dict[str, Any]) -> Result:
    """One row of the report. What cannot run here is a row that says why."""
    with contextlib.ExitStack() as stack:
        if "torch" in peers:
            stack.enter_context(peers["torch"].device(card.torch_device))  # where tensors of rows are made
        try:
            return timed(card, row, peers)
        except Exception as error:
            return failed(row, f"{type(error).__name__}: {error}".split("\n")[0][:120])


def failed(row: Row, note: str) -> Result:
    """A row without figures."""
    return Result("gpu", row.op.name, str(row.at), {}, row.targets(), f"ops {row.where}", short(row), note=note)


def short(row: Row) -> str:
    """The dtype in a column of three letters."""
    return {"float32": "f32", "float64": "f64", "uint64": "u64"}[row.at.dtype]


def timed(card: Card, row: Row, peers: Dict[str, Any]) -> Result:
    """Our call and the others', on two sets of arguments in turn where they would else stay in the cache."""
    op, args = row.op, row.op.args(row.at)
    moved = [card.moved(args) for _ in range(1 if row.where == IN_CACHE else 2)]
    output = op.run(card.ops, *moved[0])
    traffic = op.traffic(*args) if op.traffic else float(moved_bytes(*args) + device_bytes(card, output))
    sides = Sides()
    if not row.compiled:
        sides.add(OURS, rotating([partial(op.run, card.ops, *each) for each in moved]))
        sides.add("copy", floor(card, traffic) if op.flops is None else None)
    add_peers(card, sides, row, moved, peers)
    if OURS in sides.missing:
        raise RuntimeError(sides.missing[OURS])
    if row.compiled:
        sides.add(OURS, partial(op.run, card.ops, *moved[0]))
    costs, host = card.paired(sides.single)
    return result(card, row, costs, host, traffic, sides.missing)


def result(
    card: Card, row: Row, costs: Dict[str, Timing], host: Dict[str, float], traffic: float, missing: Dict[str, str]
) -> Result:
    """The figures; those of a dry run are thrown away."""
    family = f"ops {row.where}{' compiled' if row.compiled else ''}"
    if card.dry:
        note = f"dry run: {', '.join(costs)} ran"
        extra = {"dry_run": True, "missing": missing}
        return Result("gpu", row.op.name, str(row.at), {}, (), family, short(row), note=note, extra=extra)
    found = Result("gpu", row.op.name, str(row.at), costs, row.targets(), family, short(row), shape=row.at.shape)
    found.rate, found.work = ("GB/s", traffic / 1e9)
    if row.op.flops is not None:
        found.rate, found.work = "TFLOP/s", row.op.flops(row.at) / 1e12
    found.note = f"host {host[OURS] * 1e6:.1f} us"
    found.extra = {"host_us": {name: round(s * 1e6, 2) for name, s in host.items()}, "missing": missing}
    return found


def add_peers(card: Card, sides: Sides, row: Row, moved: List[Any], peers: Dict[str, Any]) -> None:
    """The same work in each peer, where it has a counterpart that runs here."""
    op = row.op
    if "thinc" in peers and op.original is not False and not row.compiled:
        api = OnDevice(card, peers["thinc"])
        own = [op.original(api, *given(card, each)) for each in moved] if callable(op.original) else None
        native = api.NumpyOps()
        if own or op.call or hasattr(native, op.name):
            plain = [partial(op.run, native, *given(card, each)) for each in moved]
            sides.add("thinc", rotating(own or plain))
    if "torch" in peers and op.torch is not None:
        torch = peers["torch"]
        calls = [op.torch(torch, *(card.tensors(torch, arg) for arg in each)) for each in moved]
        sides.add("torch", rotating(calls))
        if row.compiled:
            sides.add("compile", torch.compile(calls[0]))


def given(card: Card, args: Any) -> Any:
    """The arguments for the original: those of the device, or, in a dry run, of the host, where its own ops compute."""
    return mapped(args, card.xp.ndarray, card.ops.to_numpy) if card.dry else args


class OnDevice:
    """The original's API, whose NumpyOps, which the rows of the table name, are the ops of the device."""

    def __init__(self, card: Card, api: Any) -> None:
        self._ops, self._api = card.original(api), api

    def __getattr__(self, name: str) -> Any:
        return (lambda: self._ops) if name == "NumpyOps" else getattr(self._api, name)


def rotating(calls: List[Callable[[], Any]]) -> Callable[[], Any]:
    """A call that makes one of them after the other."""
    if len(calls) == 1:
        return calls[0]
    turn = 0

    def call() -> Any:
        nonlocal turn
        turn = (turn + 1) % len(calls)
        return calls[turn]()

    return call


def floor(card: Card, traffic: float) -> Callable[[], Any]:
    """A copy that reads and writes as many bytes."""
    source = card.xp.ones((max(1, int(traffic // 8)),), dtype="float32")
    target = card.xp.empty(source.shape, dtype="float32")
    return lambda: card.xp.copyto(target, source)


def device_bytes(card: Card, value: Any) -> int:
    """Bytes of all arrays of a result."""
    if isinstance(value, (list, tuple)):
        return sum(device_bytes(card, member) for member in value)
    if isinstance(value, card.xp.ndarray):
        return int(value.size * value.dtype.itemsize)
    return device_bytes(card, value.data) if hasattr(value, "size_at_t") else 0


def geometric_mean(results: Sequence[Result]) -> Result:
    """How many times faster than the original over all rows at 8192 x 96 where both ran."""
    ratios = [r.ratios()["thinc"] for r in results if r.family == f"ops {IN_CACHE}" and "thinc" in r.ratios()]
    name = "geometric mean over ops"
    if not ratios:
        return Result("gpu", name, "", {}, [Target("thinc", 1 / 5)], "ops", note="not measured: needs the original")
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    costs = {OURS: Timing(mean), "thinc": Timing(1.0)}
    return Result("gpu", name, f"{len(ratios)} ops", costs, [Target("thinc", 1 / 5)], "ops", unit="")
