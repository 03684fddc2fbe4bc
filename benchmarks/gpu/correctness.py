"""Every row of tests/cases.py on the device, forward and backward, against float64 NumPy; and what only a device shows.

A row of the report is an op in a dtype: the worst relative error, ||result - expected|| / ||expected||, of all sizes
and layouts. Choices and integers must be equal.
"""

from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import numpy as np

from ..result import OURS, Result, Target
from ..timing import Timing
from .card import Card, use_tests

SIZES = ((0, 5), (1, 1), (3, 31), (33, 96), (96, 33), (7, 300), (300, 3), (5, 1000))
FEW_SIZES = ((0, 5), (1, 1), (3, 31), (33, 17))
# Of the norm. float16 is stored between steps, and a product of 300 terms rounded to it; bfloat16 has 8 bits.
LIMITS = {"float32": 1e-5, "float64": 1e-12, "float16": 4e-3, "bfloat16": 1.6e-2}
WRONG = 1e9  # the error of what is no number, has another shape, or raises
HALVES = ("float16", "bfloat16")
# Terms that meet in a row of a table are added to it one by one, and in these dtypes each sum is rounded.
ADD_ONE_BY_ONE = ("scatter_add", "backprop_hash_embed", "backprop_hash_embeds")
SHORT = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16"}


class Check:
    """One row of the report: op, dtype, and a function that gives its worst error."""

    def __init__(self, name: str, dtype: str, worst: Callable[[], float], size: str = "") -> None:
        self.name, self.dtype, self.worst, self.size = name, dtype, worst, size

    def __str__(self) -> str:
        return f"{self.name} {SHORT[self.dtype]}"

    def run(self, card: Card) -> Result:
        """The result; an op that raises is as wrong as can be."""
        limit = LIMITS[self.dtype] * (4 if self.name.split("-")[0] in ADD_ONE_BY_ONE and self.dtype in HALVES else 1)
        costs, note = {"limit": Timing(limit)}, ""
        try:
            costs[OURS] = Timing(self.worst())
        except Exception as failure:
            note = f"{type(failure).__name__}: {failure}".split("\n")[0][:120]
            if not is_refusal(failure):
                costs[OURS] = Timing(WRONG)
        result = Result("gpu", self.name, self.size, costs, [Target("limit", 1.0)], "correctness", SHORT[self.dtype])
        result.unit, result.note, result.extra = "", note, {"dry_run": True} if card.dry else {}
        return result


def is_refusal(failure: Exception) -> bool:
    """Whether an op said that it does not take bfloat16, which is not wrong but not there."""
    return isinstance(failure, TypeError) and "got bfloat16" in str(failure)


def jobs(card: Card) -> List[Check]:
    """The most important first: float32 of everything, what only a device shows, then the other dtypes."""
    use_tests()
    from cases import CASES

    sizes = FEW_SIZES if card.dry else SIZES
    dtypes = ["float32", "float16", "float64", *(["bfloat16"] if has_bfloat16() else [])]
    rows: Dict[str, List[Check]] = {dtype: [] for dtype in dtypes}
    for dtype in dtypes:
        for case in CASES:
            if (dtype != "float32" and not has_floats(case)) or (dtype in HALVES and not case.half):
                continue
            rows[dtype].append(Check(case.name, dtype, partial(worst_of_sizes, card, case, sizes, dtype)))
    special = [*gradients(card), *circumstances(card)]
    return [*rows["float32"], *special, *(check for dtype in dtypes[1:] for check in rows[dtype])]


def has_floats(case: Any) -> bool:
    """Whether an argument of the row holds floats."""
    from running import drawn, is_floats

    values = [each for value in drawn(case, 2, 3, "float32").values() for each in as_list(value)]
    return any(is_floats(value) for value in values)


def has_bfloat16() -> bool:
    """Whether NumPy knows it, which CuPy then does too."""
    try:
        import ml_dtypes  # noqa: F401
    except ImportError:
        return False
    return True


def as_list(value: Any) -> Sequence[Any]:
    """Members of a list; anything else as a list of itself."""
    return value if isinstance(value, (list, tuple)) else [value]


