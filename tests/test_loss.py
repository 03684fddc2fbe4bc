from itertools import pairwise

import numpy
import pytest
from fake_cupy import Ledger
from hypothesis import given, settings
from hypothesis import strategies as st

from thinc_core.backends import get_ops
from thinc_core.config import registry
from thinc_core.crossentropy import CrossEntropy
from thinc_core.loss import CategoricalCrossentropy, CosineDistance, L2Distance, Loss, SequenceCategoricalCrossentropy
from thinc_core.more_losses import BinaryCrossEntropy, FocalLoss, HuberLoss

GUESSES = numpy.asarray([[0.1, 0.5, 0.6], [0.4, 0.6, 0.3], [1, 1, 1], [0, 0, 0]], dtype="f")
LABELS = numpy.asarray([2, 1, 0, 2], dtype="i")
TWO = numpy.asarray([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]], dtype="f")


def close(actual, expected):
    numpy.testing.assert_allclose(actual, expected, atol=1e-6)


def test_golden_categorical():
    assert CategoricalCrossentropy()(GUESSES, LABELS)[1] == pytest.approx(0.239375)
    assert CategoricalCrossentropy(missing_value=0)(GUESSES, LABELS)[1] == pytest.approx(0.114375)
    gradient, loss = CategoricalCrossentropy()(TWO, [2, 1])
    close(gradient, [[0.1, 0.15, -0.25], [0.05, -0.1, 0.05]])
    assert loss == pytest.approx(0.11)
    assert gradient.dtype == "float32"
    assert isinstance(loss, numpy.float32)
    assert CategoricalCrossentropy().get_loss(TWO, [2, 1]) == loss
    close(CategoricalCrossentropy().get_grad(TWO, [2, 1]), gradient)


def test_golden_negated():
    loss = CategoricalCrossentropy(names=["a", "b", "c"], neg_prefix="!")
    gradient, value = loss(TWO, ["!a", "b"])
    close(gradient, [[0.1, 0, 0], [0.05, -0.1, 0.05]])
    assert value == pytest.approx(0.025)
    target, mask = loss.convert_truths(["!a", "b"], TWO)
    close(target, [[0, 0, 0], [0, 1, 0]])
    close(mask, [[1, 0, 0], [1, 1, 1]])


def test_golden_smoothing():
    target, _ = CategoricalCrossentropy(label_smoothing=0.1).convert_truths([0], TWO[:1])
    close(target, [[0.9, 0.05, 0.05]])


def test_golden_sequence():
    guesses = [GUESSES, numpy.asarray([[0.2, 0.3, 0]], dtype="f")]
    truths = [LABELS, numpy.asarray([1], dtype="i")]
    gradients, loss = SequenceCategoricalCrossentropy(normalize=True)(guesses, truths)
    assert loss == pytest.approx(1.09)
    assert [gradient.shape for gradient in gradients] == [(4, 3), (1, 3)]


def test_golden_distances():
    guesses, truths = numpy.asarray([[1, 2], [8, 9]]), numpy.asarray([[1, 2], [10, 5]])
    assert L2Distance(normalize=False)(guesses, truths)[1] == 20
    assert L2Distance()(guesses, truths)[1] == 5
    guesses, truths = numpy.asarray([[0, 2], [0, 5]]), numpy.asarray([[8, 0], [7, 0]])
    assert CosineDistance(normalize=False)(guesses, truths)[1] == pytest.approx(2)
    assert CosineDistance()(guesses, truths)[1] == pytest.approx(1)


