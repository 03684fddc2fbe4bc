"""What there is to measure, before it is measured: jobs, and which of them are wanted."""

from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence, Tuple

from .result import Result
from .rows import FLOATS

SHORT = {"f32": "float32", "f64": "float64", "float32": "float32", "float64": "float64"}


@dataclass
class Job:
    """One row of the report, or one per number of threads."""

    suite: str
    name: str
    size: str
    measure: Callable[[], List[Result]]


@dataclass
class Selection:
    """Which rows. only: parts of "family/name".  sizes: None (the sweep), "judged", "all".  shapes: instead."""

    only: Sequence[str] = ()
    sizes: Optional[str] = None
    shapes: Sequence[Tuple[int, ...]] = ()
    dtypes: Sequence[str] = FLOATS

    def wants(self, job: Job) -> bool:
        """Whether the job is among them; a part between slashes, such as /relu/, must be the whole name."""
        return not self.only or any(part in f"{job.suite}/{job.name}/" for part in self.only)


def parse_only(text: Optional[str]) -> List[str]:
    """The parts of --only."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def parse_sizes(text: Optional[str]) -> Tuple[Optional[str], List[Tuple[int, ...]]]:
    """judged, all, or shapes such as 4000x96,1000x96x288,1000000."""
    if text is None or text in ("judged", "all"):
        return text, []
    try:
        shapes = [tuple(int(n) for n in part.split("x")) for part in text.split(",") if part]
    except ValueError:
        shapes = []
    if not shapes or any(min(shape) < 1 for shape in shapes):
        raise SystemExit(f"benchmarks: --sizes must be judged, all or shapes such as 4000x96,1000x96x288; got {text}")
    return None, shapes


def parse_dtypes(text: str) -> List[str]:
    """f32, f64 or both."""
    names = [part for part in text.split(",") if part]
    unknown = [name for name in names if name not in SHORT]
    if unknown or not names:
        raise SystemExit(f"benchmarks: --dtype must be of f32, f64; got {text}")
    return [SHORT[name] for name in names]


def parse_threads(text: str) -> List[int]:
    """Numbers of threads, in order; the first is what the others are compared with."""
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError:
        counts = []
    if not counts or counts[0] < 1:
        raise SystemExit(f"benchmarks: --threads must be numbers >= 1, such as 1 or 1,2; got {text}")
    return counts
