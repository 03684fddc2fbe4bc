"""Evaluation mode of a PyTorch module for a while, with every part of it left as it was found."""

import threading
from typing import Any, List, Tuple

from .. import compat


class EvalMode:
    """While a prediction runs, all parts of a module are in evaluation mode; then each gets back the mode it had.

    Predictions may overlap in several threads: the first one in switches, the last one out switches back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: List[Tuple[Any, bool]] = []

    def begin(self, module: Any) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = _modes(module)
                if self._before:
                    _set([(part, False) for part, _ in self._before])
            self._inside += 1

    def end(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._before:
                _set(self._before)
                self._before = []


def _modes(module: Any) -> List[Tuple[Any, bool]]:
    """Every part, those above first, with its mode; none when all are in evaluation mode already."""
    parts = [module]
    is_training = False
    for part in parts:  # which grows meanwhile
        is_training = is_training or part.training
        children = part._modules
        if children:
            parts += children.values()
            if None in children.values():
                parts[:] = [each for each in parts if each is not None]
    return [(part, part.training) for part in parts] if is_training else []


def _set(modes: List[Tuple[Any, bool]]) -> None:
    """Put each part into its mode. What a class does of its own when the mode changes must happen. For all others
    Module's own way, which looks whether an attribute is a parameter, would take longer than a small layer does."""
    plain = compat.torch.nn.Module.train
    for part, mode in modes:
        state = part.__dict__
        if type(part).train is plain and "training" in state:
            state["training"] = mode
        elif part.training != mode:
            part.train(mode)
