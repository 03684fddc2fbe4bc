"""A Maxout layer and the LayerNorm behind it: rows are normalised while the cache still holds them."""

from typing import Any, Callable, Sequence, Tuple

from ..model import Model
from ..types import Floats2d
from ._fusion import is_part
from ._gradients import accumulate
from ._widths import as_wide


class NormalizedMaxout:
    """A step of a chain that stands for a Maxout layer and the LayerNorm behind it."""

    def __init__(self, mixer: Model, norm: Model) -> None:
        self.mixer, self.norm = mixer, norm
        self.name, self._layers = mixer.name, [mixer, norm]

    @staticmethod
    def _func(step: "NormalizedMaxout", X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
        mixer, norm, ops = step.mixer, step.norm, step.mixer.ops
        W, G = mixer.get_param("W"), norm.get_param("G")
        X = as_wide(X, W)
        args = (X, W, mixer.get_param("b"), G, norm.get_param("b"))
        Y, *kept = ops.affine_maxout_layernorm(*args, keep=is_train)

        def backprop(dY: Floats2d) -> Floats2d:
            best, which, mu, rstd = kept if is_train else ops.affine_maxout_layernorm(*args)[1:]
            d_best = accumulate(norm, ops.backprop_layernorm, (dY, best, G, mu, rstd), "G", "b")
            return accumulate(mixer, ops.backprop_affine_maxout, (d_best, which, X, W), "W", "b")

        return Y, backprop


def normalized(layers: Sequence[Any]) -> Sequence[Any]:
    """The layers, of which the first is a Maxout, joined with the second when that is a LayerNorm of its width."""
    if len(layers) < 2 or not is_part(layers[1], "layernorm"):
        return layers
    mixer, norm = layers[:2]
    if mixer.ops is not norm.ops or not norm.has_param("G") or not norm.has_param("b") or not mixer.has_param("W"):
        return layers
    if norm.get_param("G").shape != mixer.get_param("W").shape[:1]:
        return layers
    return [NormalizedMaxout(mixer, norm), *layers[2:]]
