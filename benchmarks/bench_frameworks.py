"""What it costs to run a model of another framework as a layer, and ours as a part of theirs, beyond the bare call."""

import copy
from functools import partial
from typing import Any, Callable, Dict, List

import numpy as np

from .machine import Setup
from .result import OURS, Result, Target
from .timing import Side, Timing, paired

# What a call may cost beyond the bare module: 10 us and 2% of it.
SECONDS, SHARE = 10e-6, 1.02


def mlp(torch: Any, width: int) -> Any:
    """A module of three parts."""
    return torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, width))


def result(setup: Setup, title: str, width: int, calls: int, sides: Dict[str, Callable[[], Any]]) -> Result:
    """A row with the limit as a side. calls: of the layer in one call of a side."""
    setup.use_threads(1)
    costs = paired({name: Side(call) for name, call in sides.items()}, setup.plan)
    bare = costs["torch"]
    costs["limit"] = Timing(bare.best * SHARE + calls * SECONDS, bare.noise)
    return Result("overhead", title, f"32x{width}", costs, [Target("limit", 1.0)])


def predict(setup: Setup, width: int) -> Result:
    """PyTorchWrapper.predict beside the module under no_grad."""
    from thinc_core.api import PyTorchWrapper

    torch = setup.peers["torch"]
    module, X = mlp(torch, width), np.ones((32, width), "f")
    model, x = PyTorchWrapper(module), torch.from_numpy(X)

    def bare() -> None:
        with torch.no_grad():
            module(x)

    sides: Dict[str, Callable[[], Any]] = {OURS: partial(model.predict, X), "torch": bare}
    return result(setup, "pytorch wrapped, predict", width, 1, sides)


def update(setup: Setup, width: int) -> Result:
    """begin_update and its callback, two calls, beside the module and backward."""
    from thinc_core.api import PyTorchWrapper

    torch = setup.peers["torch"]
    module, X = mlp(torch, width), np.ones((32, width), "f")
    model, x = PyTorchWrapper(copy.deepcopy(module)), torch.from_numpy(X)

    @torch.enable_grad()  # type: ignore[untyped-decorator]
    def ours() -> None:
        model.begin_update(X)[1](X)

    @torch.enable_grad()  # type: ignore[untyped-decorator]
    def bare() -> None:
        module(x.detach().requires_grad_()).backward(x)

    return result(setup, "pytorch wrapped, update", width, 2, {OURS: ours, "torch": bare})


def module(setup: Setup, width: int) -> Result:
    """A model of ours in PyTorch's graph, forwards and backwards, beside the same by PyTorch."""
    from thinc_core.api import Linear, as_pytorch_module, chain, noop

    torch = setup.peers["torch"]
    peer, x = torch.nn.Linear(width, width), torch.ones(32, width)
    ours = as_pytorch_module(chain(Linear(width, width), noop()).initialize())

    @torch.enable_grad()  # type: ignore[untyped-decorator]
    def run(part: Any) -> None:
        part(x.detach().requires_grad_()).backward(x)

    sides: Dict[str, Callable[[], Any]] = {OURS: partial(run, ours), "torch": partial(run, peer)}
    costs = paired({name: Side(call) for name, call in sides.items()}, setup.plan)
    return Result("overhead", "as pytorch module, update", f"32x{width}", costs, [])


def rows(setup: Setup) -> Dict[str, Callable[[], List[Result]]]:
    """Every row. Without PyTorch among the peers there is nothing to measure."""
    measures: Dict[str, Callable[[], Result]] = {}
    for width in (8, 256):
        measures[f"pytorch wrapped, predict {width}"] = partial(predict, setup, width)
        measures[f"pytorch wrapped, update {width}"] = partial(update, setup, width)
    measures["as pytorch module, update"] = partial(module, setup, 256)
    return {name: partial(with_torch, setup, measure) for name, measure in measures.items()}


def with_torch(setup: Setup, measure: Callable[[], Result]) -> List[Result]:
    """The one result of a row, or none."""
    return [measure()] if "torch" in setup.peers else []