@pytest.mark.parametrize(
    "truths",
    [
        [2, 1],
        (2, 1),
        [numpy.int64(2), numpy.int32(1)],
        numpy.asarray([2, 1]),
        numpy.asarray([2, 1], dtype="uint64"),
        numpy.asarray([[0, 0, 1], [0, 1, 0]], dtype="f"),
        numpy.asarray([[0, 0, 1], [0, 1, 0]]),
    ],
)
def test_kinds_of_truths(truths):
    close(CategoricalCrossentropy(normalize=False).get_grad(TWO, truths), TWO - [[0, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("truths", [["c", "b"], ("c", "b"), [None, "b"], ["c", None]])
def test_names(truths):
    expected = TWO - [[0, 0, 1], [0, 1, 0]]
    for i, truth in enumerate(truths):
        expected[i] *= truth is not None
    close(CategoricalCrossentropy(names=["a", "b", "c"], normalize=False).get_grad(TWO, truths), expected)


@pytest.mark.parametrize("truths", [[None, 1], [1, None], [-1, 1], numpy.asarray([-1, 1])])
def test_missing(truths):
    loss = CategoricalCrossentropy(missing_value=-1, normalize=False)
    gradient = loss.get_grad(TWO, truths)
    close(abs(gradient).sum(axis=1) == 0, [truth in (None, -1) for truth in list(truths)])


def test_missing_names_and_rows():
    loss = CategoricalCrossentropy(names=["a", "b", "c"], missing_value="?", normalize=False)
    close(loss.get_grad(TWO, ["?", "b"])[0], 0)
    rows = numpy.asarray([[0, 0, 1], [0, 1, 0]], dtype="f")
    close(CategoricalCrossentropy(missing_value=2, normalize=False).get_grad(TWO, rows)[0], 0)
    assert CategoricalCrossentropy(missing_value="?").get_grad(TWO, rows).all()


def test_negated_with_smoothing():
    loss = CategoricalCrossentropy(names=["a", "b", "c"], neg_prefix="!", label_smoothing=0.1, normalize=False)
    close(loss.get_grad(TWO, ["!a", "b"]), [[0.2, 0, 0], [0.05, -0.1, 0.05]])


def test_inputs_stay_as_they_are():
    guesses, rows = TWO.copy(), numpy.asarray([[-1, 0, 1], [0, 1, 0]], dtype="f")
    loss = CategoricalCrossentropy(names=["a", "b", "c"])
    gradient = loss.get_grad(guesses, rows)
    close(rows[0, 0], -1)
    close(gradient[0, 0], 0.1)
    numpy.testing.assert_array_equal(guesses, TWO)
    labels = ["!a", "b"]
    CategoricalCrossentropy(names=["a", "b", "c"], neg_prefix="!")(guesses, labels)
    assert labels == ["!a", "b"]


@pytest.mark.parametrize(
    "settings, guesses, truths, error, message",
    [
        ({}, TWO, [3, 1], ValueError, r"labels must be in \[0, 3\); got 3 at position 0"),
        ({}, TWO, numpy.asarray([0, -1]), ValueError, r"labels must be in \[0, 3\); got -1 at position 1"),
        ({}, TWO, ["a", "b"], ValueError, "names must be given"),
        ({}, TWO, [1], ValueError, "as many rows; got 2 and 1"),
        ({}, TWO * 3, [1, 1], ValueError, r"guesses must be in \[0, 1\]"),
        ({}, TWO, numpy.full((2, 3), 1.5), ValueError, r"truths must be in \[0, 1\]"),
        ({}, TWO, numpy.zeros((2, 2)), ValueError, r"one shape; got \(2, 3\) and \(2, 2\)"),
        ({"label_smoothing": 0.1}, TWO, numpy.zeros((2, 3)), ValueError, "truths must be labels"),
        ({"names": ["a"]}, TWO, ["a", "a"], ValueError, r"one column per name \(1\); got 3"),
        (
            {"names": ["a", "b", "c"]},
            TWO,
            ["x", "a"],
            KeyError,
            r"among the names \['a', 'b', 'c'\]; got 'x' at position 0",
        ),
    ],
)
def test_bad_input(settings, guesses, truths, error, message):
    with pytest.raises(error, match=message):
        CategoricalCrossentropy(**settings)(guesses, truths)


@pytest.mark.parametrize("settings", [{}, {"names": ["a", "b", "c"]}, {"missing_value": 1}, {"label_smoothing": 0.1}])
def test_empty_batch(settings):
    for truths in ([], numpy.zeros(0, dtype="i")):
        gradient, loss = CategoricalCrossentropy(**settings)(TWO[:0], truths)
        assert gradient.shape == (0, 3)
        assert loss == 0
    assert SequenceCategoricalCrossentropy(**settings)([], []) == ([], 0.0)


def test_many_classes_take_linear_memory():
    guesses = numpy.zeros((2, 200_000), dtype="f")
    gradient = CategoricalCrossentropy(normalize=False).get_grad(guesses, [199_999, 0])
    assert gradient[0, 199_999] == -1
    assert gradient[1, 0] == -1
    assert gradient.sum() == -2


def test_float64_guesses_give_float64():
    assert CategoricalCrossentropy().get_grad(TWO.astype("d"), [0, 1]).dtype == "float64"


@settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5), kind=st.sampled_from(["list", "array", "rows", "mix"])
)
def test_sequences_equal_one_by_one(lengths, kind):
    random = numpy.random.RandomState(0)
    guesses = [random.uniform(size=(n, 3)).astype("f") for n in lengths]
    truths = [random.randint(0, 3, size=n) for n in lengths]
    if kind == "list":
        truths = [truth.tolist() for truth in truths]
    elif kind == "rows":
        truths = [numpy.eye(3, dtype="f")[truth] for truth in truths]
    elif kind == "mix":
        truths = [truth.tolist() if i % 2 else truth for i, truth in enumerate(truths)]
    single = CategoricalCrossentropy(normalize=False)
    gradients, loss = SequenceCategoricalCrossentropy()(guesses, truths)
    for guess, truth, gradient in zip(guesses, truths, gradients):
        close(gradient, single.get_grad(guess, truth) / len(lengths))
    assert loss == pytest.approx(sum((gradient**2).sum() for gradient in gradients))


def test_sequences_of_wrong_length():
    with pytest.raises(ValueError, match="one length; got 1 and 2"):
        SequenceCategoricalCrossentropy()([TWO], [[0, 1], [0, 1]])
    with pytest.raises(ValueError, match="as many rows; got 2 and 1"):
        SequenceCategoricalCrossentropy()([TWO, TWO], [[0, 1], [0]])


@pytest.mark.parametrize("loss", [L2Distance(), CosineDistance(), CosineDistance(ignore_zeros=True, normalize=False)])
def test_distances_against_differences(loss):
    random = numpy.random.RandomState(0)
    guesses, truths, direction = random.normal(size=(3, 4, 5))
    truths[1] = 0
    h = 1e-6
    gradient = loss.get_grad(guesses, truths)
    if isinstance(loss, L2Distance):
        difference = guesses - truths
        close(gradient, difference / 4)
        close(loss.get_loss(guesses, truths), ((difference / 4) ** 2).sum())
    else:
        slope = (loss.get_loss(guesses + h * direction, truths) - loss.get_loss(guesses - h * direction, truths)) / (
            2 * h
        )
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-5)
        assert loss.get_similarity(guesses, truths).shape == (4, 1)
        assert (gradient[1] == 0).all() == loss.ignore_zeros
    with pytest.raises(ValueError, match="one shape"):
        loss(guesses, truths[:2])


