"""Statistics of a model in training: how large activations, weights, gradients and updates are, layer by layer.

Dead activations show as a fraction of zeros, exploding ones as a norm that grows, and an `update` of more than about
1e-2 of its weights says that the learning rate is too high. A NaN or infinity ends the run with the layer's name.
"""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple, Union

from ..model import Model
from .checkpoints import write_atomic
from .errors import UserError
from .instruments import arrays_in, instrumented, layer_paths

STATISTICS = "statistics.jsonl"


class LayerStatistics:
    """To be given to `fit` as `around`: writes a line of JSON for every so many updates.

    every: updates between two lines. path: of the file.
    resume: go on with the file that is there; lines later than the first new one are dropped then.
    RAISES: UserError naming layer and array as soon as one of those looked at is not finite.
    """

    def __init__(self, every: int, path: Union[str, Path], *, resume: bool = False) -> None:
        self.every, self.path = every, Path(path)
        old = self.path.read_text(encoding="utf8").splitlines() if resume and self.path.is_file() else []
        self._old = [line for line in old if line.endswith("}")]
        self._is_open = False

    @contextmanager
    def __call__(self, model: Model, step: int) -> Iterator[None]:
        if step % self.every:
            yield
            return
        look = Look(model, step)
        with instrumented(model, look.wrap):
            yield
        self._write(step, {"step": step, "layers": look.rows()})

    def _write(self, step: int, record: Dict[str, Any]) -> None:
        if not self._is_open:
            kept = [line for line in self._old if json.loads(line)["step"] < step]
            write_atomic(self.path, "".join(f"{line}\n" for line in kept))
            self._is_open = True
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(record) + "\n")


class Look:
    """One update, looked at."""

    def __init__(self, model: Model, step: int) -> None:
        self.model, self.step, self.paths = model, step, layer_paths(model)
        self.outputs: Dict[str, Dict[str, float]] = {}
        self.before: Dict[Tuple[str, str], Any] = {}
        self.gradients: Dict[Tuple[str, str], float] = {}

    def wrap(self, node: Model, forward: Callable, model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
        Y, callback = forward(model, X, is_train)
        self.outputs[self.paths[id(node)]] = self._summary(node, Y)

        def backprop(dY: Any) -> Any:
            dX = callback(dY)
            if node is self.model:
                self._note_gradients()
            return dX

        return Y, backprop

    def _summary(self, node: Model, Y: Any) -> Dict[str, float]:
        xp, where = node.ops.xp, self.paths[id(node)]
        floats = [array.astype("float64") for array in arrays_in(Y) if array.dtype.kind == "f" and array.size]
        if not floats:
            return {}
        size = sum(array.size for array in floats)
        total, square, zeros = (
            sum(float(each(array)) for array in floats) / size
            for each in (xp.sum, lambda array: xp.square(array).sum(), lambda array: (array == 0).sum())
        )
        self._check(square, f"the output of {where}")
        return {"mean": total, "std": max(square - total * total, 0.0) ** 0.5, "zeros": zeros}

    def _parameters(self) -> Iterator[Tuple[Tuple[str, str], Model]]:
        for node in self.model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    yield (self.paths[id(node)], name), node

    def _note_gradients(self) -> None:
        for key, node in self._parameters():
            self.before[key] = node.get_param(key[1]).copy()
            gradient = node.maybe_get_grad(key[1])
            if gradient is not None:
                self.gradients[key] = self._norm(node, gradient)
                self._check(self.gradients[key], f"the gradient of {key[1]} of {key[0]}")

    def _norm(self, node: Model, array: Any) -> float:
        return float(node.ops.xp.sqrt(node.ops.xp.square(array.astype("float64")).sum()))

    def _check(self, value: float, what: str) -> None:
        if not abs(value) < float("inf"):
            raise UserError(f"training: {what} is not finite at step {self.step}")

    def rows(self) -> List[Dict[str, Any]]:
        """One dict per layer: its output, and norm, gradient and relative update of each of its parameters."""
        rows: Dict[str, Dict[str, Any]] = {path: {"layer": path, **values} for path, values in self.outputs.items()}
        for key, node in self._parameters():
            after, before = node.get_param(key[1]), self.before.get(key)
            row: Dict[str, float] = {"norm": self._norm(node, after)}
            self._check(row["norm"], f"the parameter {key[1]} of {key[0]}")
            if key in self.gradients and before is not None:
                row["gradient"] = self.gradients[key]
                row["update"] = self._norm(node, after - before) / max(self._norm(node, before), 1e-12)
            rows.setdefault(key[0], {"layer": key[0]})[key[1]] = row
        return [rows[path] for path in self.paths.values() if path in rows]
