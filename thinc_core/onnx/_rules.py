"""Which layers can be exported, by the forward functions that they run, and why the others cannot."""

import functools
import importlib
import sys
from typing import Any, Callable, Dict, Optional, TypeVar

from ..model import Model

# rule(graph, model, X) adds what the layer does to the graph. RETURNS: the value it gives for the value X.
Rule = Callable[[Any, Model, Any], Any]
RuleT = TypeVar("RuleT", bound=Rule)

LAYERS = f"{__package__.rpartition('.')[0]}.layers"
_RULES: Dict[str, Rule] = {}  # by "module of the package layers.name of the function"
_OTHERS: Dict[Callable[..., Any], Rule] = {}  # those of users, by function
_PARTS = ("_dense", "_combinators", "_sequences", "_attention", "_recurrent", "_tables")

# Layer: what of it is exported, where that is not all. The table of docs/frameworks.md is made of these two.
COVERED: Dict[str, str] = {
    "add": "",
    "array_getitem": "with whole numbers and slices of positive steps as index",
    "activation": "",
    "BatchNorm": "with the running statistics",
    "bidirectional": "v1 and v2",
    "bidirectional_v2": "",
    "CauchySimilarity": "",
    "chain": "",
    "ClippedLinear": "",
    "clone": "",
    "concatenate": "",
    "Conv1D": "",
    "Dish": "",
    "Dropout": "as nothing: a file predicts",
    "Embed": "",
    "expand_window": "",
    "Gelu": "",
    "GRU": "",
    "HardSigmoid": "",
    "HardSwish": "",
    "HardSwishMobilenet": "",
    "HardTanh": "",
    "HashEmbed": "with its hash, bit for bit",
    "LayerNorm": "",
    "Linear": "",
    "list2array": "",
    "list2padded": "",
    "list2ragged": "",
    "Logistic": "",
    "LoRA": "as one product",
    "LSTM": "",
    "Maxout": "",
    "Mish": "",
    "MultiSoftmax": "",
    "MultiSoftmax_v2": "",
    "noop": "",
    "padded2list": "",
    "ParametricAttention": "",
    "ParametricAttention_v2": "",
    "premap_ids": "",
    "ragged2list": "",
    "reduce_first": "",
    "reduce_last": "",
    "reduce_max": "",
    "reduce_mean": "",
    "reduce_sum": "",
    "Relu": "",
    "ReluK": "",
    "remap_ids": "of integers",
    "remap_ids_v2": "of integers",
    "residual": "",
    "resizable": "",
    "RMSNorm": "",
    "SelfAttention": "",
    "siamese": "",
    "Sigmoid": "",
    "sigmoid_activation": "",
    "Softmax": "",
    "Softmax_v2": "",
    "softmax_activation": "",
    "StaticVectors": "with its vectors in the file",
    "SwiGLU": "",
    "Swish": "",
    "TransformerBlock": "",
    "tuplify": "",
    "uniqued": "without its saving: every row is run",
    "with_array": "without `pad`",
    "with_array2d": "without `pad`",
    "with_cpu": "",
    "with_debug": "without its hooks",
    "with_getitem": "",
    "with_list": "",
    "with_nvtx_range": "without its ranges",
    "with_padded": "",
    "with_ragged": "",
    "with_reshape": "",
    "with_signpost_interval": "without its intervals",
}
REFUSED: Dict[str, str] = {
    "map_list": "it runs its layer once for each item, and a graph has no such loop; with_array runs all rows at once",
    "SparseLinear": "bags of features are hashed by a function that ONNX has no operators for",
    "SparseLinear_v2": "bags of features are hashed by a function that ONNX has no operators for",
    "strings2arrays": "strings are hashed, and ONNX has no operator that reads their bytes",
    "with_flatten": "nested lists are no tensors",
    "with_flatten_v2": "nested lists are no tensors",
}
_WRAPPED = "it runs another framework, whose own exporter writes such files"


def rule(*places: str) -> Callable[[RuleT], RuleT]:
    """The rule for layers whose forward functions are in these places: "linear", or "multisoftmax.forward_v2"."""

    def register(function: RuleT) -> RuleT:
        for place in places:
            _RULES[place if "." in place else f"{place}.forward"] = function
        return function

    return register


def onnx_rule(forward: Callable[..., Any]) -> Callable[[RuleT], RuleT]:
    """Decorator: how to_onnx is to write layers of your own whose forward function this is.

    The function is called with the graph, the model and the value of X, for an array the name of its tensor, and
    returns that of Y: graph.op("Mul", X, 2.0) adds an operator, graph.run(model.layers[0], X) a layer.
    """

    def register(function: RuleT) -> RuleT:
        _OTHERS[forward] = function
        return function

    return register


def find_rule(model: Model) -> Optional[Rule]:
    """The rule for a layer, or None."""
    for part in _PARTS:
        importlib.import_module(f"{__package__}.{part}")
    function = _unwrapped(model._func)
    if function in _OTHERS:
        return _OTHERS[function]
    return _RULES.get(_place(function))


def why_not(model: Model) -> str:
    """Why there is no rule for a layer."""
    if model.shims:
        return _WRAPPED
    package = sys.modules[LAYERS]
    place = _place(_unwrapped(model._func)).partition(".")[0]
    for name, reason in REFUSED.items():
        if getattr(package, name).__module__ == f"{LAYERS}.{place}":
            return reason
    return "there is no rule for its forward function; onnx_rule registers one"


def _unwrapped(function: Any) -> Any:
    """The forward function inside what with_debug and its like put around it."""
    while (
        isinstance(function, functools.partial) and getattr(function.func, "__module__", "") == f"{LAYERS}._instrument"
    ):
        function = function.args[2]
    return function


def _place(function: Any) -> str:
    """Where in the package layers a function is defined; empty for all others, also for what claims to be one."""
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__qualname__", "")
    if not module.startswith(f"{LAYERS}.") or getattr(sys.modules.get(module), name, None) is not function:
        return ""
    return f"{module[len(LAYERS) + 1 :]}.{name}"
