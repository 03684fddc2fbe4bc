"""CrossEntropy: against its definition, a numeric derivative, and PyTorch."""

import numpy
import pytest

from thinc_core.api import Adam, CrossEntropy, Linear, Softmax, chain
from thinc_core.config import registry

SETTINGS = [
    {},
    {"class_weights": [1.0, 0.5, 2.0]},
    {"label_smoothing": 0.1},
    {"class_weights": [1.0, 0.5, 2.0], "label_smoothing": 0.3, "ignore": 1},
    {"ignore": -100, "normalize": False},
]
LABELS = numpy.asarray([2, 0, 1, 1, 2])


def logits(dtype="float64"):
    return numpy.random.RandomState(0).normal(scale=2, size=(5, 3)).astype(dtype)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("soft", [False, True])
def test_gradient_of_logits(settings, soft):
    X, h = logits(), 1e-6
    random = numpy.random.RandomState(1)
    truths = random.dirichlet(numpy.ones(3), size=5) if soft else LABELS
    loss, direction = CrossEntropy(**settings), random.normal(size=X.shape)
    gradient, _ = loss(X, truths)
    rise = loss.get_loss(X + h * direction, truths) - loss.get_loss(X - h * direction, truths)
    assert (gradient * direction).sum() == pytest.approx(rise / (2 * h), rel=1e-6)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_probabilities_give_the_gradient_of_their_logits(settings):
    X = logits()
    P = numpy.exp(X) / numpy.exp(X).sum(axis=1, keepdims=True)
    gradient, loss = CrossEntropy(**settings)(X, LABELS)
    other, other_loss = CrossEntropy(from_logits=False, **settings)(P, LABELS)
    numpy.testing.assert_allclose(gradient, other, rtol=1e-9, atol=1e-12)
    assert loss == pytest.approx(other_loss)


def test_values():
    """The definition, row by row, with everything at once."""
    X, weights, smoothing, ignored = logits(), [1.0, 0.5, 2.0], 0.3, 1
    total = counted = 0.0
    for x, label in zip(X, LABELS.tolist()):
        if label == ignored:
            continue
        log_p = x - numpy.log(numpy.exp(x).sum())
        target = numpy.full(3, smoothing / 3)
        target[label] += 1 - smoothing
        total -= (weights * target * log_p).sum()
        counted += weights[label]
    settings = {"class_weights": weights, "label_smoothing": smoothing, "ignore": ignored}
    assert CrossEntropy(**settings).get_loss(X, LABELS) == pytest.approx(total / counted)
    assert CrossEntropy(normalize=False, **settings).get_loss(X, LABELS) == pytest.approx(total)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_as_pytorch(torch, settings):
    weights = settings.get("class_weights")
    x = torch.from_numpy(logits()).requires_grad_()
    expected = torch.nn.functional.cross_entropy(
        x,
        torch.from_numpy(LABELS),
        weight=None if weights is None else torch.tensor(weights, dtype=torch.float64),
        label_smoothing=settings.get("label_smoothing", 0.0),
        ignore_index=settings.get("ignore", -100),
        reduction="mean" if settings.get("normalize", True) else "sum",
    )
    expected.backward()
    gradient, loss = CrossEntropy(**settings)(logits(), LABELS)
    assert loss == pytest.approx(expected.item())
    numpy.testing.assert_allclose(gradient, x.grad.numpy(), rtol=1e-7, atol=1e-12)


def test_ignored_rows_do_not_count():
    X, loss = logits("float32"), CrossEntropy(ignore=-1, label_smoothing=0.2)
    labels = numpy.asarray([2, -1, 1, -1, 0])
    gradient, value = loss(X, labels)
    assert gradient.dtype == "float32"
    assert not gradient[[1, 3]].any()
    some, other = loss(X[[0, 2, 4]], labels[[0, 2, 4]])
    numpy.testing.assert_allclose(gradient[[0, 2, 4]], some, rtol=1e-6)
    assert value == pytest.approx(other, rel=1e-6)
    gradient, value = loss(X, [-1] * 5)
    assert not gradient.any()
    assert value == 0


def test_large_logits_and_no_rows():
    gradient, loss = CrossEntropy()(numpy.asarray([[1e4, 0, -1e4]], dtype="f"), [1])
    assert loss == 1e4
    assert gradient.tolist() == [[1, -1, 0]]
    gradient, loss = CrossEntropy()(logits("float32")[:0], LABELS[:0])
    assert gradient.shape == (0, 3)
    assert loss == 0


def test_training_brings_the_loss_down():
    model = chain(Linear(3, 4), Softmax(3, 3)).initialize()
    X = numpy.random.RandomState(2).normal(size=(5, 4)).astype("f")
    loss = CrossEntropy(from_logits=False, class_weights=[1, 2, 3])
    optimizer, losses = Adam(0.05), []
    for _ in range(60):
        Y, backprop = model.begin_update(X)
        gradient, value = loss(Y, LABELS)
        backprop(gradient)
        model.finish_update(optimizer)
        losses.append(value)
    assert losses[-1] < losses[0] / 2


def test_from_a_config():
    config = {"loss": {"@losses": "CrossEntropy.v1", "class_weights": [1, 2], "label_smoothing": 0.1}}
    loss = registry.resolve(config)["loss"]
    assert isinstance(loss, CrossEntropy)
    assert loss.class_weights == [1, 2]


@pytest.mark.parametrize(
    "settings, truths, message",
    [
        ({}, [0, 1, 2, 3, 0], r"labels must be in \[0, 3\); got 3 at position 3"),
        ({}, [0, -1, 2, 1, 0], r"labels must be in \[0, 3\); got -1 at position 1"),
        ({}, [0, 1], "guesses and truths must have as many rows; got 5 and 2"),
        ({}, numpy.ones((5, 2)), r"guesses and truths must have one shape; got \(5, 3\) and \(5, 2\)"),
        ({"class_weights": [1.0]}, [0, 1, 2, 1, 0], "one class weight per column of the guesses; got 1 for 3"),
    ],
)
def test_wrong_arguments(settings, truths, message):
    with pytest.raises(ValueError, match=f"loss: .*{message}"):
        CrossEntropy(**settings)(logits(), truths)


def test_wrong_settings():
    with pytest.raises(ValueError, match=r"loss: label_smoothing must be in \[0, 1\]; got 2"):
        CrossEntropy(label_smoothing=2)
    with pytest.raises(ValueError, match=r"loss: class_weights must be >= 0; got \[1, -1\]"):
        CrossEntropy(class_weights=[1, -1])
