"""A Maxout layer, the LayerNorm and the Dropout behind it, and an array to add: rows are finished while the cache, or a
GPU's registers, still hold them, and no mask is stored.
"""

from functools import partial
from typing import Any, Callable, Optional, Sequence, Tuple

from .._marks import skips_dX
from ..model import Model
from ..types import Floats2d
from ._batches import add_up
from ._checks import as_wide
from ._fusion import adds, is_part
from ._gradients import accumulate_in, add_products
from .dropout import draw


class NormalizedMaxout:
    """A step of a chain that stands for a Maxout layer, the LayerNorm behind it and maybe the Dropout behind that.

    inner: the chain that has the first two, if it is one of its own: what an error passes on its way out.
    """

    def __init__(self, mixer: Model, norm: Model, dropout: Optional[Model] = None, inner: Optional[Model] = None):
        self.mixer, self.norm, self.dropout = mixer, norm, dropout
        self.nodes = (mixer,) if inner is None else (mixer, inner)
        self.name, self._layers = mixer.name, [mixer, norm]

    @staticmethod
    def _func(
        step: "NormalizedMaxout", X: Floats2d, is_train: bool, plus: Optional[Floats2d] = None
    ) -> Tuple[Floats2d, Callable]:
        mixer, norm, ops = step.mixer, step.norm, step.mixer.ops
        W, G = mixer.get_param("W"), norm.get_param("G")
        X = as_wide(X, W)
        args = (X, W, mixer.get_param("b"), G, norm.get_param("b"))
        drop = draw(step.dropout, is_train)
        Y, *kept = ops.affine_maxout_layernorm(*args, 1e-8, is_train, *drop, plus)

        def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
            state = kept if is_train else ops.affine_maxout_layernorm(*args)[1:]
            owners = ((mixer, "W"), (mixer, "b"), (norm, "G"), (norm, "b"))
            op = ops.backprop_affine_maxout_layernorm if needs_dX else partial(_add_gradients, ops)
            return accumulate_in(owners, op, (dY, *state, X, W, G), *drop)

        return Y, backprop


def _add_gradients(
    ops: Any, dY: Any, best: Any, which: Any, mu: Any, rstd: Any, X: Any, W: Any, G: Any, *buffers: Any
) -> None:
    """What ops.backprop_affine_maxout_layernorm adds to gradients, without the dX that it returns."""
    dW, db, dG, dshift, drop, seed = buffers
    d_best = ops.backprop_layernorm(ops.dropout(dY, drop, seed), best, G, mu, rstd, dG, dshift)
    add_products(ops, ops.backprop_maxout(d_best, which, W.shape[1]).reshape(len(X), -1), X, dW, db)


def _with_plus(step: NormalizedMaxout, X: Floats2d, is_train: bool, plus: Floats2d) -> Tuple[Floats2d, Callable]:
    fits = plus.shape == (X.shape[0], step.norm.get_param("G").shape[0]) and plus.dtype == X.dtype
    Y, backprop = NormalizedMaxout._func(step, X, is_train, plus if fits else None)
    return Y if fits else add_up([plus, Y]), backprop


skips_dX(NormalizedMaxout._func)
adds(NormalizedMaxout._func, _with_plus)


def normalized(layers: Sequence[Any], X: Any = None) -> Sequence[Any]:
    """The layers, with the first ones joined where they are a Maxout and a LayerNorm of its width, and maybe a Dropout.

    The first two may be a chain of their own, if there is a Dropout behind it.
    """
    inner = layers[0] if len(layers) > 1 and is_part(layers[0], "chain") else None
    pair = layers if inner is None else inner._layers
    if len(pair) < 2 or (inner is not None and (len(pair) != 2 or not is_part(layers[1], "dropout"))):
        return layers
    mixer, norm = pair[:2]
    if not (is_part(mixer, "maxout") and is_part(norm, "layernorm")) or not _fit(mixer, norm):
        return layers
    rest = layers[2:] if inner is None else layers[1:]
    if rest and is_part(rest[0], "dropout") and rest[0].ops is mixer.ops:
        return [NormalizedMaxout(mixer, norm, rest[0], inner), *rest[1:]]
    return layers if inner is not None else [NormalizedMaxout(mixer, norm), *rest]


def _fit(mixer: Model, norm: Model) -> bool:
    return (
        mixer.ops is norm.ops
        and bool(mixer.has_param("W") and norm.has_param("G") and norm.has_param("b"))
        and norm.get_param("G").shape == mixer.get_param("W").shape[:1]
    )
