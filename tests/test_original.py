"""Optimizers, schedules, losses and initializers beside the original's, where it is installed: the same numbers."""

import itertools

import numpy
import pytest

original = pytest.importorskip("thinc.api", reason="compares with thinc 8.3")

from thinc_core import loss as our_losses  # noqa: E402
from thinc_core import optimizers as our_optimizers  # noqa: E402
from thinc_core import schedules as our_schedules  # noqa: E402
from thinc_core.backends import get_current_ops  # noqa: E402
from thinc_core.config import registry  # noqa: E402

KEY = (1, "W")
SETTINGS = [
    {},
    {"grad_clip": 0.0},
    {"L2": 0.1},
    {"L2": 0.1, "L2_is_weight_decay": False, "grad_clip": 0.5},
    {"use_averages": False, "learn_rate": [0.1, 0.2, 0.05]},
]
SCHEDULES = [
    ("constant", (0.1,), {}),
    ("decaying", (0.1, 0.5), {"t": 2}),
    ("compounding", (1.0, 16.0, 1.3), {}),
    ("compounding", (16.0, 1.0, 0.7), {}),
    ("warmup_linear", (1.0, 5, 20), {}),
    ("slanted_triangular", (1.0, 20), {"cut_frac": 0.2, "ratio": 10}),
    ("cyclic_triangular", (0.1, 1.0, 4), {}),
]
INITIALIZERS = [
    ("glorot_uniform_init.v1", {}),
    ("glorot_normal_init.v1", {}),
    ("he_uniform_init.v1", {}),
    ("he_normal_init.v1", {}),
    ("lecun_uniform_init.v1", {}),
    ("lecun_normal_init.v1", {}),
    ("zero_init.v1", {}),
    ("uniform_init.v1", {"lo": -0.5, "hi": 0.2}),
    ("normal_init.v1", {"mean": 0.3}),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["Adam", "RAdam", "SGD"])
def test_optimizers(name, settings):
    random = numpy.random.RandomState(0)
    weights, gradients = random.normal(size=(3, 4)).astype("f"), random.normal(size=(20, 3, 4)).astype("f")
    settings = {"learn_rate": 0.1, **settings}
    theirs, ours = getattr(original, name)(**settings), getattr(our_optimizers, name)(**settings)
    its_weights = weights.copy()
    for gradient in gradients:
        ours(KEY, weights, gradient.copy(), lr_scale=0.5)
        its_weights, _ = theirs(KEY, its_weights, gradient.copy(), lr_scale=0.5)
        numpy.testing.assert_allclose(weights, its_weights, rtol=2e-5, atol=2e-6)
        if ours.averages is not None:
            numpy.testing.assert_allclose(ours.averages[KEY], theirs.averages[KEY], rtol=2e-5, atol=2e-6)
        ours.step_schedules()
        theirs.step_schedules()
        assert float(ours.learn_rate) == float(theirs.learn_rate)


@pytest.mark.parametrize("name, args, kwargs", SCHEDULES, ids=[f"{row[0]}-{k}" for k, row in enumerate(SCHEDULES)])
def test_schedules(name, args, kwargs):
    n = 20 if name == "slanted_triangular" else 60  # whose values are below 0 after that in the original
    theirs = itertools.islice(getattr(original, name)(*args, **kwargs), n)
    ours = itertools.islice(getattr(our_schedules, name)(*args, **kwargs), n)
    assert list(ours) == pytest.approx(list(theirs), rel=1e-9, abs=1e-12)


def test_schedules_of_either_library_in_the_other():
    for make in (original.decaying, our_schedules.decaying):
        rates = []
        for optimizer in (our_optimizers.SGD(make(0.1, 0.5)), original.SGD(make(0.1, 0.5))):
            optimizer.step_schedules()
            rates.append(float(optimizer.learn_rate))
        assert rates == pytest.approx([0.1 / 1.5] * 2)
    sizes = [
        len(batch) for batch in original.get_current_ops().minibatch(our_schedules.compounding(1, 4, 2), list(range(9)))
    ]
    assert sizes == [1, 2, 4, 2]


@pytest.mark.parametrize("name, settings", INITIALIZERS, ids=[row[0] for row in INITIALIZERS])
@pytest.mark.parametrize("shape", [(3, 5), (4, 2, 3)], ids=str)
def test_initializers(name, settings, shape):
    found = []
    for functions, ops in ((original.registry, original.NumpyOps()), (registry, get_current_ops())):
        numpy.random.seed(7)
        found.append(functions.get("initializers", name)(**settings)(ops, shape))
    numpy.testing.assert_array_equal(*found)


PROBABILITIES = numpy.random.RandomState(0).dirichlet(numpy.ones(3), size=4).astype("f")
LABELS = numpy.asarray([2, 1, 0, 2], dtype="i")
LOSSES = [
    ("CategoricalCrossentropy", {}, LABELS),
    ("CategoricalCrossentropy", {"normalize": False, "missing_value": 2}, LABELS),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, LABELS.tolist()),
    ("CategoricalCrossentropy", {"names": ["a", "b", "c"], "neg_prefix": "!"}, ["!a", "b", None, "!c"]),
    ("CategoricalCrossentropy", {}, numpy.eye(3, dtype="f")[LABELS]),
    ("L2Distance", {}, PROBABILITIES[::-1]),
    ("L2Distance", {"normalize": False}, PROBABILITIES[::-1]),
    ("CosineDistance", {}, PROBABILITIES[::-1]),
    ("CosineDistance", {"normalize": False, "ignore_zeros": True}, PROBABILITIES * [[0], [1], [1], [0]]),
]


@pytest.mark.parametrize("name, settings, truths", LOSSES, ids=[f"{row[0]}-{k}" for k, row in enumerate(LOSSES)])
def test_losses(name, settings, truths):
    theirs = getattr(original, name)(**settings)(PROBABILITIES, truths)
    ours = getattr(our_losses, name)(**settings)(PROBABILITIES, truths)
    numpy.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, atol=1e-7)
    assert float(ours[1]) == pytest.approx(float(theirs[1]), rel=1e-5)
    if name == "CategoricalCrossentropy":
        sequence = f"Sequence{name}"
        given = [PROBABILITIES[:1], PROBABILITIES[1:]], [truths[:1], truths[1:]]
        theirs = getattr(original, sequence)(**settings)(*given)
        ours = getattr(our_losses, sequence)(**settings)(*given)
        numpy.testing.assert_allclose(numpy.concatenate(ours[0]), numpy.concatenate(theirs[0]), rtol=1e-6, atol=1e-7)
        assert float(ours[1]) == pytest.approx(float(theirs[1]), rel=1e-5)


@pytest.mark.parametrize("kind", ["optimizers", "schedules", "losses", "initializers"])
def test_registered_names(kind):
    assert set(getattr(original.registry, kind).get_all()) <= set(getattr(registry, kind).get_all())
