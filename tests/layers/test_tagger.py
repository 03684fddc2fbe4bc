"""The layers together: the convolutional tagger that the benchmarks run."""

import numpy
import pytest

from thinc_core.config import registry
from thinc_core.layers import (
    HashEmbed,
    Maxout,
    Softmax,
    chain,
    concatenate,
    expand_window,
    residual,
    with_array,
    with_ragged,
)
from thinc_core.loss import SequenceCategoricalCrossentropy
from thinc_core.optimizers import Adam
from thinc_core.util import fix_random_seed

WIDTH, N_TAGS = 12, 4


def maxout(nI=None):
    return Maxout(WIDTH, nI, nP=3, normalize=True)


def tagger(sentences=True):
    """sentences: windows end where sentences end, as they see a Ragged; otherwise they see one array."""
    embed = chain(concatenate(*[HashEmbed(WIDTH, 60, column=i, seed=i) for i in range(4)]), maxout(4 * WIDTH))
    if sentences:
        blocks = [residual(chain(expand_window(1), with_array(maxout(3 * WIDTH)))) for _ in range(2)]
        return with_ragged(chain(with_array(embed), *blocks, with_array(Softmax(N_TAGS))))
    blocks = [residual(chain(expand_window(1), maxout(3 * WIDTH))) for _ in range(2)]
    return with_array(chain(embed, *blocks, Softmax(N_TAGS)))


def batch(n_sentences=12, seed=0):
    """The tag of a word is decided by its neighbour to the left."""
    random = numpy.random.RandomState(seed)
    Xs = [random.randint(0, 30, size=(n, 4)).astype("uint64") for n in random.randint(1, 9, size=n_sentences)]
    return Xs, [(numpy.concatenate([[0], X[:-1, 1]]) % N_TAGS).astype("int32") for X in Xs]


@pytest.mark.parametrize("sentences", [True, False])
def test_learns(sentences):
    fix_random_seed(0)
    model, optimizer, loss = tagger(sentences), Adam(0.01), SequenceCategoricalCrossentropy()
    Xs, tags = batch(60)
    model.initialize(Xs)
    losses = []
    for _ in range(60):
        guesses, backprop = model.begin_update(Xs)
        gradient, value = loss(guesses, tags)
        losses.append(value)
        backprop(gradient)
        model.finish_update(optimizer)
        optimizer.step_schedules()
    assert losses[-1] < 0.02 * losses[0]
    with model.use_params(optimizer.averages):
        right = numpy.concatenate([(Y.argmax(axis=1) == y) for Y, y in zip(model.predict(Xs), tags)])
    assert right.mean() > 0.97


def test_sentences_do_not_see_each_other():
    model = tagger().initialize()
    Xs, _ = batch()
    for X, Y in zip(Xs, model.predict(Xs)):
        numpy.testing.assert_allclose(model.predict([X])[0], Y, atol=1e-5)


@pytest.mark.parametrize("sentences", [True, False])
@pytest.mark.parametrize("sizes", [[], [0], [0, 3, 0]])
def test_empty_sentences(sentences, sizes):
    model = tagger(sentences).initialize()
    Ys, backprop = model.begin_update([numpy.ones((n, 4), dtype="uint64") for n in sizes])
    assert [Y.shape for Y in Ys] == [(n, N_TAGS) for n in sizes]
    assert [dX.shape for dX in backprop(Ys)] == [(n, 4) for n in sizes]


def test_sample_data_and_none_give_the_same_widths():
    Xs, tags = batch()
    known, sampled = (
        tagger().initialize(),
        tagger().initialize(Xs, [numpy.eye(N_TAGS, dtype="f")[each] for each in tags]),
    )
    for a, b in zip(known.walk(), sampled.walk()):
        assert [a.maybe_get_param(name).shape for name in a.param_names] == [
            b.maybe_get_param(name).shape for name in b.param_names
        ]


def test_from_config():
    def block(index):
        inner = {"a": {"@layers": "expand_window.v1"}, "b": {"@layers": "with_array.v1", "layer": MAXOUT}}
        return {"@layers": "residual.v1", "layer": {"@layers": "chain.v1", "*": inner}}

    MAXOUT = {"@layers": "Maxout.v1", "nO": WIDTH, "nP": 3, "normalize": True}
    embeds = {str(i): {"@layers": "HashEmbed.v1", "nO": WIDTH, "nV": 60, "column": i, "seed": i} for i in range(4)}
    embed = {"@layers": "chain.v1", "*": {"e": {"@layers": "concatenate.v1", "*": embeds}, "m": MAXOUT}}
    softmax = {"@layers": "with_array.v1", "layer": {"@layers": "Softmax.v1", "nO": N_TAGS}}
    parts = {"e": {"@layers": "with_array.v1", "layer": embed}, "b0": block(0), "b1": block(1), "s": softmax}
    config = {"@layers": "with_ragged.v1", "layer": {"@layers": "chain.v1", "*": parts}}
    fix_random_seed(0)
    model = registry.resolve({"model": config})["model"].initialize(batch()[0])
    expected = tagger()
    assert [node.name for node in model.walk()] == [node.name for node in expected.walk()]
    expected.from_bytes(model.to_bytes())
    for Y, other in zip(model.predict(batch()[0]), expected.predict(batch()[0])):
        numpy.testing.assert_array_equal(Y, other)
