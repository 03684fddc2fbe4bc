"""The settings of an optimizer that may follow a schedule: floats that can also be called."""

import inspect
import math
from numbers import Real
from typing import Any, Callable, Dict, List, Optional, Tuple

from .schedules import Schedule, as_schedule

# The order in which first values are drawn, and in which `Hyperparameters._values` holds them.
NAMES = ("grad_clip", "learn_rate", "b1", "b2", "eps", "L2")


class Hyperparameter(float):
    """A float that can also be called: with a step it gives the value of its schedule, or itself without one."""

    __slots__ = ("schedule",)
    schedule: Optional[Schedule]

    def __new__(cls, value: float, schedule: Optional[Schedule] = None) -> "Hyperparameter":
        self = super().__new__(cls, value)
        self.schedule = schedule
        return self

    def __call__(self, step: int = 0, **extra: Any) -> float:
        return float(self) if self.schedule is None else self.schedule(step, **extra)


def _attribute(name: str) -> property:
    def get(self: "Hyperparameters") -> Any:
        if name in self._bare:
            return self._bare[name]
        return Hyperparameter(self._values[NAMES.index(name)], self.schedules.get(name))

    def set_(self: "Hyperparameters", value: Any) -> None:
        self._assign(name, value)

    return property(get, set_)


class Hyperparameters:
    """Base class that holds the six settings, their schedules, the step and the last score.

    Every schedule is evaluated once per `step_schedules`, unless its function asks for the `key` of the parameter.
    """

    __slots__ = ("_bare", "_last_score", "_per_key", "_step", "_values", "schedules")

    schedules: Dict[str, Schedule]
    grad_clip = _attribute("grad_clip")
    learn_rate = _attribute("learn_rate")
    b1 = _attribute("b1")
    b2 = _attribute("b2")
    eps = _attribute("eps")
    L2 = _attribute("L2")

    def __init__(self, **values: Any) -> None:
        self.schedules = {}
        self._values: Tuple[float, ...] = (0.0,) * len(NAMES)
        self._bare: Dict[str, Callable] = {}
        self._per_key: Tuple[str, ...] = ()
        self._step = 0
        self._last_score: Optional[Tuple[int, float]] = None
        for name in NAMES:
            self._assign(name, values[name])

    @property
    def step(self) -> int:
        """How often `step_schedules` was called."""
        return self._step

    @property
    def last_score(self) -> Optional[Tuple[int, float]]:
        """(step at which it was set, score); schedules such as plateau look at it. Assign the score alone."""
        return self._last_score

    @last_score.setter
    def last_score(self, score: float) -> None:
        self._last_score = (self._step, score)

    def step_schedules(self) -> None:
        """Go on to the next step: after every `model.finish_update`. A schedule at its end keeps its last value."""
        self._step += 1
        for name in self.schedules:
            if name not in self._per_key:
                self._store(name, self._evaluate(name))

    def _assign(self, name: str, value: Any) -> None:
        self._bare.pop(name, None)
        if isinstance(value, Real):
            # A schedule, if there is one, takes over again at the next `step_schedules`.
            self._store(name, float(value))
            return
        try:
            self.schedules[name] = _called(value) if _is_function(value) else as_schedule(value)
        except TypeError:
            kind = type(value).__name__
            raise ValueError(f"optimizer: {name} must be a number, an iterable or a schedule; got {kind}") from None
        if _is_function(value):
            self._bare[name] = value
        self._per_key = tuple(name for name, schedule in self.schedules.items() if _asks_for_key(schedule))
        if name not in self._per_key:
            self._store(name, self._evaluate(name))

    def _evaluate(self, name: str, key: Any = None) -> float:
        try:
            return float(self.schedules[name](self._step, key=key, last_score=self._last_score))
        except ValueError as error:
            raise ValueError(f"optimizer: {name}: {error}") from error

    def _store(self, name: str, value: float) -> None:
        if value != value:
            raise ValueError(f"optimizer: {name} must be a number; got {value}")
        if name in ("learn_rate", "L2") and not 0 <= value < math.inf:
            raise ValueError(f"optimizer: {name} must be finite and >= 0; got {value}")
        if name == "grad_clip" and value < 0:
            raise ValueError(f"optimizer: grad_clip must be >= 0 (0 turns clipping off); got {value}")
        if name in ("b1", "b2") and not 0 <= value < 1:
            raise ValueError(f"optimizer: beta{name[1]} must be in [0, 1); got {value}")
        if name == "eps" and value < 0:
            raise ValueError(f"optimizer: eps must be >= 0; got {value}")
        values = list(self._values)
        values[NAMES.index(name)] = value
        self._values = tuple(values)

    def _values_for(self, key: Any) -> Tuple[float, ...]:
        """The values for one parameter, when some schedule depends on the key."""
        for name in self._per_key:
            self._store(name, self._evaluate(name, key))
        return self._values

    def _hyperparameter_state(self) -> Dict[str, Any]:
        return {
            "hyperparameters": dict(zip(NAMES, self._values)),
            "step": self._step,
            "last_score": list(self._last_score) if self._last_score else None,
            "schedules": {name: schedule.state_dict() for name, schedule in self.schedules.items()},
        }

    def _load_hyperparameter_state(self, state: Dict[str, Any]) -> None:
        self._step = state["step"]
        self._last_score = tuple(state["last_score"]) if state["last_score"] else None
        for name, schedule_state in state["schedules"].items():
            if name in self.schedules:
                self.schedules[name].load_state_dict(schedule_state)
        for name, value in state["hyperparameters"].items():
            self._store(name, value)


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, Schedule) and not hasattr(value, "__iter__")


def _parameters(function: Callable) -> List[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _called(function: Callable) -> Schedule:
    """A schedule out of a bare function, which is given those of step, key and last_score that it can take."""
    parameters = _parameters(function)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    keywords = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [name for name in ("step", "key", "last_score") if takes_all or name in keywords]
    attrs = {"function": function, "names": names, "positional": "step" not in names}
    return Schedule("function", _call, attrs=attrs)


def _call(schedule: Schedule, step: int, **extra: Any) -> Any:
    attrs = schedule.attrs
    given = {"step": step, **extra}
    named = {name: given[name] for name in attrs["names"] if name in given}
    return attrs["function"](*((step,) if attrs["positional"] else ()), **named)


def _asks_for_key(schedule: Schedule) -> bool:
    function = schedule.attrs["function"] if schedule._schedule is _call else schedule._schedule
    return any(parameter.name == "key" for parameter in _parameters(function))
