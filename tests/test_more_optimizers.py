"""AdamW, SGD with momentum, Lion, Adafactor and RAdam.v2: against their formulas in plain NumPy, and PyTorch's."""

import copy
import pickle

import numpy
import pytest

from thinc_core.backends import Ops, get_current_ops
from thinc_core.config import registry
from thinc_core.grad_scaler import GradScaler
from thinc_core.layers import Linear, Relu, chain
from thinc_core.more_optimizers import Adafactor, AdamW, Lion, RAdam_v2, SGD_v2
from thinc_core.optimizers import Adam, Optimizer
from thinc_core.schedules import decaying, plateau
from thinc_core.util import fix_random_seed

KEY = (1, "W")
SHAPES = [(5, 4), (7,), (2, 3, 4)]


# The formulas, one generator for each: it is sent gradients and gives the weights after each.


def adamw(w, lr, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.01):
    m = v = t = 0
    while True:
        g, t = (yield w), t + 1
        w = w - lr * weight_decay * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w = w - lr * (m / (1 - b1**t)) / (numpy.sqrt(v / (1 - b2**t)) + eps)


def momentum(w, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
    buffer = None
    while True:
        g = (yield w) + weight_decay * w
        buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
        w = w - lr * (g + momentum * buffer if nesterov else buffer)


def lion(w, lr, b1=0.9, b2=0.99, weight_decay=0.0):
    m = numpy.zeros_like(w)
    while True:
        g = yield w
        w = w - lr * (numpy.sign(b1 * m + (1 - b1) * g) + weight_decay * w)
        m = b2 * m + (1 - b2) * g


def rms(X):
    return numpy.sqrt((X * X).mean())


def adafactor(w, lr, eps1=None, eps2=1e-3, clip=1.0, weight_decay=0.0, beta2_decay=-0.8):
    t, v = 0, [numpy.zeros_like((w * w).mean(axis, keepdims=True) if w.ndim > 1 else w) for axis in (-1, -2)]
    least = numpy.finfo(w.dtype).eps if eps1 is None else eps1
    while True:
        g, t = (yield w), t + 1
        decay, rate = 1 - t**beta2_decay, min(lr, 1 / numpy.sqrt(t)) * max(eps2, rms(w))
        w = w * (1 - lr * weight_decay)
        if w.ndim > 1:
            v = [decay * x + (1 - decay) * (g * g).mean(axis, keepdims=True) for x, axis in zip(v, (-1, -2))]
            mean = v[0] @ v[1] / numpy.maximum(v[0].mean(-2, keepdims=True), least)
        else:
            v = [decay * v[0] + (1 - decay) * g * g] * 2
            mean = v[0]
        u = g / numpy.sqrt(numpy.maximum(mean, least**2))
        w = w - rate * u / max(1.0, rms(u) / clip)


def radam(w, lr, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0):
    m = v = t = 0
    most = 2 / (1 - b2) - 1
    while True:
        g, t = (yield w), t + 1
        w = w - lr * weight_decay * w
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        length = most - 2 * t * b2**t / (1 - b2**t)
        step = m / (1 - b1**t)
        if length >= 5:
            rectified = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            step = step * numpy.sqrt(rectified) * numpy.sqrt(1 - b2**t) / (numpy.sqrt(v) + eps)
        w = w - lr * step


# Our factory with settings, the formula with its, and PyTorch's class with its.
ROWS = [
    (AdamW, {"weight_decay": 0.1}, adamw, {"weight_decay": 0.1}, "AdamW", {"weight_decay": 0.1}),
    (AdamW, {"eps": 0.5, "beta1": 0.5}, adamw, {"eps": 0.5, "b1": 0.5}, "AdamW", {"eps": 0.5, "betas": (0.5, 0.999)}),
    (AdamW, {"beta1": 0.0}, adamw, {"b1": 0.0}, "AdamW", {"betas": (0.0, 0.999)}),
    (SGD_v2, {}, momentum, {}, "SGD", {}),
    (SGD_v2, {"momentum": 0.9}, momentum, {"momentum": 0.9}, "SGD", {"momentum": 0.9}),
    (
        SGD_v2,
        {"momentum": 0.9, "dampening": 0.25, "L2": 0.1},
        momentum,
        {"momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1},
        "SGD",
        {"momentum": 0.9, "dampening": 0.25, "weight_decay": 0.1},
    ),
    (
        SGD_v2,
        {"momentum": 0.8, "nesterov": True},
        momentum,
        {"momentum": 0.8, "nesterov": True},
        "SGD",
        {"momentum": 0.8, "nesterov": True},
    ),
    (Lion, {"weight_decay": 0.2}, lion, {"weight_decay": 0.2}, "Lion", {"weight_decay": 0.2}),
    (Adafactor, {"weight_decay": 0.1}, adafactor, {"weight_decay": 0.1}, "Adafactor", {"weight_decay": 0.1}),
    (
        Adafactor,
        {"eps1": 1e-3, "eps2": 0.5, "clip": 1.2},
        adafactor,
        {"eps1": 1e-3, "eps2": 0.5, "clip": 1.2},
        "Adafactor",
        {"eps": (1e-3, 0.5), "d": 1.2},
    ),
    (RAdam_v2, {}, radam, {}, "RAdam", {}),
    (
        RAdam_v2,
        {"beta2": 0.9, "weight_decay": 0.1},
        radam,
        {"b2": 0.9, "weight_decay": 0.1},
        "RAdam",
        {"betas": (0.9, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
]
IDS = [f"{row[0].__name__}-{'-'.join(row[1]) or 'defaults'}" for row in ROWS]
MAKERS = [
    lambda: AdamW(decaying(0.1, 0.5), ema_decay=0.99),
    lambda: SGD_v2([0.1, 0.2, 0.3], momentum=0.9, nesterov=True),
    lambda: Lion(plateau(1, 0.5, decaying(0.1, 0.1)), weight_decay=0.1),
    lambda: Adafactor(0.05, ema_decay=0.9, decay_vectors=False, weight_decay=0.1),
    lambda: RAdam_v2(0.1, beta2=0.9),
]
NAMES = ["AdamW", "SGD_v2", "Lion", "Adafactor", "RAdam_v2"]


def samples(shape, dtype="float64", n=12):
    random = numpy.random.RandomState(3)
    return random.normal(size=shape).astype(dtype), random.normal(size=(n, *shape)).astype(dtype)


@pytest.mark.parametrize("make, settings, formula, its_settings, _name, _settings", ROWS, ids=IDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_formula(make, settings, formula, its_settings, _name, _settings, shape, dtype):
    weights, gradients = samples(shape, dtype)
    optimizer = make(0.05, **settings)
    expected = formula(weights.astype("float64"), 0.05, **its_settings)
    if make is Adafactor and dtype == "float32" and "eps1" not in settings:
        expected = formula(weights.astype("float64"), 0.05, eps1=numpy.finfo("f").eps, **its_settings)
    next(expected)
    for gradient in gradients:
        wanted = expected.send(gradient.astype("float64"))
        returned, left = optimizer(KEY, weights, gradient.copy())
        assert returned is weights
        assert not left.any()
        tolerance = 1e-12 if dtype == "float64" else 3e-6
        numpy.testing.assert_allclose(weights, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make, settings, _formula, _its, name, its_settings", ROWS, ids=IDS)
@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_pytorch(torch, make, settings, _formula, _its, name, its_settings, shape):
    if not hasattr(torch.optim, name):
        pytest.skip(f"PyTorch {torch.__version__} has no {name}")
    weights, gradients = samples(shape)
    parameter = torch.nn.Parameter(torch.tensor(weights))
    theirs, ours = getattr(torch.optim, name)([parameter], lr=0.05, **its_settings), make(0.05, **settings)
    for gradient in gradients:
        ours(KEY, weights, gradient.copy())
        parameter.grad = torch.tensor(gradient)
        theirs.step()
        numpy.testing.assert_allclose(weights, parameter.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
@pytest.mark.parametrize("ops", [Ops(), get_current_ops()], ids=["reference", "current"])
def test_together_as_one_by_one(make, ops):
    given = [samples(shape, "float32", 2) for shape in [*SHAPES, (0, 3)]]
    one, other = make(), make()
    for optimizer in (one, other):
        optimizer._ops[numpy.ndarray] = ops
    together, alone = copy.deepcopy(given), copy.deepcopy(given)
    for k in range(2):
        one.apply_gradients([((i, "W"), weights, g[k]) for i, (weights, g) in enumerate(together)])
        for i, (weights, g) in enumerate(alone):
            other((i, "W"), weights, g[k])
    for (w, g), (w2, g2) in zip(together, alone):
        numpy.testing.assert_array_equal(w, w2)
        assert not g.any()
        assert not g2.any()


def train(model, optimizer, steps):
    for step in steps:
        X, dY = numpy.random.RandomState(step).normal(size=(2, 6, 5)).astype("f")
        _, backprop = model.begin_update(X[:, :4])
        backprop(dY[:, :3])
        model.finish_update(optimizer)
        optimizer.last_score = 1.0
        optimizer.step_schedules()


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_resume_is_exact(make):
    fix_random_seed(0)
    model, optimizer = chain(Relu(5, 4), Linear(3, 5)).initialize(), make()
    train(model, optimizer, range(5))
    state, data = pickle.loads(pickle.dumps(optimizer.state_dict(model))), model.to_bytes()
    train(model, optimizer, range(5, 9))
    resumed, fresh = chain(Relu(5, 4), Linear(3, 5)).initialize().from_bytes(data), make()
    fresh.load_state_dict(state, resumed)
    train(resumed, fresh, range(5, 9))
    assert resumed.to_bytes() == model.to_bytes()
    for old, new in zip(model.walk(), resumed.walk()):
        for name in old.param_names if optimizer.averages is not None else ():
            numpy.testing.assert_array_equal(optimizer.averages[old.id, name], fresh.averages[new.id, name])


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_copies_go_on_alike(make, duplicate):
    weights, gradients = samples((3, 4), "float32")
    optimizer = make()
    optimizer(KEY, weights, gradients[0].copy())
    other, its_weights = duplicate(optimizer), weights.copy()
    for gradient in gradients[1:4]:
        optimizer(KEY, weights, gradient.copy())
        other(KEY, its_weights, gradient.copy())
    numpy.testing.assert_array_equal(weights, its_weights)


@pytest.mark.parametrize("make", [AdamW, Adafactor, Lion, RAdam_v2, SGD_v2])
def test_ema_starts_at_the_parameters(make):
    weights, gradients = samples((3, 4), "float32")
    optimizer, expected = make(0.1, ema_decay=0.5), None
    for t, gradient in enumerate(gradients[:6], start=1):
        optimizer(KEY, weights, gradient.copy())
        decay = min(0.5, (1 + t) / (10 + t))
        expected = weights.copy() if expected is None else decay * expected + (1 - decay) * weights
        numpy.testing.assert_allclose(optimizer.averages[KEY], expected, rtol=1e-5, atol=1e-6)
    assert make(0.1).averages is None
    with pytest.raises(ValueError, match=r"ema_decay must be in \[0, 1\); got 1"):
        make(0.1, ema_decay=1.0)


@pytest.mark.parametrize("make", [AdamW, Adafactor, Lion, RAdam_v2])
def test_vectors_need_not_decay(make):
    def moved(shape, **settings):
        weights = numpy.ones(shape, dtype="f")
        make(0.1, **settings)(KEY, weights, numpy.zeros(shape, dtype="f"))
        return weights.ravel()[0]

    assert moved((4,), weight_decay=0.5, decay_vectors=False) == 1
    assert moved((2, 2), weight_decay=0.5, decay_vectors=False) == pytest.approx(0.95)
    assert moved((4,), weight_decay=0.5) == pytest.approx(0.95)


def test_rate_and_decay_per_parameter():
    optimizer = AdamW(0.1, weight_decay=lambda step, key: 0.5 if key == KEY else 0.0, decay_vectors=False)
    ones, zeros = numpy.ones((2, 1), dtype="f"), numpy.zeros((2, 1), dtype="f")
    assert optimizer(KEY, ones.copy(), zeros)[0][0] == pytest.approx(0.95)
    assert optimizer((2, "W"), ones.copy(), zeros)[0][0] == 1
    assert optimizer((1, "b"), numpy.ones(2, dtype="f"), numpy.zeros(2, dtype="f"))[0][0] == 1


@pytest.mark.parametrize("make", [AdamW, Adafactor, Lion, SGD_v2])
def test_lr_scale_and_clipping(make):
    """A clipped gradient moves as its scaled self does, and half the rate goes half as far."""
    gradient = numpy.asarray([[3.0, -4.0], [0.0, 0.0]])
    ones = numpy.ones((2, 2))
    clipped = make(0.01, grad_clip=1.0)(KEY, ones.copy(), gradient.copy())[0]
    numpy.testing.assert_allclose(clipped, make(0.01)(KEY, ones.copy(), gradient / 5)[0], rtol=1e-12)
    half = make(0.01)(KEY, ones.copy(), gradient.copy(), lr_scale=0.5)[0]
    whole = make(0.01)(KEY, ones.copy(), gradient.copy())[0]
    decays = 0.01 if make is AdamW else 0.0  # which is multiplied by what is left
    numpy.testing.assert_allclose(ones - half, (ones - whole) / 2, rtol=1e-9, atol=decays * 1e-4)


@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_gradients_of_a_scaled_loss(make):
    weights, gradients = samples((3, 4), "float32")
    plain, scaled, its_weights = make(), make(), weights.copy()
    scaled.grad_scaler = GradScaler(2.0**10)
    for k, gradient in enumerate(gradients[:4]):
        plain(KEY, weights, gradient.copy())
        scaled(KEY, its_weights, gradient * numpy.float32(2**10))
        scaled.grad_scaler.update()
        numpy.testing.assert_allclose(weights, its_weights, rtol=1e-6)
        if k == 1:
            before = its_weights.copy()
            _, left = scaled(KEY, its_weights, gradient * numpy.float32(numpy.inf))
            scaled.grad_scaler.update()
            numpy.testing.assert_array_equal(its_weights, before)
            assert not left.any()
            assert scaled.grad_scaler.get_scale() == 2.0**9
            scaled.grad_scaler._scale = 2.0**10


def test_float16_adafactor_keeps_wide_moments():
    optimizer, weights = Adafactor(0.1, ema_decay=0.9), numpy.ones((3, 4), dtype="float16")
    optimizer(KEY, weights, numpy.full((3, 4), 1e-4, dtype="float16"))
    assert optimizer.mom1[KEY].dtype == optimizer.mom2[KEY].dtype == "float32"
    assert optimizer.averages[KEY].dtype == "float16"
    numpy.testing.assert_allclose(weights, 0.9, rtol=1e-3)  # a squared gradient is nothing in float16


def test_adafactor_remembers_little():
    optimizer = Adafactor(0.1)
    optimizer(KEY, numpy.ones((30, 40), dtype="f"), numpy.ones((30, 40), dtype="f"))
    assert optimizer.mom1[KEY].size + optimizer.mom2[KEY].size == 70


def test_lion_keeps_one_moment_and_plain_sgd_none():
    ones = numpy.ones((2, 2), dtype="f")
    for make, count in ((Lion, 1), (AdamW, 2), (SGD_v2, 0), (lambda rate: SGD_v2(rate, momentum=0.9), 1)):
        optimizer = make(0.1)
        optimizer(KEY, ones.copy(), ones.copy())
        assert len(optimizer.mom1) + len(optimizer.mom2) == count


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: SGD_v2(0.1, nesterov=True),
            "nesterov must come with momentum and without dampening; got momentum 0.0",
        ),
        (lambda: SGD_v2(0.1, momentum=0.9, dampening=0.1, nesterov=True), "got momentum 0.9 and dampening 0.1"),
        (lambda: SGD_v2(0.1, dampening=-1.0), r"dampening must be in \[0, 1\]; got -1"),
        (lambda: SGD_v2(0.1, momentum=1.0), "beta1 must be in"),
        (lambda: Adafactor(0.1, clip=0.0), "clip must be > 0; got 0"),
        (lambda: Adafactor(0.1, beta2_decay=0.5), "beta2_decay must be <= 0; got 0.5"),
        (lambda: Adafactor(0.1, eps1=-1.0), "eps1 must be >= 0; got -1"),
        (lambda: Optimizer(0.1, ema_decay=-0.1), "ema_decay must be in"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_decay_of_everything_is_refused():
    weights = numpy.ones((2, 2), dtype="f")
    with pytest.raises(ValueError, match=r"weight_decay must be below 1 / learn_rate; got 2\.0 with a rate of 0\.5"):
        AdamW(0.5, weight_decay=2.0)(KEY, weights, weights.copy())
    assert weights.min() == 1


@pytest.mark.parametrize("name", ["AdamW.v1", "SGD.v2", "Lion.v1", "Adafactor.v1", "RAdam.v2"])
def test_registered(name):
    rate = {"@schedules": "decaying.v1", "base_rate": 0.5, "decay": 1.0}
    block = {"@optimizers": name, "learn_rate": rate, "grad_clip": 2.0, "ema_decay": 0.5}
    optimizer = registry.resolve({"optimizer": block})["optimizer"]
    assert isinstance(optimizer, Optimizer)
    assert (optimizer.learn_rate, optimizer.grad_clip, optimizer.ema_decay) == (0.5, 2.0, 0.5)
    optimizer.step_schedules()
    assert optimizer.learn_rate == 0.25


def test_adam_takes_an_ema_too():
    optimizer, weights = Optimizer(0.1, ema_decay=0.9), numpy.ones((2, 2), dtype="f")
    optimizer(KEY, weights, weights.copy())
    numpy.testing.assert_array_equal(optimizer.averages[KEY], weights)
    assert Adam(0.1).ema_decay == 0
