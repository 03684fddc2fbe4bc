"""What the targets of the GPU part say, and whether they hold; worst first where there are several rows."""

from dataclasses import dataclass
from typing import Callable, List, Sequence

from ..result import Result
from .ops import BEYOND, GATHERS, IN_CACHE, POINTWISE, TARGET_SHARES

Chosen = Callable[[Result], bool]


@dataclass(frozen=True)
class Goal:
    """One target: which rows it is about, and which of their limits, by the name of the other side."""

    text: str
    rows: Chosen
    peer: str


def of_share(share: float) -> Chosen:
    """Rows beyond the cache whose target is this share of the bandwidth."""
    families = [name for name, each in TARGET_SHARES.items() if each == share]
    from ..ops import FAMILIES

    names = {op.name for family in families for op in FAMILIES[family]}
    return lambda r: r.family == f"ops {BEYOND}" and r.name in names


def in_cache(result: Result) -> bool:
    """Rows at 8192 x 96."""
    return result.family == f"ops {IN_CACHE}"


def named(name: str) -> Chosen:
    """Rows whose name begins so."""
    return lambda result: result.name.startswith(name)


GOALS = (
    Goal("every op is right in every dtype", lambda r: r.family == "correctness", "limit"),
    Goal("LSTM gradients are right", named("gradients of lstm"), "limit"),
    Goal("the deterministic mode gives the same bits twice", named("deterministic"), "limit"),
    Goal(f"pointwise ops and row norms: {POINTWISE:.0%} of copy bandwidth", of_share(POINTWISE), "copy"),
    Goal(f"gathers: {GATHERS:.0%} of copy bandwidth", of_share(GATHERS), "copy"),
    Goal("8192 x 96: never slower than the original", in_cache, "thinc"),
    Goal("8192 x 96: never slower than PyTorch", in_cache, "torch"),
    Goal("8192 x 96: geometric mean 5 times the original", named("geometric mean"), "thinc"),
    Goal("a tagger step launches at most 60 kernels", named("tagger step, launches"), "limit"),
    Goal("a tagger step does not wait for the device", named("tagger step, host waits"), "limit"),
    Goal("memory is flat over training", named("memory kept"), "limit"),
    Goal("PyTorch's pool gets back what CuPy's arrays had", named("memory of PyTorch"), "limit"),
    Goal("kernels load from CuPy's cache in 0.2 s", named("kernels of all files, warm"), "limit"),
    Goal("compute-sanitizer finds nothing", named("compute-sanitizer"), "limit"),
)


def verdict(goal: Goal, results: Sequence[Result]) -> str:
    """met, MISSED or not measured, with how many rows and the worst of them."""
    rows = [r for r in results if goal.rows(r)]
    judged = [(r, v) for r in rows for v in r.verdicts() if v.peer == goal.peer]
    if not judged:
        reasons = sorted({r.note for r in rows if r.note})
        return f"not measured{': ' + reasons[0] if len(reasons) == 1 else ''}"
    missed = [(r, v) for r, v in judged if not v.met]
    if not missed:
        without = len(rows) - len({r.key for r, _ in judged})
        rest = f", not measured in {without}" if without else ""
        return f"met ({len(judged)} rows{rest})" if len(judged) > 1 else f"met ({judged[0][1].ratio:.3g} <= 1{rest})"
    worst, by = max(missed, key=lambda pair: pair[1].ratio / pair[1].limit)
    return f"MISSED in {len(missed)} of {len(judged)} rows, worst {worst.name} {worst.size} {worst.dtype}: {by}"


def lines(results: Sequence[Result]) -> List[str]:
    """A line per target."""
    return [f"  {goal.text:52} {verdict(goal, results)}" for goal in GOALS]


def failed(results: Sequence[Result]) -> bool:
    """Whether a target is missed."""
    return any("MISSED" in verdict(goal, results) for goal in GOALS)
