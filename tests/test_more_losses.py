"""FocalLoss, BinaryCrossEntropy, HuberLoss and losses of lists: their definitions, numeric derivatives, PyTorch."""

import itertools

import numpy
import pytest

from thinc_core.api import Adam, Linear, Sigmoid, chain
from thinc_core.config import registry
from thinc_core.crossentropy import CrossEntropy
from thinc_core.more_losses import BinaryCrossEntropy, FocalLoss, HuberLoss

RANDOM = numpy.random.RandomState(0)
X = RANDOM.normal(scale=2, size=(5, 3))
LABELS = numpy.asarray([2, 0, 1, 1, 2])
SOFT = RANDOM.dirichlet(numpy.ones(3), size=5)
HOLES = numpy.where(RANDOM.uniform(size=(5, 3)) < 0.3, numpy.nan, RANDOM.randint(0, 2, size=(5, 3)))
ROWS = [
    (FocalLoss(), LABELS),
    (FocalLoss(gamma=0.5, class_weights=[1.0, 0.5, 2.0], label_smoothing=0.2, ignore=1), LABELS),
    (FocalLoss(gamma=3.0, normalize=False), SOFT),
    (BinaryCrossEntropy(), SOFT),
    (BinaryCrossEntropy(gamma=2.0, positive_weights=[1.0, 0.5, 2.0]), HOLES),
    (BinaryCrossEntropy(positive_weights=3.0, normalize=False), HOLES),
    (HuberLoss(), SOFT),
    (HuberLoss(delta=0.3, normalize=False), SOFT),
    (HuberLoss(delta=numpy.inf), SOFT),
]


@pytest.mark.parametrize("loss, truths", ROWS, ids=[f"{type(row[0]).__name__}-{k}" for k, row in enumerate(ROWS)])
def test_gradient(loss, truths):
    h, direction = 1e-6, RANDOM.normal(size=X.shape)
    gradient, value = loss(X, truths)
    assert value == loss.get_loss(X, truths)
    numpy.testing.assert_array_equal(gradient, loss.get_grad(X, truths))
    rise = loss.get_loss(X + h * direction, truths) - loss.get_loss(X - h * direction, truths)
    assert (gradient * direction).sum() == pytest.approx(rise / (2 * h), rel=1e-6)
    single, its_value = loss(X.astype("f"), truths)
    assert single.dtype == "float32"
    assert its_value == pytest.approx(value, rel=1e-5)
    numpy.testing.assert_allclose(single, gradient, rtol=1e-4, atol=1e-6)


def softmax(X):
    return numpy.exp(X) / numpy.exp(X).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("make", [FocalLoss, BinaryCrossEntropy])
def test_probabilities_give_the_gradient_of_their_logits(make):
    truths = LABELS if make is FocalLoss else HOLES
    P = softmax(X) if make is FocalLoss else 1 / (1 + numpy.exp(-X))
    gradient, loss = make(gamma=1.5)(X, truths)
    other, other_loss = make(gamma=1.5, from_logits=False)(P, truths)
    numpy.testing.assert_allclose(gradient, other, rtol=1e-9, atol=1e-12)
    assert loss == pytest.approx(other_loss)


def test_values():
    p = softmax(X)[numpy.arange(5), LABELS]
    assert FocalLoss().get_loss(X, LABELS) == pytest.approx((-((1 - p) ** 2) * numpy.log(p)).mean())
    for settings in ({}, {"class_weights": [1.0, 0.5, 2.0], "label_smoothing": 0.2, "ignore": 0}):
        gradient, value = FocalLoss(gamma=0.0, **settings)(X, LABELS)
        expected, its_value = CrossEntropy(**settings)(X, LABELS)
        numpy.testing.assert_allclose(gradient, expected, rtol=1e-12)
        assert value == pytest.approx(its_value)
    assert HuberLoss().get_loss(numpy.asarray([[0.5, -3.0]]), numpy.zeros((1, 2))) == pytest.approx((0.125 + 2.5) / 2)


