"""GradScaler: training with float16, whose smallest numbers are larger than many gradients."""

from typing import Any, Callable, Dict, List, Tuple

import numpy

from .types import Padded, Ragged

__all__ = ["GradScaler"]

KeyT = Tuple[int, str]
SMALLEST = 2.0**-100  # scale, of which 1 / scale is a float32 too
STATE = ("scale", "growth_tracker", "backoff_factor", "growth_factor", "growth_interval")


class GradScaler:
    """Multiplies the gradient of the loss by a large number, so that no gradient behind it is rounded to zero, and has
    the optimizer divide by it again. What became too large for float16 is found there: the step is left out, and the
    scale goes down. After many steps without that it goes up.

    optimizer.grad_scaler = GradScaler()
    backprop(optimizer.grad_scaler.scale(dY)); model.finish_update(optimizer); optimizer.grad_scaler.update()

    init_scale: the scale at first.  backoff_factor, growth_factor: what it is multiplied by, down and up.
    growth_interval: steps in a row without overflow before it goes up.
    On a GPU nobody waits to learn whether there was an overflow: the answer is read when the scale is next asked for.
    A step left out counts for the schedules of the optimizer, but not for its moments and averages.
    SOURCE: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2; names and defaults are PyTorch's.
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        *,
        backoff_factor: float = 0.5,
        growth_factor: float = 2.0,
        growth_interval: int = 2000,
    ) -> None:
        _check("init_scale", init_scale, init_scale > 0, "> 0")
        _check("backoff_factor", backoff_factor, 0 < backoff_factor < 1, "in (0, 1)")
        _check("growth_factor", growth_factor, growth_factor > 1, "> 1")
        _check("growth_interval", growth_interval, growth_interval >= 1, ">= 1")
        self.backoff_factor, self.growth_factor, self.growth_interval = backoff_factor, growth_factor, growth_interval
        self._scale, self._growth_tracker = float(init_scale), 0
        self._found: Dict[type, Tuple[Any, Any]] = {}  # ops and found_inf, by the type of the arrays
        self._updated: Dict[KeyT, Dict[KeyT, int]] = {}  # what was updated, with the counts of its optimizer
        self._before: Dict[KeyT, Dict[KeyT, int]] = {}  # the same of the step before, how it went being
        self._answers: List[Callable[[], Any]] = []  # not yet read

    def get_scale(self) -> float:
        """The scale for the next step."""
        self.settle()
        return self._scale

    def scale(self, dY: Any) -> Any:
        """The gradient of the loss times the scale: an array, a Ragged, a Padded, or a list or tuple of such.

        RAISES: TypeError for anything else.
        """
        with numpy.errstate(over="ignore"):
            return times(dY, self.get_scale())

    @property
    def found_inf(self) -> bool:
        """Whether a gradient of the steps since the last update was infinite or NaN. On a GPU this waits."""
        return any(bool(ops.to_numpy(flag)[0]) for ops, flag in self._found.values())

    def update(self) -> None:
        """After the step of the optimizer: make ready for the next one."""
        self.settle()
        self._before, self._updated = self._updated, {}
        self._answers = [ops._read_later(flag) for ops, flag in self._found.values()]
        for _, flag in self._found.values():
            flag.fill(0)

    # What an optimizer calls in a step

    def note_update(self, counts: Dict[KeyT, int], key: KeyT) -> None:
        """counts[key], the number of updates, was raised by one; it goes down again when there was an overflow.

        RAISES: RuntimeError when `update` was not called since the step before.
        """
        if key in self._updated:
            raise RuntimeError(f"GradScaler: update() must be called after every step; got a second step of {key!r}")
        self._updated[key] = counts

    def prepare_step(self, ops: Any, array: Any) -> Tuple[float, Any]:
        """The factor of the gradients, and found_inf on the device of this array, for ops.apply_gradients."""
        if type(array) not in self._found:
            self._found[type(array)] = (ops, ops.alloc((1,), dtype="int32"))
        return 1.0 / self._scale, self._found[type(array)][1]

    def settle(self) -> None:
        """Read how the step before `update` went, and move the scale."""
        if not self._answers:
            return
        overflow = any(bool(answer()[0]) for answer in self._answers)
        if overflow:
            for key, counts in self._before.items():
                counts[key] -= 1
        self._answers, self._before = [], {}
        self._growth_tracker = 0 if overflow else self._growth_tracker + 1
        if overflow:
            self._scale = max(self._scale * self.backoff_factor, SMALLEST)
        elif self._growth_tracker == self.growth_interval:
            self._scale, self._growth_tracker = self._scale * self.growth_factor, 0

    def state_dict(self) -> Dict[str, Any]:
        """Plain values to go on from."""
        self.settle()
        values = (self._scale, self._growth_tracker, self.backoff_factor, self.growth_factor, self.growth_interval)
        return dict(zip(STATE, values))

    def load_state_dict(self, state: Dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self._answers, self._before, self._updated, self._found = [], {}, {}, {}
        self._scale, self._growth_tracker = state["scale"], state["growth_tracker"]
        self.backoff_factor, self.growth_factor = state["backoff_factor"], state["growth_factor"]
        self.growth_interval = state["growth_interval"]

    def __getstate__(self) -> Dict[str, Any]:
        return self.state_dict()

    def __setstate__(self, state: Dict[str, Any]) -> None:
        self.load_state_dict(state)


def _check(name: str, value: float, is_right: bool, what: str) -> None:
    if not is_right:
        raise ValueError(f"GradScaler: {name} must be {what}; got {value}")


def times(dY: Any, scale: float) -> Any:
    """A gradient of any kind times a number."""
    if isinstance(dY, (list, tuple)):
        return type(dY)([times(each, scale) for each in dY])
    if isinstance(dY, Ragged):
        return Ragged(times(dY.data, scale), dY.lengths)
    if isinstance(dY, Padded):
        return Padded(times(dY.data, scale), dY.size_at_t, dY.lengths, dY.indices)
    if not hasattr(dY, "dtype"):
        raise TypeError(f"GradScaler.scale: dY must be an array, a Ragged or a Padded; got {type(dY).__name__}")
    if dY.dtype.itemsize == 2:  # a scale of 65536 would be infinite itself
        return (dY.astype("float32") * scale).astype(dY.dtype)
    return dY * scale
