"""What a training step asks of a GPU: how many launches, and that the host never waits, on the emulated device."""

from typing import Any, List, Tuple

import numpy
import pytest
from any_backend import make_ops
from fake_cupy import Ledger

from thinc_core.backends import use_ops
from thinc_core.layers import (
    HashEmbed,
    Maxout,
    Softmax,
    chain,
    clone,
    concatenate,
    expand_window,
    residual,
    with_array,
    with_ragged,
)
from thinc_core.loss import SequenceCategoricalCrossentropy
from thinc_core.util import fix_random_seed

WIDTH, DEPTH, TAGS = 8, 4, 5
ROWS = (50, 10, 25, 25)
FOR_A_STEP = 60  # of which the optimizer may take two
OPTIMIZER = 2


@pytest.fixture
def ops(monkeypatch: Any) -> Any:
    return make_ops("cuda_emulated", monkeypatch)


def tagger(dropout: Any) -> Tuple[Any, Any]:
    """The embedding and mixing layers, and one of the residual ones, of the tagger of the benchmarks."""
    tables = [HashEmbed(WIDTH, V, column=column, seed=column, dropout=dropout) for column, V in enumerate(ROWS)]
    embed = chain(concatenate(*tables), Maxout(WIDTH, WIDTH * len(ROWS), nP=3, normalize=True, dropout=dropout))
    return embed, Maxout(WIDTH, WIDTH * 3, nP=3, normalize=True, dropout=dropout)


def on_arrays(dropout: Any = None) -> Any:
    """With zeros between the sentences, from one array to the next."""
    embed, mix = tagger(dropout)
    window = residual(chain(expand_window(1), mix))
    middle = with_array(clone(window, DEPTH), pad=DEPTH)
    return chain(with_array(embed), middle, with_array(Softmax(TAGS, WIDTH)))


def on_ragged(dropout: Any = None) -> Any:
    embed, mix = tagger(dropout)
    window = residual(chain(expand_window(1), with_array(mix)))
    return with_ragged(chain(with_array(embed), clone(window, DEPTH), with_array(Softmax(TAGS, WIDTH))))


def batch(seed: int, sentences: int = 6) -> Tuple[List[Any], List[Any]]:
    random = numpy.random.RandomState(seed)
    Xs = [random.randint(0, 30, size=(n, 4)).astype("uint64") for n in random.randint(1, 9, size=sentences)]
    return Xs, [(X[:, 1] % TAGS).astype("int32") for X in Xs]


def step(model: Any, ops: Any, seed: int) -> Ledger:
    """What one step is charged with; the words are on the device, the tags are not."""
    Xs, tags = batch(seed)
    words, loss = [ops.asarray(X) for X in Xs], SequenceCategoricalCrossentropy()
    with Ledger() as ledger:
        guesses, backprop = model.begin_update(words)
        gradient, _ = loss(guesses, tags)
        backprop(gradient)
    return ledger


@pytest.mark.parametrize("make", [on_arrays, on_ragged])
@pytest.mark.parametrize("dropout", [None, 0.2])
def test_launches_of_a_step(make: Any, dropout: Any, ops: Any) -> None:
    with use_ops(ops):
        model = make(dropout).initialize()
    step(model, ops, seed=0)  # makes the buffers of the gradients
    ledger = step(model, ops, seed=1)
    assert not ledger.waits, ledger
    assert ledger.launches.total() <= FOR_A_STEP - OPTIMIZER, ledger
    assert ledger.copies.total() <= 8, ledger


def test_a_prediction_does_not_wait(ops: Any) -> None:
    with use_ops(ops):
        model = on_ragged(0.2).initialize()
    words = [ops.asarray(X) for X in batch(0)[0]]
    with Ledger() as ledger:
        model.predict(words)
    assert not ledger.waits, ledger
    assert ledger.launches.total() <= 20, ledger


@pytest.mark.parametrize("make", [on_arrays, on_ragged])
@pytest.mark.parametrize("dropout", [None, 0.2])
def test_the_step_is_that_of_the_cpu(make: Any, dropout: Any, ops: Any) -> None:
    """Gradients of all parameters: with the few launches nothing is left out."""
    fix_random_seed(0)
    model = make(dropout).initialize()
    for node in model.walk():  # so that no layer begins with zeros or ones
        for name in node.param_names:
            param = node.get_param(name)
            param += numpy.random.RandomState(node.id % 97).normal(scale=0.1, size=param.shape).astype(param.dtype)
    other = model.copy()
    other._to_ops(ops)
    Xs, tags = batch(0)
    found = []
    for each, words in ((model, Xs), (other, [ops.asarray(X) for X in Xs])):
        fix_random_seed(1)
        guesses, backprop = each.begin_update(words)
        gradient, loss = SequenceCategoricalCrossentropy()(guesses, tags)
        backprop(gradient)
        arrays = [node.get_grad(name) for node in each.walk() for name in node.grad_names]
        found.append([each.ops.to_numpy(array) for array in [*guesses, *gradient, *arrays]] + [float(loss)])
    assert len(found[0]) > 30
    for mine, theirs in zip(*found):
        numpy.testing.assert_allclose(theirs, mine, rtol=1e-3, atol=2e-6)
