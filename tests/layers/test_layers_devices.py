"""Every layer on batches of another library or device: an error that says where and what to call, or no difference."""

from __future__ import annotations

from typing import Any

import pytest
from fake_cuda import CUDA
from fake_cupy import FAKE

from thinc_core.api import CupyOps, NumpyOps, Padded, Ragged, set_active_gpu
from thinc_core.errors import describe
from thinc_core.model import Model

from .case import Case, build, sample
from .containers import assert_same
from .test_layers_contract import EACH_KIND

# They hand on what they are given, cut pieces out of it, or move it, and compute nothing that needs a device.
INDIFFERENT = """Dropout noop array_getitem add_noops residual_noop concatenate_noops tuplify_noops with_cpu""".split()


@pytest.fixture(autouse=True)
def emulated(gpu: None) -> None:
    """Every test of this module has a GPU."""


def moved(X: Any, move: Any) -> Any:
    """A batch with its arrays moved, but for the lengths of a Ragged, which may lie anywhere."""
    if isinstance(X, (list, tuple)):
        return type(X)(moved(item, move) for item in X)
    if isinstance(X, Ragged):
        return Ragged(move(X.dataXd), X.lengths)
    if isinstance(X, Padded):
        return Padded(move(X.data), *(move(each) for each in (X.size_at_t, X.lengths, X.indices)))
    return move(X) if X.dtype.kind == "f" else X


def on_other_device(array: Any) -> Any:
    with CUDA.Device(1):
        return FAKE.asarray(array.get())


def on_host(X: Any) -> Any:
    return moved(X, lambda array: array.get())


def on_gpu(case: Case) -> Model:
    model = build(case, dtype="float32")
    model.to_gpu(0)
    return model


def refused(case: Case, model: Model, X: Any) -> str:
    """The message with which the layer refuses a batch, and where it says that this happened."""
    with pytest.raises(TypeError) as caught:
        model.predict(X)
    text = describe(caught.value)
    assert "in node" in text
    return text


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_arrays_of_the_host(case: Case, kind: str) -> None:
    model, X = on_gpu(case), sample(case, kind, NumpyOps(), "float32")
    if case.id in INDIFFERENT:
        return
    text = refused(case, model, X)
    assert "is a numpy array but the current ops are cupy (call model.ops.asarray; or model.to_cpu()" in text


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_arrays_of_the_device(case: Case, kind: str) -> None:
    model, X = build(case, dtype="float32"), moved(sample(case, kind, NumpyOps(), "float32"), CupyOps().asarray)
    if case.id in INDIFFERENT:
        return
    text = refused(case, model, X)
    assert "is a cupy array but the current ops are numpy (call model.ops.asarray; or model.to_gpu(0)" in text


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_arrays_of_another_device(case: Case, kind: str) -> None:
    model, X = on_gpu(case), moved(sample(case, kind, NumpyOps(), "float32"), CupyOps().asarray)
    expected = model.predict(X)
    if case.id in INDIFFERENT:
        return
    text = refused(case, model, moved(X, on_other_device))
    assert "is on GPU 1 but GPU 0 is the current one (call set_active_gpu(1)" in text
    model.to_gpu(1)
    set_active_gpu(1)
    found = model.predict(moved(X, on_other_device))
    assert_same(on_host(found), on_host(expected))
