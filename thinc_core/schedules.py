"""Schedules: values that change from step to step, such as a learning rate or a batch size.

A `Schedule` can be read in two ways: called with a step it returns the value at that step, and as an iterator it
returns the values one after the other from a cursor of its own. Both views agree, and the cursor survives pickling.
"""

from types import MappingProxyType
from typing import Any, Callable, Dict, Generator, Generic, Iterable, Iterator, Mapping, Optional, Tuple, TypeVar, Union

from .config import registry

__all__ = [
    "Schedule",
    "compounding",
    "constant",
    "constant_then",
    "cyclic_triangular",
    "decaying",
    "plateau",
    "slanted_triangular",
    "warmup_linear",
]

OutT = TypeVar("OutT")
Score = Optional[Tuple[int, float]]


class Schedule(Generic[OutT]):
    """A value as a function of the step, which is also an iterator with a cursor.

    name: free text, shown by repr.
    schedule_fn: `schedule_fn(schedule, step, **extra) -> value`; `extra` may hold `key` and `last_score`. It raises
        `Exhausted` when it has no value for the step.
    attrs: settings, readable and writable through `schedule.attrs`.
    """

    __slots__ = ("_attrs", "_schedule", "cursor", "name", "state")

    def __init__(
        self, name: str, schedule_fn: Callable[..., OutT], *, attrs: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        for setting, value in attrs.items():
            if isinstance(value, float) and value != value:
                raise ValueError(f"{name}: {setting} must be a number; got {value}")
        self.name = name
        self.cursor = 0
        self.state: Dict[str, Any] = {}
        self._schedule = schedule_fn
        self._attrs = dict(attrs)

    @property
    def attrs(self) -> Dict[str, Any]:
        return self._attrs

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self._attrs.items())
        return f"{self.name}({settings})"

    def __call__(self, step: int, **extra: Any) -> OutT:
        """The value at `step`; after the end of a finite schedule, its last value."""
        if step < 0:
            raise ValueError(f"{self.name}: step must be >= 0; got {step}")
        try:
            return self._schedule(self, step, **extra)
        except Exhausted as end:
            if end.last is None:
                raise ValueError(f"{self.name}: the schedule has no values") from None
            return end.last

    def __iter__(self) -> "Schedule[OutT]":
        return self

    def __next__(self) -> OutT:
        try:
            value = self._schedule(self, self.cursor)
        except Exhausted:
            raise StopIteration from None
        self.cursor += 1
        return value

    def to_generator(self, start: int = 0, step_size: int = 1, **extra: Any) -> Generator[OutT, None, None]:
        """Endless generator of the values at start, start + step_size, ..."""
        if start < 0 or step_size < 0:
            raise ValueError(f"{self.name}: start and step_size must be >= 0; got {start} and {step_size}")
        return self._generate(start, step_size, extra)

    def _generate(self, step: int, step_size: int, extra: Dict[str, Any]) -> Generator[OutT, None, None]:
        while True:
            yield self(step, **extra)
            step += step_size

    def then(self, schedule: Union["Schedule[OutT]", Iterable[OutT]], steps: int) -> "Schedule[OutT]":
        """This schedule for `steps` steps, then the other one from its own beginning."""
        return Schedule("then", _then, attrs={"first": self, "steps": steps, "schedule": as_schedule(schedule)})

    def __mul__(self, other: Union["Schedule[Any]", float]) -> "Schedule[Any]":
        """The product of two schedules, or of a schedule and a number."""
        factor = other if isinstance(other, Schedule) else constant(other)
        return Schedule("product", _product, attrs={"first": self, "second": factor})

    __rmul__ = __mul__

    def state_dict(self) -> Dict[str, Any]:
        """What changes while the schedule is used: plain values, nested for the schedules inside it."""
        inner = {name: value.state_dict() for name, value in self._attrs.items() if isinstance(value, Schedule)}
        return {"cursor": self.cursor, "state": dict(self.state), "inner": inner}

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        self.cursor = state["cursor"]
        self.state = dict(state["state"])
        for name, inner in state["inner"].items():
            self._attrs[name].load_state_dict(inner)


class Exhausted(Exception):
    """Raised inside a schedule function that has no value for a step; `last` is the last one there was, or None."""

    def __init__(self, last: Any = None) -> None:
        super().__init__(last)
        self.last = last