def converted(args: Dict[str, Any], dtype: str) -> Dict[str, Any]:
    """The arguments with floats of this dtype."""
    from running import with_floats

    if dtype == "bfloat16":
        import ml_dtypes

        return dict(with_floats(args, lambda array: array.astype(ml_dtypes.bfloat16)))
    return args


def worst_of_sizes(card: Card, case: Any, sizes: Any, dtype: str) -> float:
    """The worst error of all sizes, in C order; of one size also with gaps, unaligned, and on a stream of its own."""
    from running import copied, drawn

    worst = 0.0
    for rows, width in sizes:
        args = converted(drawn(case, rows, width, "float32" if dtype == "bfloat16" else dtype), dtype)
        worst = max(worst, error_of(card, case, copied(args), args))
    rows, width = sizes[-1]
    args = converted(drawn(case, rows, width, "float32" if dtype == "bfloat16" else dtype, 1), dtype)
    for change in (with_gaps, one_element_on):
        worst = max(worst, error_of(card, case, copied(args), args, change))
    with card.cuda.Stream(non_blocking=True) as stream:
        worst = max(worst, error_of(card, case, copied(args), args))
        stream.synchronize()
    return worst


def with_gaps(xp: Any, array: Any) -> Any:
    """The same values, two elements apart in every dimension."""
    holder = xp.zeros(tuple(2 * n for n in array.shape), dtype=array.dtype)
    view = holder[tuple(slice(0, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def one_element_on(xp: Any, array: Any) -> Any:
    """The same values, one element after an address that vectors could be loaded from."""
    holder = xp.zeros((array.size + 1,), dtype=array.dtype)
    view = holder[1:].reshape(array.shape)
    view[...] = array
    return view


def error_of(card: Card, case: Any, wide: Dict[str, Any], args: Dict[str, Any], change: Any = None) -> float:
    """Relative error of everything that a call produces. wide: a copy of the arguments, for the reference."""
    from running import call, outputs, with_arrays

    expected = expected_outputs(case, wide)
    card_args = with_arrays(args, card.ops.asarray)
    if change is not None:
        changed = [name for name in args if name not in case.mutates and name != "out"]
        card_args.update(with_arrays_of(card, {name: card_args[name] for name in changed}, change))
    poison(card, expected)
    result = call(card.ops, case, card_args)
    actual = outputs(card.ops, case, card_args, result)
    if list(actual) != list(expected):
        raise AssertionError(f"results {list(actual)}; expected {list(expected)}")
    # What is float32 in a row of another dtype (position codes, say) may be as inexact as float32 is.
    looser = {name: LIMITS[args_dtype(args)] / LIMITS.get(actual[name].dtype.name, 1.0) for name in expected}
    return max([distance(actual[name], expected[name]) * min(looser[name], 1.0) for name in expected], default=0.0)


def args_dtype(args: Dict[str, Any]) -> str:
    """The dtype of the floats among the arguments."""
    names = [each.dtype.name for value in args.values() for each in as_list(value) if hasattr(each, "dtype")]
    return next((name for name in names if name in LIMITS), "float32")


def with_arrays_of(card: Card, args: Dict[str, Any], change: Any) -> Dict[str, Any]:
    """The arguments with arrays of the device laid out in another way; those in lists too."""

    def each(value: Any) -> Any:
        if isinstance(value, list):
            return [each(member) for member in value]
        return change(card.xp, value) if isinstance(value, card.xp.ndarray) and value.ndim else value

    return {name: each(value) for name, value in args.items()}


def expected_outputs(case: Any, args: Dict[str, Any]) -> Dict[str, Any]:
    """What the reference computes in float64, or wider."""
    from running import REFERENCE, call, outputs, with_arrays
    from tolerances import widest

    def wider(array: Any) -> Any:
        floats = array.dtype.kind in "fV"
        return array.astype(widest(array.dtype) if array.dtype.kind == "f" else "float64") if floats else array

    wide = with_arrays(args, wider)
    return dict(outputs(REFERENCE, case, wide, call(REFERENCE, case, wide)))


def poison(card: Card, expected: Dict[str, Any]) -> None:
    """Fill and free memory of the sizes that the op will ask for, so that an element it forgets to write is seen."""
    for array in expected.values():
        for dtype in ("float64", "float32"):
            card.xp.empty(array.shape, dtype=dtype).fill(np.nan)


def distance(actual: Any, expected: Any) -> float:
    """||actual - expected|| / ||expected||; WRONG for another shape, a NaN, or integers that differ."""
    if actual.shape != expected.shape:
        return WRONG
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(actual, expected) else WRONG
    difference = np.linalg.norm((actual.astype(expected.dtype) - expected).ravel().astype("float64"))
    scale = np.linalg.norm(expected.ravel().astype("float64"))
    return 0.0 if difference == 0 else float(difference / scale) if np.isfinite(difference) and scale else WRONG


def gradients(card: Card) -> Iterator[Check]:
    """Both passes of an LSTM: the gradient of everything that it is given."""
    from cases import CASES

    for case in CASES:
        if case.op.startswith("lstm"):
            yield Check(f"gradients of {case.name}", "float32", partial(lstm_error, card, case))


def lstm_error(card: Card, case: Any) -> float:
    """The worst relative error of the gradients, against the reference in float64."""
    from running import REFERENCE, drawn, with_arrays, with_floats

    worst = 0.0
    for rows, width in ((5, 8), (20, 17)):
        args = drawn(case, rows, width, "float32")
        wide = with_floats(args, lambda array: array.astype("float64"))
        dY = np.random.default_rng(1).normal(size=REFERENCE.lstm_forward_inference(**wide).shape)
        expected = case.gradient(REFERENCE, wide, dY)
        found = case.gradient(card.ops, with_arrays(args, card.ops.asarray), card.ops.asarray(dY.astype("float32")))
        errors = [distance(card.ops.to_numpy(found[name]), expected[name]) for name in expected]
        worst = max([worst, *errors])
    return worst


def circumstances(card: Card) -> Iterator[Check]:
    """What no other machine shows: sums in a fixed order, arrays beyond 32-bit indices."""
    yield Check("deterministic: two runs are equal", "float32", partial(same_twice, card))
    yield Check("elements beyond 2^31", "float16", partial(far_element, card), f"{card.scale.beyond}")


def same_twice(card: Card) -> float:
    """0 when a scatter into few rows gives the same bits twice in the deterministic mode."""
    from thinc_core.backends.cuda import is_deterministic, set_deterministic

    n = 100 if card.dry else 200_000
    rng = np.random.default_rng(0)
    indices, values = rng.integers(0, 7, n).astype("int32"), rng.normal(size=(n, 8)).astype("float32")
    before = is_deterministic()
    set_deterministic(True)
    try:
        runs: List[Any] = []
        for _ in range(3):
            table = card.ops.alloc2f(7, 8)
            card.ops.scatter_add(table, card.ops.asarray(indices), card.ops.asarray(values))
            runs.append(card.ops.to_numpy(table))
    finally:
        set_deterministic(before)
    return 0.0 if all(np.array_equal(runs[0], other) for other in runs[1:]) else WRONG


def far_element(card: Card) -> float:
    """Relative error at both ends of an array whose last elements need 64-bit indices."""
    free, _ = card.cuda.runtime.memGetInfo()
    n = card.scale.beyond
    if free < 5 * n:
        raise MemoryError(f"{5 * n / 1e9:.0f} GB are needed; {free / 1e9:.0f} are free")
    X = card.xp.zeros((n,), dtype="float16")
    ends: Tuple[slice, ...] = (slice(0, 100), slice(n - 100, n))
    values = np.linspace(-2, 2, 100).astype("float16")
    for end in ends:
        X[end] = card.ops.asarray(values)
    Y = card.ops.relu(X, inplace=True)
    return max(distance(card.ops.to_numpy(Y[end].copy()), np.maximum(values, 0).astype("float64")) for end in ends)


def summary(dtype: str, rows: Sequence[Result]) -> str:
    """A line on all rows of one dtype."""
    measured = [row for row in rows if row.measured]
    wrong = sum(not verdict.met for row in measured for verdict in row.verdicts())
    refused = f", {len(rows) - len(measured)} refused" if len(measured) < len(rows) else ""
    if not measured:
        return f"correctness {dtype:4} {len(rows):4} rows{refused}"
    worst = max(measured, key=lambda row: row.costs[OURS].best)
    error = f"largest relative error {worst.costs[OURS].best:.2g} ({worst.name})"
    return f"correctness {dtype:4} {len(rows):4} rows, {wrong} wrong{refused}, {error}"
