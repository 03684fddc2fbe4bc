"""accumulate_gradients: parts of a batch give the gradient of the whole."""

import numpy
import pytest

from thinc_core.accumulation import accumulate_gradients
from thinc_core.api import CrossEntropy, Linear, Relu, Softmax, chain, with_array
from thinc_core.loss import L2Distance, SequenceCategoricalCrossentropy
from thinc_core.more_losses import BinaryCrossEntropy, FocalLoss, HuberLoss

RANDOM = numpy.random.RandomState(0)
X = RANDOM.normal(size=(7, 4)).astype("f")
CUTS = [slice(0, 3), slice(3, 3), slice(3, 7)]


def gradients(model, run):
    result = run(model)
    found = [value[1].copy() for value in model.get_gradients().values()]
    for node in model.walk():
        for name in node.grad_names:
            node.set_grad(name, 0.0)
    return found, result


@pytest.mark.parametrize("loss, truths", [(CrossEntropy(), RANDOM.randint(0, 3, 7)), (L2Distance(), X[:, :3])])
def test_arrays(loss, truths):
    model = chain(Relu(5, 4), Linear(3, 5)).initialize()

    def whole(model):
        guesses, backprop = model.begin_update(X)
        gradient, value = loss(guesses, truths)
        backprop(gradient)
        return value

    expected, value = gradients(model, whole)
    found, mean = gradients(model, lambda m: accumulate_gradients(m, loss, [(X[cut], truths[cut]) for cut in CUTS]))
    for one, other in zip(found, expected):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    if isinstance(loss, CrossEntropy):
        assert mean == pytest.approx(value, rel=1e-5)


def ids(*labels):
    return numpy.array(labels)


UNKNOWN = (X[:, :3] > 0).astype("f")
UNKNOWN[1:3, :2] = numpy.nan
UNEVEN = [
    (CrossEntropy(ignore=2), ids(2, 2, 0, 1, 0, 1, 0)),
    (CrossEntropy(ignore=2), ids(2, 2, 2, 1, 0, 1, 0)),  # a part that does not count
    (CrossEntropy(class_weights=[1.0, 5.0, 0.5]), ids(0, 0, 2, 1, 1, 1, 0)),
    (CrossEntropy(class_weights=[1.0, 5.0, 0.5], label_smoothing=0.1, ignore=0), [0, 1, 2, 1, 1, 1, 0]),
    (CrossEntropy(normalize=False), ids(0, 1, 2, 1, 1, 1, 0)),
    (FocalLoss(ignore=1), ids(1, 1, 0, 2, 0, 2, 1)),
    (BinaryCrossEntropy(), UNKNOWN),
    (HuberLoss(), X[:, :3]),
]


@pytest.mark.parametrize("loss, truths", UNEVEN)
def test_parts_count_as_the_loss_says(loss, truths):
    model = chain(Relu(5, 4), Linear(3, 5)).initialize()

    def whole(model):
        guesses, backprop = model.begin_update(X)
        gradient, value = loss(guesses, truths)
        backprop(gradient)
        return value

    expected, value = gradients(model, whole)
    found, mean = gradients(model, lambda m: accumulate_gradients(m, loss, [(X[cut], truths[cut]) for cut in CUTS]))
    for one, other in zip(found, expected):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert mean == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(ignore=1)])
def test_rows_of_lists(loss):
    """The mean of CrossEntropy is over the rows of all arrays, of which the parts have unequal numbers."""
    model = with_array(Linear(3, 4)).initialize()
    docs, labels = [X[:1], X[1:2], X[2:7]], [ids(1), ids(0), ids(2, 1, 0, 0, 2)]

    def whole(model):
        guesses, backprop = model.begin_update(docs)
        gradient, value = loss(guesses, labels)
        backprop(gradient)
        return value

    expected, value = gradients(model, whole)
    parts = [(docs[:2], labels[:2]), (docs[2:], labels[2:])]
    found, mean = gradients(model, lambda m: accumulate_gradients(m, loss, parts))
    for one, other in zip(found, expected):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert mean == pytest.approx(value, rel=1e-5)


def test_lists():
    model = with_array(Softmax(3, 4)).initialize()
    docs = [X[:2], X[2:2], X[2:7]]
    labels = [RANDOM.randint(0, 3, len(doc)) for doc in docs]
    loss = SequenceCategoricalCrossentropy()

    def whole(model):
        guesses, backprop = model.begin_update(docs)
        backprop(loss.get_grad(guesses, labels))

    expected, _ = gradients(model, whole)
    parts = [(docs[:1], labels[:1]), (docs[1:], labels[1:])]
    found, _ = gradients(model, lambda m: accumulate_gradients(m, loss, parts))
    for one, other in zip(found, expected):
        numpy.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_nothing():
    with pytest.raises(ValueError, match="at least one truth; got 1 parts without any"):
        accumulate_gradients(Linear(3, 4).initialize(), L2Distance(), [(X[:0], X[:0, :3])])
