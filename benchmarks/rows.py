"""What a row of the op table says: one op, its inputs at a size, the same work elsewhere, and what must hold."""

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from . import inputs
from .result import Target

Shape = Tuple[int, ...]
FLOATS = ("float32", "float64")
NO_FLOATS = ("uint64",)

W = 96  # the usual width of a layer
JUDGED = (4000, W)  # targets are stated for this size
# From less than a short sentence to far beyond the caches, and from widths that fill no register to large models.
ROWS = tuple((rows, W) for rows in (8, 64, 512, 4000, 20_000, 100_000))
WIDTHS = tuple((4000, width) for width in (17, 64, 300, 768))


@dataclass(frozen=True)
class At:
    """One size: the shape of the main input and the float type."""

    shape: Shape
    dtype: str = "float32"

    @property
    def rows(self) -> int:
        """The first dimension."""
        return self.shape[0]

    @property
    def width(self) -> int:
        """The last dimension."""
        return self.shape[-1]

    def __str__(self) -> str:
        return "x".join(map(str, self.shape))

    def normal(self, *tail: int, seed: int = 0) -> np.ndarray:
        """Normal values of this shape, with more dimensions behind."""
        return self.array(*self.shape, *tail, seed=seed)

    def array(self, *shape: int, seed: int = 0) -> np.ndarray:
        """Normal values of any shape in this type."""
        return inputs.normal(*shape, dtype=self.dtype, seed=seed)

    def lengths(self) -> np.ndarray:
        """Lengths of sentences that sum to rows."""
        return inputs.sentence_lengths(self.rows)


@dataclass(frozen=True)
class Op:
    """A row of the table; measured at every size of `sizes`, judged by `targets` at those of `judged`.

    args: the inputs at a size.
    call: ours, call(ops, *args); default: the method called `name`.
    torch: torch(module, *tensors) returns the call with the same work in PyTorch.  numpy: the plain NumPy expression.
    original: the original is given the same call; False: it has no such op; else original(api, *args) returns its call.
    traffic: bytes that must be read or written; default: those of all inputs and outputs.
    flops: multiplications and additions, for products.
    beside: other calls of ours, by the name that a target refers to.
    reset: undoes what a call does to its arguments.
    wide: the sizes at which float64 is judged; default: `judged`.
    """

    name: str
    args: Callable[[At], Tuple[Any, ...]]
    torch: Optional[Callable[..., Callable[[], Any]]] = None
    numpy: Optional[Callable[..., Any]] = None
    targets: Union[Sequence[Target], Callable[[At], Sequence[Target]]] = ()
    call: Optional[Callable[..., Any]] = None
    original: Union[bool, Callable[..., Callable[[], Any]]] = True
    traffic: Optional[Callable[..., float]] = None
    flops: Optional[Callable[[At], float]] = None
    beside: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    reset: Optional[Callable[..., None]] = None
    sizes: Sequence[Shape] = ROWS + WIDTHS
    judged: Sequence[Shape] = (JUDGED,)
    dtypes: Sequence[str] = FLOATS
    wide: Optional[Sequence[Shape]] = None

    def run(self, ops: Any, *args: Any) -> Any:
        """The call with some backend's ops."""
        return getattr(ops, self.name)(*args) if self.call is None else self.call(ops, *args)

    def targets_at(self, at: At) -> Sequence[Target]:
        """What must hold at this size; a float64 row is judged by its float32 time."""
        if at.shape not in self.judged:
            return ()
        if at.dtype == "float64":
            return (Target("f32", 2.5),)
        return self.targets(at) if callable(self.targets) else self.targets