class Drawn:
    """The values of an iterator at growing steps; only the last one is kept, so a step cannot be asked for again."""

    def __init__(self, source: Iterator[Any]) -> None:
        self.source = source
        self.step = -1
        self.value: Any = None

    def __getitem__(self, step: int) -> Any:
        if step < self.step:
            raise ValueError(f"schedule: an iterator cannot go back; got step {step} after {self.step}")
        while self.step < step:
            try:
                self.value = next(self.source)
            except StopIteration:
                raise Exhausted(self.value) from None
            self.step += 1
        return self.value


def as_schedule(values: Union[Schedule[OutT], Iterable[OutT], Callable[..., OutT]]) -> Schedule[OutT]:
    """Wrap a list, an iterator or a function of the step. RAISES: TypeError for anything else."""
    if isinstance(values, Schedule):
        return values
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, dict)):
        source = Drawn(values) if isinstance(values, Iterator) else list(values)
        return Schedule("iterated", _iterated, attrs={"values": source})
    if callable(values):
        return Schedule("function", _function, attrs={"function": values})
    raise TypeError(f"schedule: must be a Schedule, an iterable or a function of the step; got {type(values).__name__}")


@registry.schedules("constant_then.v1")
def constant_then(rate: OutT, steps: int, schedule: Union[Schedule[OutT], Iterable[OutT]]) -> Schedule[OutT]:
    """`rate` for `steps` steps, then the values of `schedule` from its own first one."""
    attrs = {"rate": rate, "steps": steps, "schedule": as_schedule(schedule)}
    return Schedule("constant_then", _constant_then, attrs=attrs)


def _constant_then(schedule: Schedule, step: int, **extra: Any) -> Any:
    attrs = schedule.attrs
    if step < attrs["steps"]:
        return attrs["rate"]
    inner = attrs["schedule"]
    return inner._schedule(inner, step - attrs["steps"], **extra)


@registry.schedules("constant.v1")
def constant(rate: OutT) -> Schedule[OutT]:
    """The same value for ever."""
    return Schedule("constant", _constant, attrs={"rate": rate})


def _constant(schedule: Schedule, step: int, **_: Any) -> Any:
    return schedule.attrs["rate"]


@registry.schedules("decaying.v1")
def decaying(base_rate: float, decay: float, *, t: float = 0) -> Schedule[float]:
    """base_rate / (1 + decay * (step + t))."""
    return Schedule("decaying", _decaying, attrs={"base_rate": base_rate, "decay": decay, "t": t})


