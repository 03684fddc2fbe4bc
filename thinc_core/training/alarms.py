"""Alarms: when a loss is no number any more, which layer the first NaN or infinity is in."""

from typing import Any, Optional

import numpy

from .._model_tree import node_path
from ..diagnosis import check_finite
from ..model import Model
from ..types import Ragged


def bad_parameter(model: Model) -> Optional[str]:
    """The first parameter, in the order of the layers, that has a NaN or infinity: "W of chain > relu", or None."""
    for node in model.walk(order="dfs_pre"):
        for name in node.param_names:
            if node.has_param(name) and not bool(node.ops.xp.isfinite(node.get_param(name)).all()):
                return f"{name} of {node_path(model, node)}"
    return None


def where_not_finite(model: Model, X: Any, loss: Any, truths: Any) -> str:
    """What to add to the message of a run that ended with a loss of NaN: parameter or layer, or "" when unknown."""
    found = bad_parameter(model)
    if found:
        return f"; first in the parameter {found}"
    try:
        with numpy.errstate(all="ignore"):
            Y = model.predict(X)
            gradient = loss.get_grad(Y.dataXd if isinstance(Y, Ragged) else Y, truths)
            check_finite(model, X, Ragged(gradient, Y.lengths) if isinstance(Y, Ragged) else gradient)
    except FloatingPointError as err:
        return f"; first in {' '.join(str(err).split())}"
    except ValueError:  # the loss refuses to work with NaN, which is in the model's output then
        return _in_forward(model, X)
    return ""


def _in_forward(model: Model, X: Any) -> str:
    try:
        check_finite(model, X)
    except FloatingPointError as err:
        return f"; first in {' '.join(str(err).split())}"
    return ""
