"""What a step of an optimizer costs a model: many small parameters, large ones, few gradients, few rows of one."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np

from .bench_overhead import alone, libraries
from .jobs import Job, Selection
from .machine import Setup
from .result import Result, Target
from .timing import Side, paired

RATE = 0.001


@dataclass(frozen=True)
class Pattern:
    """Parameters of one shape, how many of them have a gradient, and in which share of their rows it is not zero."""

    name: str
    shape: Tuple[int, int]
    count: int
    with_gradient: int
    rows: float = 1.0

    @property
    def size(self) -> str:
        """For the report."""
        return f"{self.with_gradient} of {self.count} x {self.shape[0]}x{self.shape[1]}"

    def gradient(self, random: np.random.Generator) -> np.ndarray:
        """A gradient, zero in the rows that are not touched."""
        values = random.normal(size=self.shape).astype("f")
        values[random.uniform(size=self.shape[0]) > self.rows] = 0
        return values


PATTERNS = (
    Pattern("dense, many small", (1, 32), 1000, 1000),
    Pattern("dense, a transformer", (512, 256), 96, 96),
    Pattern("sparse, few parameters", (1, 32), 1000, 20),
    Pattern("sparse, few rows", (200_000, 96), 1, 1, rows=0.01),
)
# Plain Adam in every library, and ours as it is when nothing is said: clipped to a norm of 1, with averages.
SETTINGS: Dict[str, Dict[str, Any]] = {"Adam": {"grad_clip": 0.0, "use_averages": False}, "Adam, clip + averages": {}}


def forward(model: Any, X: Any, is_train: bool) -> Tuple[Any, Callable[[Any], Any]]:
    """These models are only updated."""
    return X, lambda dY: dY


def model_side(api: Any, pattern: Pattern, settings: Dict[str, Any]) -> Side:
    """A model of one of the functional libraries, updated by its optimizer."""
    random = np.random.default_rng(0)
    nodes = []
    for k in range(pattern.count):
        node = api.Model(f"p{k}", forward, params={"W": random.normal(size=pattern.shape).astype("f")})
        nodes.append(node)
        if k < pattern.with_gradient:
            node.set_grad("W", pattern.gradient(random))
    kept = [node.get_grad("W").copy() for node in nodes[: pattern.with_gradient]]
    model, optimizer = api.Model("all", forward, layers=nodes), api.Adam(RATE, **settings)

    def reset() -> None:
        for node, gradient in zip(nodes, kept):
            node.get_grad("W")[...] = gradient

    return Side(partial(model.finish_update, optimizer), reset)


def torch_side(torch: Any, pattern: Pattern) -> Side:
    """PyTorch's fastest: one fused loop. Its gradients stay as they are, which saves it clearing them."""
    random = np.random.default_rng(0)
    parameters = [torch.nn.Parameter(torch.from_numpy(random.normal(size=pattern.shape).astype("f")))
                  for _ in range(pattern.count)]  # fmt: skip
    for parameter in parameters[: pattern.with_gradient]:
        parameter.grad = torch.from_numpy(pattern.gradient(random))
    return Side(torch.optim.Adam(parameters, lr=RATE, fused=True).step)


def measure(setup: Setup, pattern: Pattern, name: str) -> Result:
    """One row."""
    setup.use_threads(1)
    sides = {side: model_side(api, pattern, SETTINGS[name]) for side, api in libraries(setup).items()}
    targets: List[Target] = [Target("thinc", 0.334)]
    if "torch" in setup.peers and name == "Adam":
        sides["torch"] = torch_side(setup.peers["torch"], pattern)
        targets.append(Target("torch", 2.0))
    costs = paired(sides, setup.plan)
    values = pattern.with_gradient * pattern.shape[0] * pattern.shape[1]
    # Weights, gradient and both moments are read and written; an average too.
    arrays = 4 if name == "Adam" else 5
    work = 2.0 * arrays * 4 * values / 1e9
    return Result("optimizers", f"{name}: {pattern.name}", pattern.size, costs, targets, rate="GB/s", work=work)


def jobs(setup: Setup, selection: Selection) -> Iterator[Job]:
    """Every row, on one thread."""
    for name in SETTINGS:
        for pattern in PATTERNS:
            title = f"{name}: {pattern.name}"
            yield Job("optimizers", title, pattern.size, partial(alone, partial(measure, setup, pattern, name)))
