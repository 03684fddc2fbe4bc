"""Lines of weights that have no gradient are not looked at, and no bit depends on that."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List

import numpy
import pytest

from thinc_core import _reached
from thinc_core.api import SGD, Adam, AdamW, HashEmbed, Lion, RAdam, SparseLinear, SparseLinear_v2, concatenate
from thinc_core.backends import NumpyOps, Ops, get_num_threads, set_num_threads
from thinc_core.backends.reference._lines import LINE, line_bytes, mark_lines
from thinc_core.backends.reference.optim import StepRates
from thinc_core.util import fix_random_seed

SIZE = 40_005  # blocks of squares, and of lines, that are not whole
ADAM = StepRates(t=5, learn_rate=0.01, beta1=0.9, beta2=0.99, eps=1e-8, grad_clip=0.1)
STEPS = {
    "adam": ADAM,
    "decay": ADAM._replace(decay=0.9),
    "radam": ADAM._replace(learn_rate=0.0, momentum_rate=0.1),
    "penalty": ADAM._replace(penalty=0.1),
    "no clip": ADAM._replace(grad_clip=0.0),
    "no eps": ADAM._replace(eps=0.0),  # zeros become NaN
    "lion": StepRates(t=5, learn_rate=0.01, beta1=0.9, beta2=0.99, by_sign=1.0),
    "sgd": StepRates(t=5, learn_rate=0.01, grad_clip=0.1),
}
Args = Dict[str, List[Any]]


@pytest.fixture(params=[1, 2])
def threads(request: Any) -> Iterator[None]:
    before = get_num_threads()
    set_num_threads(request.param)
    yield
    set_num_threads(before)


def arguments(rates: StepRates, dtype: str) -> Args:
    """A parameter of which a few lines have a gradient, others a moment, an average or a weight, and most nothing."""
    rng = numpy.random.default_rng(0)

    def some(share: float) -> Any:
        X, lines = numpy.zeros(SIZE, dtype), rng.random(SIZE // LINE + 1) < share
        return X + rng.standard_normal(SIZE).astype(dtype) * numpy.repeat(lines, LINE)[:SIZE]

    moments = 0 if not rates.beta1 else 1 if rates.by_sign else 2
    moment = [some(0.05) if i < moments else None for i in range(2)]
    moment[1] = abs(moment[1]) if moment[1] is not None else None
    return {
        "weights": [some(0.2), some(0.2)],
        "gradients": [some(0.1), some(0.1)],
        "mom1": [moment[0], None if moment[0] is None else moment[0] * 2],
        "mom2": [moment[1], None if moment[1] is None else moment[1] * 2],
        "averages": [some(0.1), None],
        "rates": [rates, rates],
    }


def marks_of(*lists: List[Any]) -> List[Any]:
    """Marks of each parameter, for what is not zero in any of these arrays of it."""
    marks = []
    for arrays in zip(*lists):
        marks.append(numpy.zeros(line_bytes(SIZE), "uint8"))
        for X in arrays:
            if X is not None:
                mark_lines(numpy, marks[-1], X)
    return marks


def copied(args: Args) -> Args:
    return {name: [X.copy() if hasattr(X, "copy") else X for X in each] for name, each in args.items()}


def assert_same(one: Args, other: Args) -> None:
    for name in ("weights", "gradients", "mom1", "mom2", "averages"):
        for X, Y in zip(one[name], other[name]):
            assert X is Y or X.tobytes() == Y.tobytes(), name


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STEPS)
def test_marks_change_no_bit(name: str, dtype: str, threads: None) -> None:
    ops, args = NumpyOps(), arguments(STEPS[name], dtype)
    plain = copied(args)
    reached, touched = marks_of(args["mom1"], args["mom2"], args["averages"]), marks_of(args["gradients"])
    with numpy.errstate(all="ignore"):
        for step in range(3):
            ops.apply_gradients(**args, reached=reached, touched=touched if step == 1 else None)
            ops.apply_gradients(**plain)
            assert_same(args, plain)
            for given in (args, plain):
                for weights, gradient in zip(given["weights"], given["gradients"]):
                    weights[7000:7100] = step - 1  # somebody sets weights, and takes it back
                    gradient[20_000:20_010] = 1
            touched = marks_of(args["gradients"])
        for marks, truth in zip(reached, marks_of(args["mom1"], args["mom2"], args["averages"])):
            assert not (truth & ~marks).any()


def test_lines_without_marks_are_not_looked_at() -> None:
    w, g, m, v, average = (numpy.zeros(SIZE, "f") for _ in range(5))
    g[:100], g[9000], m[12_000] = 1, numpy.nan, numpy.nan
    touched, reached = marks_of([g[:100]], [numpy.zeros(SIZE)])[0], marks_of([w])[0]
    NumpyOps().apply_gradients([w], [g], [m], [v], [average], [ADAM], reached=[reached], touched=[touched])
    assert w[:100].all()
    assert not numpy.isnan(w).any()
    assert numpy.flatnonzero(numpy.isnan(g)).tolist() == [9000]
    assert numpy.flatnonzero(numpy.unpackbits(reached, bitorder="little")).tolist() == [0, 1]
    assert not touched.any()


def test_what_marks_mean(ops: Ops) -> None:
    args = arguments(ADAM, "float32")
    reached, touched = marks_of(args["mom1"], args["mom2"], args["averages"]), marks_of(args["gradients"])
    moved = {name: [X if X is None or name == "rates" else ops.asarray(X) for X in each] for name, each in args.items()}
    marks = {"reached": [ops.asarray(X) for X in reached], "touched": [None, ops.asarray(touched[1])]}
    ops.apply_gradients(**moved, **marks)
    Ops().apply_gradients(**args)
    for name in ("weights", "mom1", "mom2"):
        for X, Y in zip(moved[name], args[name]):
            numpy.testing.assert_allclose(ops.to_numpy(X), Y, rtol=1e-5, atol=1e-7)
    assert not ops.to_numpy(marks["touched"][1]).any()
    truth = marks_of(args["mom1"], args["mom2"], args["averages"])
    for found, each in zip(marks["reached"], truth):
        assert not (each & ~ops.to_numpy(found)).any()


def test_marks_that_do_not_fit(ops: Ops) -> None:
    args: Any = {name: [ops.alloc1f(600)] for name in ("weights", "gradients", "mom1", "mom2", "averages")}
    for marks, message in (
        ([ops.alloc((1,), dtype="uint8")], r"reached\[0\] must have shape \(2,\); got \(1,\)"),
        ([ops.alloc((2,), dtype="int32")], r"reached\[0\] must have dtype uint8; got int32"),
        ([], "weights and reached must be lists of one length; got 1 and 0"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            ops.apply_gradients(**args, rates=[ADAM], reached=marks)


@pytest.mark.parametrize("v1_indexing", [True, False])
def test_a_sparse_gradient_marks_what_it_touches(ops: Ops, v1_indexing: bool) -> None:
    keys, dW, db = ops.asarray(numpy.arange(9, dtype="uint64")), ops.alloc1f(17 * 1024), ops.alloc1f(17)
    values, lengths = ops.asarray1f([1.0] * 9), ops.asarray1i([4, 5])
    touched = ops.alloc((line_bytes(dW.size),), dtype="uint8")
    dY = ops.asarray2f(numpy.ones((2, 17)))
    args = (dY, keys, values, lengths, ops.alloc1f(17 * 1024), dW, db, v1_indexing)
    ops.backprop_sparse_affine(*args, touched=touched)
    assert ops.to_numpy(touched).tolist() == marks_of([ops.to_numpy(dW)])[0][: len(touched)].tolist()


@pytest.mark.parametrize("width", [96, 7])
def test_hashed_tables_mark_the_rows_that_ids_choose(ops: Ops, width: int) -> None:
    ids = ops.asarray(numpy.arange(10, dtype="uint64").reshape(5, 2))
    tables = [ops.alloc2f(3000, width), ops.alloc2f(900, width)]
    touched = [ops.alloc((line_bytes(table.size),), dtype="uint8") for table in tables]
    dY = ops.asarray2f(numpy.ones((5, 2 * width)))
    ops.backprop_hash_embeds(dY, ids, [1, 0], [3, 4], tables, touched=touched)
    for table, marks in zip(tables, touched):
        expected = numpy.zeros(len(marks), "uint8")
        mark_lines(numpy, expected, ops.to_numpy(table))
        assert ops.to_numpy(marks).tolist() == expected.tolist()
    table, marks = ops.alloc2f(3000, width), ops.alloc((line_bytes(3000 * width),), dtype="uint8")
    ops.backprop_hash_embed(dY[:, :width], ids[:, 1], 3, table, touched=marks)
    assert ops.to_numpy(marks).tolist() == ops.to_numpy(touched[0]).tolist()
    with pytest.raises(ValueError, match="dtables and touched must be lists of one length; got 2 and 1"):
        ops.backprop_hash_embeds(dY, ids, [1, 0], [3, 4], tables, touched=touched[:1])


def batches() -> List[Any]:
    rng = numpy.random.default_rng(1)
    lengths = numpy.full(8, 5, "i")
    return [
        ((rng.integers(0, 300, 40).astype("uint64"), numpy.ones(40, "f"), lengths), rng.standard_normal((8, 3)))
        for _ in range(4)
    ]


OPTIMIZERS: Dict[str, Callable[[], Any]] = {
    "adam": lambda: Adam(0.01, grad_clip=0.5),
    "adamw": lambda: AdamW(0.01, weight_decay=0.1),
    "radam": lambda: RAdam(0.01, L2=0.1, L2_is_weight_decay=False),
    "lion": lambda: Lion(0.01, ema_decay=0.9),
    "sgd": lambda: SGD(0.1),
}


@pytest.mark.parametrize("make", [SparseLinear, SparseLinear_v2])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_gives_the_bits_of_whole_steps(name: str, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where weights and gradients are written to by others, and averages between the steps."""
    runs = []
    for least_size in (_reached.LEAST_SIZE, 10**9):
        monkeypatch.setattr("thinc_core.optimizers.LEAST_SIZE", least_size)
        model, optimizer = make(3, 2**14).initialize(), OPTIMIZERS[name]()
        for step, (X, dY) in enumerate(batches() * 4):
            Y, backprop = model.begin_update(X)
            backprop(Y + dY.astype("f"))
            if step == 6:
                model.get_param("W")[100:200] += 1
            if step == 9:
                model.get_grad("W")[30_000] = 1
                for average in (optimizer.averages or {}).values():
                    average[1] = 5
            model.finish_update(optimizer)
        tables = (optimizer.mom1, optimizer.mom2, optimizer.averages or {})
        runs.append([model.get_param("W"), *(X for table in tables for X in table.values())])
    for one, other in zip(*runs):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_tables_get_the_bits_of_whole_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    random = numpy.random.default_rng(0)
    steps = [random.integers(0, 50, (20, 2)).astype("uint64") for _ in range(5)]
    for least_size in (_reached.LEAST_SIZE, 10**9):
        monkeypatch.setattr("thinc_core.optimizers.LEAST_SIZE", least_size)
        fix_random_seed(0)
        tables = [HashEmbed(24, rows, column=column, seed=column) for column, rows in enumerate((3000, 1500))]
        model, optimizer = concatenate(*tables).initialize(), OPTIMIZERS[name]()
        for X in steps * 2:
            Y, backprop = model.begin_update(X)
            backprop(Y * 100)
            model.finish_update(optimizer)
        found = [optimizer.mom1, optimizer.mom2, optimizer.averages or {}]
        params = [node.get_param("E") for node in model.walk() if node.has_param("E")]
        runs.append([*params, *(X for each in found for X in each.values())])
    for one, other in zip(*runs):
        assert one.tobytes() == other.tobytes()


