"""What recurrent layers share: how their parameters are drawn."""

from typing import Any, Callable, Tuple

from ..model import Model
from ._widths import set_from_samples


def draw_gates(
    gates: int, init_W: Callable, init_b: Callable, model: Model, X: Any = None, Y: Any = None
) -> Tuple[Any, Tuple[int, int, int]]:
    """Weights and biases of the inputs, then those of the outputs of the step before, gate by gate, for each layer, for
    each direction. RETURNS: all of them as one array (n,), and (depth, dirs, width of a direction).
    """
    set_from_samples(model, X, Y)
    depth, dirs, nI = model.get_dim("depth"), model.get_dim("dirs"), model.get_dim("nI")
    nH, rest = divmod(model.get_dim("nO"), dirs)
    if rest:
        raise ValueError(f"{model.name}: nO must be even with bi=True; got {model.get_dim('nO')}")
    inputs = [nI] + [nH * dirs] * (depth - 1)
    matrices = [(nH, width) for n_in in inputs for _ in range(dirs) for width in (n_in, nH)]
    draws = [draw for shape in matrices for draw in [(init_W, shape)] * gates + [(init_b, (nH,))] * gates]
    params = [initializer(model.ops, shape).reshape(-1) for initializer, shape in draws]
    return model.ops.xp.concatenate(params), (depth, dirs, nH)
