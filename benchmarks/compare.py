"""Results of an earlier run beside those of this one: what got slower, beyond the noise of both."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from .report import by_key, label, readable
from .result import OURS, REFERENCES, Result

# What must be the same for two runs to say anything about the code.
SAME = ("machine", "python", "isa")
LEAST = 0.1  # a difference below this is never called one


@dataclass
class Change:
    """One row in both runs.

    ratio: our time, new / old.
    drifts: the same of the sides that did not change (copy, peers), in this row and in all rows: the machine's part.
    allowed: how much ratio / drift may differ from 1 by noise alone.
    """

    old: Result
    new: Result
    ratio: float
    drifts: Tuple[float, float]
    allowed: float

    @property
    def change(self) -> float:
        """What the machine does not explain: one disturbed reference must not look like a change of ours."""
        low, high = sorted(self.ratio / drift for drift in self.drifts)
        return low if low > 1 else high if high < 1 else 1.0

    @property
    def slower(self) -> bool:
        """A regression."""
        return self.change > 1 + self.allowed

    @property
    def faster(self) -> bool:
        """The opposite."""
        return 1 / self.change > 1 + self.allowed

    def __str__(self) -> str:
        mark = "SLOWER" if self.slower else "faster" if self.faster else ""
        old, new = (readable(side.costs[OURS].best, side.unit) for side in (self.old, self.new))
        numbers = f"{self.ratio / self.change:>8.2f} {self.change:>8.2f} {self.allowed:>8.0%}"
        return f"{label(self.new):58} {old:>9} {new:>9} {numbers}  {mark}"


def fail(text: str) -> Any:
    """Ends the program with one readable message."""
    raise SystemExit(f"benchmarks: {text}")


def read(path: Path) -> Tuple[List[Result], Dict[str, Any]]:
    """The results in a file of JSON lines, and the circumstances of the last one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"cannot read {path}: {error}")
    results, record = [], {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            results.append(Result.from_record(record))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            fail(f"{path}:{number}: no result of this program ({type(error).__name__}: {error}); write it with --json")
    if not results:
        fail(f"{path} holds no results; write it with --json")
    return list(by_key(results).values()), record


def check_same(path: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuses to compare what ran elsewhere."""
    for name in SAME:
        if old.get(name) != new.get(name):
            fail(f"{path} was measured with {name} {old.get(name)}, this run with {new.get(name)}: not comparable")


def references(old: Result, new: Result) -> List[float]:
    """New / old of every side that is not our code."""
    return [
        new.costs[name].best / old.costs[name].best
        for name in REFERENCES
        if name in old.costs and name in new.costs and old.costs[name].best and new.costs[name].best
    ]


def noise(result: Result) -> float:
    """Of our side and of what stands beside it, the larger."""
    return max(result.costs[name].noise for name in (OURS, *REFERENCES[:1]) if name in result.costs)


def changes(old: Sequence[Result], new: Sequence[Result]) -> List[Change]:
    """Rows that both runs have, in the order of the new one."""
    before, found = by_key(old), []
    pairs = [(before[result.key], result) for result in new if result.key in before]
    pairs = [(a, b) for a, b in pairs if a.measured and b.measured and a.costs[OURS].best and b.unit == "s"]
    overall = median([ratio for a, b in pairs for ratio in references(a, b)] or [1.0])
    for a, b in pairs:
        own = references(a, b)
        ratio = b.costs[OURS].best / a.costs[OURS].best
        spread = max(own) / min(own) - 1 if len(own) > 1 else 0.0
        allowed = max(LEAST, noise(a) + noise(b), min(spread, 0.5))
        found.append(Change(a, b, ratio, (median(own) if own else overall, overall), allowed))
    return found


def table(found: Sequence[Change]) -> str:
    """Every changed row and a count of the others."""
    moved = [change for change in found if change.slower or change.faster]
    heads = f"{'':58} {'old':>9} {'new':>9} {'machine':>8} {'change':>8} {'noise':>8}"
    slower = sum(change.slower for change in moved)
    counts = f"{len(found)} rows compared: {slower} slower, {len(moved) - slower} faster, the others within noise"
    return "\n".join([heads, *map(str, moved), counts] if moved else [counts])