def test_losses_are_losses():
    assert all(issubclass(kind, Loss) for kind in (CategoricalCrossentropy, L2Distance, CosineDistance))


@pytest.mark.parametrize(
    "name, kwargs, kind",
    [
        (
            "CategoricalCrossentropy.v1",
            {"normalize": False, "names": ["a"], "missing_value": "x"},
            CategoricalCrossentropy,
        ),
        ("CategoricalCrossentropy.v2", {"neg_prefix": "!"}, CategoricalCrossentropy),
        ("CategoricalCrossentropy.v3", {"label_smoothing": 0.2}, CategoricalCrossentropy),
        ("SequenceCategoricalCrossentropy.v1", {"normalize": False, "names": ["a"]}, SequenceCategoricalCrossentropy),
        ("SequenceCategoricalCrossentropy.v2", {"neg_prefix": "!"}, SequenceCategoricalCrossentropy),
        ("SequenceCategoricalCrossentropy.v3", {"missing_value": 1}, SequenceCategoricalCrossentropy),
        ("L2Distance.v1", {"normalize": False}, L2Distance),
        ("CosineDistance.v1", {"normalize": True, "ignore_zeros": True}, CosineDistance),
    ],
)
def test_registered(name, kwargs, kind):
    loss = registry.resolve({"loss": {"@losses": name, **kwargs}})["loss"]
    assert isinstance(loss, kind)
    inner = loss.cc if isinstance(loss, SequenceCategoricalCrossentropy) else loss
    for key, value in kwargs.items():
        assert getattr(loss if key == "normalize" else inner, key) == value