def test_marks_go_when_a_gradient_is_seen() -> None:
    """Whoever has it may write to it at any time."""
    X, dY = batches()[0]
    for look in ("get_grad", "maybe_get_grad", "grad_buffer"):
        model = SparseLinear(3, 2**14).initialize()
        model.begin_update(X)[1](dY.astype("f"))
        assert model.marked_grad_buffer("W")[1].any()
        gradient = getattr(model, look)("W")
        optimizer = Adam(0.01)
        model.finish_update(optimizer)
        model.finish_update(optimizer)
        gradient[40_000] = 1  # long after
        model.begin_update(X)[1](dY.astype("f"))
        assert model.marked_grad_buffer("W")[1] is None
        model.finish_update(optimizer)
        assert gradient[40_000] == 0
        assert model.get_param("W")[40_000] != 0


def test_copies_and_gradients_set_by_hand_have_no_marks() -> None:
    X, dY = batches()[0]
    model = SparseLinear(3, 2**14).initialize()
    model.begin_update(X)[1](dY.astype("f"))
    other = model.copy()
    other.finish_update(Adam(0.01))
    model.set_grad("W", numpy.ones(3 * 2**14, "f"))
    model.inc_grad("W", numpy.ones(3 * 2**14, "f"))
    model.finish_update(Adam(0.01))
    assert model.get_param("W").all()
    assert 0 < numpy.count_nonzero(other.get_param("W")) < 1000
