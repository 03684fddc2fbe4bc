"""How the time is shared out: what matters most comes first, and what there is no time for is named."""

import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

# Stages in their order, with the part of the budget that is gone when a stage has to end.
SHARES: Dict[str, float] = {
    "probe": 0.07,
    "correctness": 0.35,
    "ops": 0.68,
    "models": 0.88,
    "sanitizer": 0.95,
    "compiled": 1.0,
}


class Budget:
    """seconds: for everything.  stages: those that run; the share of the others goes to those after them."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self._clock, self._started = seconds, clock, clock()
        self.dropped: List[Tuple[str, str]] = []

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    def left(self, stage: str) -> float:
        """Seconds until a stage has to end."""
        return self.seconds * SHARES[stage] - self.spent

    def items(self, stage: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items as long as there is time; the names of the others are kept."""
        for item in items:
            if self.left(stage) > 0:
                yield item
            else:
                self.dropped.append((stage, str(item)))

    def summary(self) -> List[str]:
        """What was dropped, a line per stage."""
        lines = []
        for stage in SHARES:
            names = [name for where, name in self.dropped if where == stage]
            if names:
                more = f" and {len(names) - 4} more" if len(names) > 4 else ""
                lines.append(f"no time was left in {stage} for {len(names)}: {', '.join(names[:4])}{more}")
        return lines