LOSSES = [
    CategoricalCrossentropy(),
    CategoricalCrossentropy(normalize=False, missing_value=1, names=["a", "b", "c"]),
    SequenceCategoricalCrossentropy(missing_value=0),
    L2Distance(),
    CosineDistance(ignore_zeros=True),
    CrossEntropy(class_weights=[1, 2, 0.5], label_smoothing=0.1, ignore=1),
    CrossEntropy(from_logits=False),
    FocalLoss(normalize=False),
    BinaryCrossEntropy(positive_weights=[1, 2, 3]),
    BinaryCrossEntropy(gamma=2, normalize=False, from_logits=False),
    HuberLoss(delta=0.3),
]


OF_LABELS = (CategoricalCrossentropy, CrossEntropy, SequenceCategoricalCrossentropy)
GIVEN = [(loss, labels) for loss in LOSSES for labels in (False, True) if isinstance(loss, OF_LABELS) or not labels]


@pytest.mark.parametrize("loss, labels", GIVEN, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_losses_do_not_wait_for_the_gpu(loss, dtype, labels, gpu):
    """Truths are rows of numbers, or labels, whose range only the device can look at."""
    ops, random = get_ops("cupy"), numpy.random.default_rng(0)
    guesses, truths = (random.random((7, 3)).astype(dtype) for _ in range(2))
    truths[3] = 0 if dtype == "float32" else 1
    if labels:
        truths = random.integers(0, 3, size=7)
    cut = [0, 4, 4, 7] if isinstance(loss, SequenceCategoricalCrossentropy) else None

    def pieces(X):
        return [X[i:j] for i, j in pairwise(cut)] if cut else X

    moved = [pieces(ops.asarray(X)) for X in (guesses, truths)]
    with Ledger() as ledger:
        gradient, value = loss(*moved)
        gradient = loss.get_grad(*moved)
    assert ledger.waits == {}
    expected, expected_value = loss(pieces(guesses), pieces(truths))
    for one, other in zip(gradient, expected) if cut else [(gradient, expected)]:
        numpy.testing.assert_allclose(ops.to_numpy(one), other, rtol=3e-3 if dtype == "float16" else 1e-5, atol=1e-4)
    assert float(value) == pytest.approx(float(expected_value), rel=1e-2)


def test_wrong_truths_are_reported_by_the_gpu(gpu):
    """In the words of the CPU, where there is one position."""
    labels, rates = numpy.array([0, 2, -1, 3]), numpy.array([[0, 1], [0.5, -1]], dtype="float32")
    for ops in (get_ops("numpy"), get_ops("cupy")):
        with pytest.raises(ValueError, match=r"^loss: labels must be in \[0, 3\); got 3 at position 3$"):
            CrossEntropy(ignore=-1)(ops.alloc2f(4, 3), ops.asarray(labels))
        with pytest.raises(ValueError, match=r"^loss: truths must be in \[0, 1\]; got -1 at \[1, 1\]$"):
            BinaryCrossEntropy()(ops.alloc2f(2, 2), ops.asarray(rates))


def test_what_is_no_probability_is_an_error_everywhere(gpu):
    guesses, truths = numpy.full((5, 3), 0.5, dtype="f"), numpy.full((5, 3), numpy.nan, dtype="f")
    truths[3, 1] = 1.25
    for ops in (get_ops("numpy"), get_ops("cupy")):
        yh, y = ops.asarray(guesses), ops.asarray(truths)
        with pytest.raises(ValueError, match=r"^loss: truths must be in \[0, 1\]; got 1.25 at \[3, 1\]$"):
            CategoricalCrossentropy().get_grad(yh, y)
        with pytest.raises(ValueError, match=r"^loss: guesses must be in \[0, 1\]; got -2 at \[4, 2\]$"):
            CategoricalCrossentropy().get_grad(ops.asarray(numpy.array([[0, 1, 0]] * 4 + [[0, 1, -2]], "f")), yh)
