"""Every row of the op table runs, and every side that can be compared does the same work as ours."""

import re
from pathlib import Path

import numpy
import pytest

from benchmarks import bench_ops
from benchmarks.inputs import moved_bytes
from benchmarks.ops import FAMILIES
from benchmarks.rows import FLOATS, At
from thinc_core.api import NumpyOps, Ops
from thinc_core.backends import reference

ROWS = {f"{family}/{op.name}": op for family, ops in FAMILIES.items() for op in ops}
SMALL = {1: (50,), 2: (30, 12), 3: (5, 16, 12)}
# Draws of their own, or a result in another form than ours.
OTHER_RESULT = (
    "get_dropout_mask",
    "dropout",
    "clip_gradient",
    "seq2col nW=1 lengths",
    "adam",
    "apply_gradients",
    "attention",
    "lstm",
    "softmax_sequences",
    "backprop_softmax_sequences",
)
# No arithmetic of their own (allocation, conversion, batching), or measured under another name (LSTM gradients).
NOT_MEASURED = (
    "backprop_lstm_states|alloc|asarray|reshape|as_contig|to_numpy|cblas|minibatch|multibatch|tile$|insert_into|logloss|"
    "dropout_seed"
)


def arrays(value):
    """All float arrays of a result, flat."""
    if isinstance(value, (list, tuple)):
        return [array for item in value for array in arrays(item)]
    value = value.numpy() if hasattr(value, "numpy") else value
    return [numpy.asarray(value)] if hasattr(value, "shape") else []


def outcome(function, args):
    """What a call returns, or its first argument when it works in place."""
    return arrays(function(*args)) or arrays(args)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ROWS)
def test_row_runs_and_numpy_does_the_same(name, dtype):
    op = ROWS[name]
    at = At(SMALL[len(op.judged[0])], dtype if op.dtypes == FLOATS else op.dtypes[0])
    sides, _args, traffic = bench_ops.sides_of(op, at, NumpyOps(), {"numpy": numpy})
    assert not sides.missing
    assert traffic > 0
    if op.numpy is None or op.name.startswith(OTHER_RESULT):
        return
    numpy.testing.assert_allclose(
        outcome(op.numpy, op.args(at))[0],
        outcome(lambda *given: op.run(NumpyOps(), *given), op.args(at))[0],
        rtol=2e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize("name", ROWS)
def test_pytorch_does_the_same(torch, name):
    op = ROWS[name]
    if op.torch is None or op.name.startswith(OTHER_RESULT):
        pytest.skip("nothing to compare")
    at = At(SMALL[len(op.judged[0])], op.dtypes[0])
    tensors = [bench_ops.as_tensors(torch, arg) for arg in op.args(at)]
    with torch.no_grad():
        found = outcome(lambda *given: op.torch(torch, *given)(), tensors)
    wanted = outcome(lambda *given: op.run(NumpyOps(), *given), op.args(at))
    assert found[0].size == wanted[0].size
    if op.name not in ("list2padded",):
        numpy.testing.assert_allclose(found[0], wanted[0], rtol=2e-3, atol=1e-4)


class Recorder:
    """Ops that remember what was called."""

    def __init__(self):
        self.ops, self.called = NumpyOps(), set()

    def __getattr__(self, name):
        self.called.add(name)
        return getattr(self.ops, name)


def test_every_op_has_a_row():
    """An op of the reference is either measured or listed above with a reason."""
    recorder = Recorder()
    for op in ROWS.values():
        op.run(recorder, *op.args(At(SMALL[len(op.judged[0])])))
    public = [name for name in dir(Ops) if not name.startswith("_") and callable(getattr(Ops, name))]
    missing = [name for name in public if name not in recorder.called and not re.match(NOT_MEASURED, name)]
    assert missing == []


def test_families_are_those_of_the_reference():
    stems = {path.stem for path in Path(reference.__file__).parent.glob("*.py") if path.stem[0] != "_"}
    assert set(FAMILIES) == stems - {"arrays", "batching"}


def test_traffic_counts_inputs_and_outputs_once():
    at = At((4, 6))
    X = at.normal()
    for name, factor in (("relu", 2), ("backprop_relu", 3), ("maxout P=3", 5), ("seq2col nW=1", 4)):
        op = next(op for op in ROWS.values() if op.name == name)
        assert bench_ops.sides_of(op, at, NumpyOps(), {})[2] == factor * X.nbytes
    assert moved_bytes([X, (X, 3)], None) == 2 * X.nbytes


def test_float64_rows_are_judged_by_float32():
    op = ROWS["activations/mish"]
    assert [target.peer for target in op.targets_at(At((4000, 96), "float64"))] == ["f32"]
    assert op.targets_at(At((4001, 96))) == ()
