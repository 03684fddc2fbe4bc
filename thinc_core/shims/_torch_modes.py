"""Evaluation mode of a PyTorch module for a while, with every part of it left as it was found."""

import contextlib
import threading
from typing import Any, Iterator, List, Tuple

from .. import compat


class EvalMode:
    """While a prediction runs, all parts of a module are in evaluation mode; then each gets back the mode it had.

    Predictions may overlap in several threads: the first one in switches, the last one out switches back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: List[Tuple[Any, bool]] = []

    @contextlib.contextmanager
    def __call__(self, module: Any) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._before = _modes(module)
                for part, _ in self._before:
                    _set(part, False)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    for part, mode in self._before:
                        _set(part, mode)
                    self._before = []


def _modes(module: Any) -> List[Tuple[Any, bool]]:
    """Every part once, those above first, with its mode; none when all are in evaluation mode already."""
    found = {id(module): module}
    queue = [module]
    is_training = module.training
    while queue:
        for part in queue.pop()._modules.values():
            if part is not None and id(part) not in found:
                found[id(part)] = part
                queue.append(part)
                is_training = is_training or part.training
    return [(part, part.training) for part in found.values()] if is_training else []


def _set(part: Any, mode: bool) -> None:
    if part.training == mode:
        return
    # What a class does of its own when the mode changes must happen. Otherwise Module's own way to set an attribute,
    # which looks whether it is a parameter, would take longer than a small layer does.
    if type(part).train is compat.torch.nn.Module.train and "training" in part.__dict__:
        part.__dict__["training"] = mode
    else:
        part.train(mode)
