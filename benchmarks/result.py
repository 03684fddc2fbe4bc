"""One line of the report: what it cost each side, what must hold, and its JSON form."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .timing import Timing

OURS = "ours"
# Sides that do not change when thinc_core does; the others (f32, forward, gemm, 1 thread) are its own code.
REFERENCES = ("copy", "fresh", "thinc", "torch", "numpy")
Key = Tuple[str, str, str, str, int]


@dataclass(frozen=True)
class Target:
    """What must hold: ours <= limit x peer, both costs (seconds, bytes); lower is better."""

    peer: str
    limit: float


@dataclass(frozen=True)
class Verdict:
    """A target whose other side was measured: our cost as a share of theirs."""

    peer: str
    limit: float
    ratio: float

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.ratio <= self.limit

    def __str__(self) -> str:
        sign = "<=" if self.met else ">"
        return f"{'met' if self.met else 'MISSED'} {self.peer} {self.ratio:.3g} {sign} {self.limit:.3g}"


@dataclass
class Result:
    """Costs per call (seconds unless `unit` says otherwise) by side; without ours it could not be measured.

    rate and work: what is done per call and its unit, such as GB/s.  shape: of the main input, for charts.
    """

    suite: str
    name: str
    size: str
    costs: Dict[str, Timing]
    targets: Sequence[Target] = ()
    family: str = ""
    dtype: str = ""
    threads: int = 1
    rate: str = ""
    work: float = 0.0
    unit: str = "s"
    note: str = ""
    shape: Tuple[int, ...] = ()
    extra: Dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What makes two results comparable."""
        return self.suite, self.name, self.size, self.dtype, self.threads

    @property
    def measured(self) -> bool:
        """Whether our side ran."""
        return OURS in self.costs

    def ratios(self) -> Dict[str, float]:
        """Our cost as a share of each other side's."""
        if not self.measured:
            return {}
        ours = self.costs[OURS].best
        return {name: ours / max(cost.best, 1e-12) for name, cost in self.costs.items() if name != OURS}

    def verdicts(self) -> List[Verdict]:
        """The targets whose other side was measured."""
        ratios = self.ratios()
        return [Verdict(t.peer, t.limit, ratios[t.peer]) for t in self.targets if t.peer in ratios]

    def rates(self) -> Dict[str, float]:
        """Work per second of every side, in the unit of `rate`."""
        return {name: self.work / cost.best for name, cost in self.costs.items() if cost.best} if self.rate else {}

    def record(self) -> Dict[str, Any]:
        """The JSON form."""
        return {
            **{name: getattr(self, name) for name in ("suite", "family", "name", "size", "dtype", "threads")},
            "shape": list(self.shape),
            "unit": self.unit,
            "cost": {name: cost.best for name, cost in self.costs.items()},
            "noise": {name: round(cost.noise, 4) for name, cost in self.costs.items()},
            "ratio": {name: round(ratio, 4) for name, ratio in self.ratios().items()},
            "rate": self.rate,
            "work": self.work,
            "targets": [{"peer": t.peer, "limit": t.limit} for t in self.targets],
            "met": {v.peer: v.met for v in self.verdicts()},
            "note": self.note,
            **self.extra,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Result":
        """The result that `record` was made of. RAISES: KeyError, TypeError for anything else."""
        noise = record["noise"]
        plain = {name: record[name] for name in ("suite", "family", "name", "size", "dtype", "threads", "rate", "work")}
        return cls(
            **plain,
            unit=record["unit"],
            note=record["note"],
            shape=tuple(record["shape"]),
            costs={name: Timing(float(best), float(noise[name])) for name, best in record["cost"].items()},
            targets=[Target(t["peer"], t["limit"]) for t in record["targets"]],
        )