def test_extreme_logits_are_finite():
    extreme = numpy.asarray([[1000.0, -1000.0, 0.0]])
    for loss, truths in (
        (FocalLoss(gamma=0.5), [1]),
        (BinaryCrossEntropy(gamma=0.5), numpy.asarray([[0.0, 1.0, 1.0]])),
    ):
        gradient, value = loss(extreme, truths)
        assert numpy.isfinite(gradient).all()
        assert 600 < value < 2100


@pytest.mark.parametrize("kind", ["arrays", "lists", "soft"])
@pytest.mark.parametrize("make", [CrossEntropy, FocalLoss, BinaryCrossEntropy])
def test_lists_are_the_rows_of_one_batch(make, kind):
    truths = SOFT if kind == "soft" or make is BinaryCrossEntropy else LABELS
    whole, value = make()(X, truths)
    cut = [0, 2, 2, 5]
    parts = [slice(*pair) for pair in itertools.pairwise(cut)]
    given = [truths[part] for part in parts]
    if kind == "lists":
        given = [each.tolist() for each in given]
    gradients, its_value = make()([X[part] for part in parts], given)
    assert [len(each) for each in gradients] == [2, 0, 3]
    numpy.testing.assert_array_equal(numpy.concatenate(gradients), whole)
    assert its_value == value
    assert make()([], []) == ([], 0.0)
    with pytest.raises(ValueError, match="must be of one length; got 1 and 2"):
        make()([X], [truths, truths])
    with pytest.raises(ValueError, match="as many rows; got 5 and 4 at position 0"):
        make()([X], [truths[1:]])


@pytest.mark.parametrize(
    "name, loss, kwargs",
    [
        ("binary_cross_entropy_with_logits", BinaryCrossEntropy(), {}),
        (
            "binary_cross_entropy_with_logits",
            BinaryCrossEntropy(positive_weights=[1.0, 0.5, 2.0]),
            {"pos_weight": True},
        ),
        ("huber_loss", HuberLoss(delta=0.7), {"delta": 0.7}),
    ],
)
def test_as_pytorch(torch, name, loss, kwargs):
    x = torch.tensor(X, requires_grad=True)
    if "pos_weight" in kwargs:
        kwargs = {"pos_weight": torch.tensor(loss.positive_weights, dtype=torch.float64)}
    expected = getattr(torch.nn.functional, name)(x, torch.tensor(SOFT), **kwargs)
    expected.backward()
    gradient, value = loss(X, SOFT)
    assert value == pytest.approx(float(expected.detach()))
    numpy.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-9)


def test_several_labels_are_learnt():
    truths = numpy.asarray([[1, 0], [0, 1], [1, 1], [0, 0]], dtype="f")
    model, optimizer = chain(Linear(2, 2), Sigmoid(2, 2)).initialize(), Adam(0.1)
    loss = BinaryCrossEntropy(from_logits=False)
    for _ in range(150):
        Yh, backprop = model.begin_update(truths)
        backprop(loss.get_grad(Yh, truths))
        model.finish_update(optimizer)
    numpy.testing.assert_array_equal(model.predict(truths) > 0.5, truths > 0.5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: FocalLoss(gamma=-1.0), "gamma must be >= 0; got -1"),
        (lambda: HuberLoss(delta=0.0), "delta must be > 0; got 0"),
        (lambda: BinaryCrossEntropy()(X, SOFT[:4]), r"one shape; got \(5, 3\) and \(4, 3\)"),
        (lambda: BinaryCrossEntropy()(X, SOFT + (SOFT == SOFT.max())), r"truths must be in \[0, 1\]; got 1\.\d+ at \["),
        (lambda: BinaryCrossEntropy(positive_weights=[1.0, 2.0])(X, SOFT), "per column of the guesses; got 2 for 3"),
        (lambda: HuberLoss()(X, SOFT[:, :2]), "one shape"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "name, kwargs",
    [
        ("FocalLoss.v1", {"gamma": 1.0, "class_weights": [1.0, 2.0]}),
        ("BinaryCrossEntropy.v1", {"positive_weights": [1.0, 2.0]}),
        ("HuberLoss.v1", {"delta": 2.0}),
    ],
)
def test_registered(name, kwargs):
    loss = registry.resolve({"loss": {"@losses": name, **kwargs}})["loss"]
    assert all(getattr(loss, key) == value for key, value in kwargs.items())
