"""Beam search and MaxViolation in plain Python, written from their description: the judge of the compiled ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, List, Tuple

from numpy import float32

Step = Tuple[float32, int]


@dataclass
class State:
    """One search state: what the transition system knows, and what the beam knows."""

    value: int
    steps: int = 0
    score: float32 = float32(0)  # noqa: RUF009 (a constant)
    loss: float32 = float32(0)  # noqa: RUF009
    is_done: bool = False
    history: List[int] = field(default_factory=list)

    def seen(self) -> Tuple[float, float, bool, int, int]:
        return float(self.score), float(self.loss), self.is_done, self.value, self.steps


class Numbers:
    """The transition system of outside/toy_search.pyx."""

    def __init__(self, start: int = 5, modulus: int = 1000, limit: int = 100, stop: int = 0) -> None:
        self.start, self.modulus, self.limit, self.stop = start, modulus, limit, stop

    def take(self, state: State, clas: int) -> State:
        return State((state.value * 31 + clas + 1) % self.modulus, state.steps + 1)

    def finished(self, state: State) -> bool:
        return state.steps >= self.limit or (self.stop > 0 and state.value % self.stop == 0)

    def hash(self, state: State) -> int:
        return state.value + 1


class OracleBeam:
    """Keeps the `width` best states."""

    def __init__(self, system: Numbers, nr_class: int, width: int, min_density: float = 0.0) -> None:
        self.system, self.nr_class, self.width, self.min_density = system, nr_class, width, float32(min_density)
        self.states, self.t, self.is_done = [State(system.start)], 0, False

    def steps(self, scores: Any, is_valid: Any) -> List[Step]:
        """What can be done, best first; later classes of later states first among equals."""
        found: List[Step] = []
        for i, state in enumerate(self.states):
            if state.is_done:
                pace = state.score / float32(self.t) if state.history else float32(0)
                found.append((state.score + pace, i * self.nr_class))
            else:
                classes = [j for j in range(self.nr_class) if is_valid[i][j]]
                found += [(state.score + scores[i][j], i * self.nr_class + j) for j in classes]
        best = max((score for score, _ in found), default=float32(0))
        probable = [
            step for step in found if step[0] == best or math.exp(float(step[0]) - float(best)) >= self.min_density
        ]
        return sorted(probable, reverse=True)

    def advance(self, scores: Any, is_valid: Any, costs: Any, hashing: bool) -> bool:
        """One step of the search; False when there is none."""
        kept: List[State] = []
        hashes = set()
        for score, index in self.steps(scores, is_valid):
            i, clas = divmod(index, self.nr_class)
            parent = self.states[i]
            if parent.is_done:
                state = State(parent.value, parent.steps, score, parent.loss, True, list(parent.history))
            else:
                state = self.system.take(parent, clas)
                state.score, state.loss = score, parent.loss + costs[i][clas]
                state.history = [*parent.history, clas]
                key = self.system.hash(state)
                if hashing and key > 1 and key in hashes:
                    continue
                hashes.add(key)
            kept.append(state)
            if len(kept) == self.width:
                break
        if not kept:
            return False
        self.states, self.t = kept, self.t + 1
        return True

    def check_done(self) -> None:
        for state in self.states:
            state.is_done = state.is_done or self.system.finished(state)
        self.is_done = all(state.is_done for state in self.states)


class OracleViolation:
    """What MaxViolation has to remember."""

    def __init__(self) -> None:
        self.cost, self.delta = float32(0), float32(-1)
        self.p_score = self.g_score = self.Z = self.gZ = 0.0
        self.p_hist: List[Any] = []
        self.g_hist: List[Any] = []
        self.p_probs: List[float] = []
        self.g_probs: List[float] = []

    def is_worse(self, pred: List[State], gold: List[State], enough: Callable[[float32], bool]) -> bool:
        delta = pred[0].score - gold[0].score
        if not enough(pred[0].loss) or (self.cost != 0 and delta <= self.delta):
            return False
        self.cost, self.delta = pred[0].loss, delta
        return True

    def check(self, pred: List[State], gold: List[State]) -> None:
        if not self.is_worse(pred, gold, lambda loss: loss >= 1):
            return
        self.p_hist, self.g_hist = pred[0].history, gold[0].history
        self.p_score, self.g_score = float(pred[0].score), float(gold[0].score)
        self.gZ = 1e-10 + sum(math.exp(state.score) for state in gold if state.loss == 0)
        self.Z = self.gZ + sum(math.exp(state.score) for state in pred if state.loss > 0)

    def check_crf(self, pred: List[State], gold: List[State]) -> None:
        if not self.is_worse(pred, gold, lambda loss: loss > 0):
            return
        in_gold = [state.history for state in gold]
        bad = [state for state in pred if state.loss > 0]
        good = [state for state in pred if state.loss <= 0 and state.history not in in_gold]
        good += [state for state in gold if state.loss == 0]
        self.p_hist, self.g_hist = [state.history for state in bad], [state.history for state in good]
        joint, alone = softmax([state.score for state in bad + good]), softmax([state.score for state in good])
        self.p_probs = joint[: len(bad)]
        self.g_probs = [both - one for both, one in zip(joint[len(bad) :], alone)]


def softmax(scores: List[float32]) -> List[float]:
    powers = [math.exp(float(score) - float(max(scores))) for score in scores]
    return [power / sum(powers) for power in powers]
