"""Evaluation mode of a PyTorch module for a while, with every part of it left as it was found."""

import threading
from typing import Any, Dict, List, Optional, Tuple

from .. import compat


class EvalMode:
    """While a prediction runs, all parts of a module are in evaluation mode; then each gets back the mode it had.

    Predictions may overlap in several threads: the first one in switches, the last one out switches back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._states: List[Dict[str, Any]] = []  # of parts that are told so by their attribute alone
        self._before: List[Tuple[Any, bool]] = []  # where a part has a way of its own: all of them

    def begin(self, module: Any) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                states = _states_in_training(module)
                if states is None:
                    self._before = [(part, part.training) for part in _parts(module)]
                    _set([(part, False) for part, _ in self._before])
                    return
                self._states = states
                for state in states:
                    state["training"] = False

    def end(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for state in self._states:
                    state["training"] = True
                _set(self._before)
                self._states, self._before = [], []


def _parts(module: Any) -> List[Any]:
    """Every part, those above first."""
    parts = [module]
    for part in parts:  # which grows meanwhile
        parts += [child for child in part._modules.values() if child is not None]
    return parts


def _states_in_training(module: Any) -> Optional[List[Dict[str, Any]]]:
    """The attributes of every part in training mode; None when a class does something of its own as the mode changes.

    Module's own way, which looks whether an attribute is a parameter, would take longer than a small layer does.
    """
    plain = compat.torch.nn.Module.train
    parts, states = [module], []
    for part in parts:  # which grows meanwhile
        state = part.__dict__
        if type(part).train is not plain or "training" not in state:
            return None
        if state["training"]:
            states.append(state)
        children = state["_modules"]
        if children:
            parts += [child for child in children.values() if child is not None]
    return states


def _set(modes: List[Tuple[Any, bool]]) -> None:
    """Put each part into its mode; what a class does of its own then must happen, once."""
    plain = compat.torch.nn.Module.train
    for part, mode in modes:
        state = part.__dict__
        if type(part).train is plain and "training" in state:
            state["training"] = mode
        elif part.training != mode:
            part.train(mode)
