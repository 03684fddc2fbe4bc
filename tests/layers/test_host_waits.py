"""No layer makes the host wait for the GPU: neither forward nor backward reads anything from the device.

Lengths begin on the host, where list2ragged and list2padded know them. Of lengths that come from elsewhere only what
makes one array per sequence, or a weight for each two rows of one, has to ask the device.
"""

from typing import Any

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build as emulator
from fake_cupy import Ledger, wrap

from thinc_core.types import Ragged

from .case import LENGTHS, NI, build
from .containers import like, pack
from .test_layers_contract import EACH_KIND

pytestmark = pytest.mark.skipif(emulator.problem() is not None, reason=str(emulator.problem()))
ONE_BY_ONE = ("ragged2list", "with_list", "with_padded")
SQUARES = ("SelfAttention", "TransformerBlock")  # the lengths say how large their weights are
WITH_LENGTHS = [
    each
    for each in EACH_KIND
    if each.values[1] in ("ragged", "data_and_lengths") and not each.values[0].id.startswith((*ONE_BY_ONE, *SQUARES))
]
ON_THE_HOST = ("uniqued",)  # how many different rows there are decides about shapes


def batch(ops: Any, kind: str, nonempty: bool, known: bool) -> Any:
    """The usual batch on the device. known: whether the host knows its lengths."""
    random = numpy.random.RandomState(1)
    lengths = [length or 1 for length in LENGTHS] if nonempty else LENGTHS
    Xs = [ops.asarray(random.normal(size=(length, NI)).astype("float32")) for length in lengths]
    if kind not in ("ragged", "data_and_lengths", "array", "pair"):
        return pack(ops, kind, Xs, None)
    X = Ragged(ops.flatten(Xs), ops._batch_lengths(lengths) if known else ops.asarray1i(lengths))
    pair = (X.data, 2 - X.data)
    return {"ragged": X, "data_and_lengths": (X.data, X.lengths), "array": X.data, "pair": pair}[kind]


def waits(model: Any, X: Any) -> dict:
    """What the host waited for in a step of training and in one of prediction."""
    with Ledger() as ledger:
        Y, backprop = model.begin_update(X)
        backprop(like(Y, lambda array: array * 0.5))
        model.predict(X)
    return dict(ledger.waits)


def on_device(case: Any, ops: Any) -> Any:
    model = build(case, dtype="float32")
    for node in model.walk():
        node.ops = ops
        for name in node.param_names:
            node.set_param(name, ops.asarray(node.get_param(name)))
    return model


@pytest.mark.parametrize("case, kind", [each for each in EACH_KIND if each.values[0].id not in ON_THE_HOST])
def test_nothing_is_read(case: Any, kind: str, monkeypatch: Any) -> None:
    ops = make_ops("cuda_emulated", monkeypatch)
    assert waits(on_device(case, ops), batch(ops, kind, case.nonempty, known=True)) == {}


@pytest.mark.parametrize("case, kind", WITH_LENGTHS)
def test_no_lengths_are_read(case: Any, kind: str, monkeypatch: Any) -> None:
    """Though only the device knows them."""
    ops = make_ops("cuda_emulated", monkeypatch)
    assert waits(on_device(case, ops), batch(ops, kind, case.nonempty, known=False)) == {}


def test_waits_are_counted() -> None:
    """What the host learns only by waiting is noticed by the stand-in for CuPy."""
    X = wrap(numpy.array([1, 0, 2]))
    for wait in (
        X.get,
        X.sum().item,
        X.tolist,
        lambda: int(X.sum()),
        lambda: float(X.sum()),
        lambda: bool((X > 0).all()),
        lambda: X[X > 0],
    ):
        with Ledger() as ledger:
            wait()
        assert ledger.waits.total() == 1