def _decaying(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    return attrs["base_rate"] * (1.0 / (1.0 + attrs["decay"] * (step + attrs["t"])))


@registry.schedules("compounding.v1")
def compounding(start: float, stop: float, compound: float, *, t: float = 0.0) -> Schedule[float]:
    """start * compound ** step, up (or down) to `stop`. `t` is accepted and ignored; see `compounding_v2`."""
    attrs = {"start": start, "stop": stop, "compound": compound, "t": 0.0}
    return Schedule("compounding", _compounding, attrs=attrs)


@registry.schedules("compounding.v2")
def compounding_v2(start: float, stop: float, compound: float, *, t: float = 0.0) -> Schedule[float]:
    """start * compound ** (step + t), up (or down) to `stop`."""
    attrs = {"start": start, "stop": stop, "compound": compound, "t": t}
    return Schedule("compounding", _compounding, attrs=attrs)


def _compounding(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    start, stop = attrs["start"], attrs["stop"]
    try:
        value = start * attrs["compound"] ** (step + attrs["t"])
    except OverflowError:
        value = start * float("inf")
    return max(value, stop) if start > stop else min(value, stop)


@registry.schedules("slanted_triangular.v1")
def slanted_triangular(
    max_rate: float, num_steps: int, *, cut_frac: float = 0.1, ratio: int = 32, decay: float = 1.0, t: float = 0.0
) -> Schedule[float]:
    """A short linear rise to max_rate, then a long linear fall to max_rate / ratio, where it stays.

    cut_frac: part of the steps spent rising. decay: accepted and ignored. t: shifts the step.
    SOURCE: Howard & Ruder 2018, arXiv:1801.06146, equation 3; past num_steps p is clamped to 0.
    """
    attrs = {"max_rate": max_rate, "num_steps": num_steps, "cut_frac": cut_frac, "ratio": ratio, "t": t}
    return Schedule("slanted_triangular", _slanted, attrs={**attrs, "cut": max(1, int(num_steps * cut_frac))})


def _slanted(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    cut, ratio = attrs["cut"], attrs["ratio"]
    position = step + attrs["t"] + 1.0
    if position < cut:
        p = position / cut
    else:
        # The fall lasts cut * (1 / cut_frac - 1) steps; without any room for it, it ends at once.
        fall = cut * (1.0 / attrs["cut_frac"] - 1.0) if attrs["cut_frac"] else attrs["num_steps"] - cut
        p = 1.0 - (position - cut) / fall if fall > 0 else float(position == cut)
    return attrs["max_rate"] * (1.0 + min(1.0, max(0.0, p)) * (ratio - 1)) * (1.0 / ratio)


@registry.schedules("warmup_linear.v1")
def warmup_linear(initial_rate: float, warmup_steps: int, total_steps: int) -> Schedule[float]:
    """A linear rise from 0 to initial_rate over warmup_steps, then a linear fall to 0 at total_steps."""
    attrs = {"initial_rate": initial_rate, "warmup_steps": warmup_steps, "total_steps": total_steps}
    return Schedule("warmup_linear", _warmup_linear, attrs=attrs)


def _warmup_linear(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    warmup, total = attrs["warmup_steps"], attrs["total_steps"]
    if step < warmup:
        return attrs["initial_rate"] * (step / max(1, warmup))
    return attrs["initial_rate"] * max(0.0, (total - step) / max(1.0, total - warmup))


@registry.schedules("cyclic_triangular.v1")
def cyclic_triangular(min_lr: float, max_lr: float, period: int) -> Schedule[float]:
    """A triangle wave between min_lr and max_lr; a full cycle takes 2 * period steps.

    SOURCE: Smith 2017, arXiv:1506.01186, section 3.2.
    """
    return Schedule("cyclic_triangular", _cyclic, attrs={"min_lr": min_lr, "max_lr": max_lr, "period": period})


def _cyclic(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    position = (step + 1) / attrs["period"]
    cycle = (position + 2) // 2
    distance = abs(position - 2 * cycle + 1)
    return attrs["min_lr"] + (attrs["max_lr"] - attrs["min_lr"]) * max(0.0, 1.0 - distance)


@registry.schedules("plateau.v1")
def plateau(max_patience: int, scale: float, schedule: Schedule[float]) -> Schedule[float]:
    """`schedule` times `scale` for every time the score has stopped improving.

    max_patience: scores in a row, none above the best so far, that make a plateau.
    The score comes in as `last_score=(step, score)`; higher is better.
    """
    attrs = {"max_patience": max_patience, "scale": scale, "schedule": as_schedule(schedule)}
    result: Schedule[float] = Schedule("plateau", _plateau, attrs=attrs)
    result.state = {"best_score": None, "last_score_step": None, "patience": 0, "n_plateaus": 0}
    return result


def _plateau(schedule: Schedule, step: int, last_score: Score = None, **extra: Any) -> float:
    attrs, state = schedule.attrs, schedule.state
    if last_score is not None:
        _note_score(state, attrs["max_patience"], *last_score)
    inner = attrs["schedule"]
    return attrs["scale"] ** state["n_plateaus"] * inner._schedule(inner, step, last_score=last_score, **extra)


def _note_score(state: Dict[str, Any], max_patience: int, score_step: int, score: float) -> None:
    """Count the scores without progress; asking again about the same score step changes nothing."""
    seen = state["last_score_step"]
    if seen is not None and score_step < seen:
        raise ValueError(f"plateau: scores must come in the order of their steps; got step {score_step} after {seen}")
    if state["best_score"] is None or score > state["best_score"]:
        state["best_score"], state["patience"] = score, 0
    elif score_step > seen:
        state["patience"] += 1
        if state["patience"] == max_patience:
            state["patience"] = 0
            state["n_plateaus"] += 1
    state["last_score_step"] = score_step


def _then(schedule: Schedule, step: int, **extra: Any) -> Any:
    attrs = schedule.attrs
    inner, start = (attrs["first"], 0) if step < attrs["steps"] else (attrs["schedule"], attrs["steps"])
    return inner._schedule(inner, step - start, **extra)


def _product(schedule: Schedule, step: int, **extra: Any) -> Any:
    first, second = schedule.attrs["first"], schedule.attrs["second"]
    return first._schedule(first, step, **extra) * second._schedule(second, step, **extra)


def _function(schedule: Schedule, step: int, **extra: Any) -> Any:
    return schedule.attrs["function"](step, **extra)


def _iterated(schedule: Schedule, step: int, **_: Any) -> Any:
    values = schedule.attrs["values"]
    try:
        return values[step]
    except IndexError:
        raise Exhausted(values[-1] if values else None) from None
