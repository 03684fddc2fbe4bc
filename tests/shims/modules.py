"""Small PyTorch modules of every shape of call, and what their gradients are without us."""

from __future__ import annotations

import copy
from typing import Any, Dict, Iterator, List, Tuple

import numpy

from thinc_core.types import ArgsKwargs


def floats(*shape: int, seed: int = 0) -> Any:
    return numpy.random.RandomState(seed).normal(size=shape).astype("float32")


def function_module(torch: Any, call: Any, **parts: Any) -> Any:
    """A module with these parts that computes call(self, *args, **kwargs)."""

    class Module(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return call(self, *args, **kwargs)

    return Module()


def mlp(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Dropout(0.0), nn.Linear(5, 3))


def samples(torch: Any) -> Dict[str, Tuple[Any, Any]]:
    """Module and batch by name: arrays and nested arguments, ids, outputs of every structure."""
    nn = torch.nn
    ids = numpy.array([[1, 2], [0, 2], [4, 4]])
    two, shifted = floats(3, 4), floats(3, 4, seed=1)
    both = {"one": nn.Linear(4, 3), "other": nn.Linear(4, 3)}

    def added(m: Any, a: Any, b: Any) -> Any:
        return m.one(a) * m.other(b)

    def several(m: Any, a: Any) -> Any:
        return m.one(a), {"last": m.other(a), "ids": torch.arange(3), "nothing": None}, [a.detach() * 2]

    return {
        "array": (mlp(torch), floats(6, 4)),
        "no rows": (mlp(torch), floats(0, 4)),
        "list": (function_module(torch, added, **both), [two, shifted]),
        "tuple": (function_module(torch, added, **both), (two, shifted)),
        "dict": (function_module(torch, added, **both), {"a": two, "b": shifted}),
        "ArgsKwargs": (function_module(torch, added, **both), ArgsKwargs((two,), {"b": shifted})),
        "nested": (
            function_module(torch, lambda m, xs: m.one(xs[0]) * m.other(xs[1]["b"]), **both),
            ([two, {"b": shifted}],),
        ),
        "ids": (nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)), ids),
        "ids and floats": (function_module(torch, lambda m, i, x: m.e(i).sum(1) * x, e=nn.Embedding(5, 4)), (ids, two)),
        "several outputs": (function_module(torch, several, **both), two),
        "unused input": (function_module(torch, lambda m, a, b: m.one(a), **both), (two, shifted)),
        "setting": (
            function_module(torch, lambda m, a, twice: m.one(a) * (2 if twice else 1), **both),
            {"a": two, "twice": True},
        ),
        "scalar parameter": (function_module(torch, lambda m, a: m.s * a, s=nn.Parameter(torch.tensor(0.5))), two),
    }


def leaves(kind: Any, value: Any) -> Iterator[Any]:
    """Everything of a type inside lists, tuples, dicts and ArgsKwargs."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from leaves(kind, each)
    elif isinstance(value, (dict, ArgsKwargs)):
        yield from leaves(kind, list(value.values()))


def mapped(kind: Any, function: Any, value: Any) -> Any:
    """The same structure with function(leaf) in the place of everything of a type."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(kind, function, each) for each in value)
    if isinstance(value, ArgsKwargs):
        return ArgsKwargs(mapped(kind, function, tuple(value.args)), mapped(kind, function, value.kwargs))
    return {key: mapped(kind, function, each) for key, each in value.items()} if isinstance(value, dict) else value


def by_pytorch(torch: Any, module: Any, X: Any, dY: Any) -> Tuple[List[Any], List[Any], Dict[str, Any]]:
    """Outputs, gradients of the inputs and of the parameters, by a loop in PyTorch. dY: of the outputs of floats."""
    module = copy.deepcopy(module)
    module.zero_grad()

    def tensor(array: Any) -> Any:
        made = torch.from_numpy(array.copy())
        return made.requires_grad_() if made.is_floating_point() else made

    given = mapped(numpy.ndarray, tensor, X)
    if isinstance(given, ArgsKwargs):
        outputs = module(*given.args, **given.kwargs)
    elif isinstance(given, dict):
        outputs = module(**given)
    else:
        outputs = module(*given) if isinstance(given, (list, tuple)) else module(given)
    found = list(leaves(torch.Tensor, outputs))
    pairs = [(Y, torch.from_numpy(dy)) for Y, dy in zip(found, dY) if Y.requires_grad]
    torch.autograd.backward([Y for Y, _ in pairs], [dy for _, dy in pairs])
    inputs = [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves(torch.Tensor, given)]
    return found, inputs, {name: parameter.grad for name, parameter in module.named_parameters()}
