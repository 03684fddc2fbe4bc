"""JaxWrapper: outputs and gradients are those of JAX, parameters those of the node."""

import pickle
from typing import Any

import numpy
import pytest

from thinc_core.api import (
    Adam,
    ArgsKwargs,
    JaxWrapper,
    Linear,
    Ragged,
    chain,
    clone,
    fix_random_seed,
    registry,
    with_array,
    with_padded,
)
from thinc_core.model import Model

from .installed import needs

jax = needs("jax", "jax")
jnp = jax.numpy

B, NI, NH, NO = 5, 4, 6, 3


def mlp(params: Any, X: Any) -> Any:
    hidden = jnp.tanh(X @ params["hidden"]["W"].T + params["hidden"]["b"])
    return hidden @ params["out"][0].T + params["out"][1]


def draw(seed: int = 0) -> Any:
    random = numpy.random.RandomState(seed)
    hidden = {"W": random.normal(size=(NH, NI)).astype("f"), "b": random.normal(size=(NH,)).astype("f")}
    return {"hidden": hidden, "out": [random.normal(size=(NO, NH)).astype("f"), numpy.zeros(NO, dtype="f")]}


def rows(*shape: int, seed: int = 1) -> Any:
    return numpy.random.RandomState(seed).normal(size=shape).astype("f")


NAMES = ["hidden.W", "hidden.b", "out.0", "out.1"]


def test_output_and_gradients_are_those_of_jax() -> None:
    params, X, dY = draw(), rows(B, NI), rows(B, NO, seed=2)
    model = JaxWrapper(mlp, params)
    assert list(model.param_names) == NAMES
    Y, backprop = model.begin_update(X)
    wanted, pullback = jax.vjp(mlp, params, X)
    d_params, wanted_dX = pullback(dY)
    numpy.testing.assert_allclose(Y, wanted, rtol=1e-6)
    numpy.testing.assert_allclose(model.predict(X), wanted, rtol=1e-6)
    numpy.testing.assert_allclose(backprop(dY), wanted_dX, rtol=1e-5)
    for name, gradient in zip(NAMES, jax.tree.leaves(d_params)):
        numpy.testing.assert_allclose(model.get_grad(name), gradient, rtol=1e-5, atol=1e-6)
    backprop(dY)  # adds up
    numpy.testing.assert_allclose(model.get_grad("out.0"), 2 * d_params["out"][0], rtol=1e-5)
    again = model(X, is_train=False)[1](dY)
    numpy.testing.assert_allclose(again, wanted_dX, rtol=1e-5)


def test_gradients_along_a_direction_in_float64() -> None:
    """The oracle of all layers: a small step changes the output as the gradient says."""
    from thinc_core.diagnosis import check_gradients

    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        check_gradients(JaxWrapper(mlp, draw()), rows(B, NI), step=1e-5, rtol=1e-5)


def test_compiled_once_per_kind_of_batch() -> None:
    traced = []

    def count(params: Any, X: Any) -> Any:
        traced.append(X.shape)
        return X * params

    model = JaxWrapper(count, numpy.ones(NI, dtype="f"))
    assert model.param_names == ("params",)
    copies = clone(model, 2)
    for _ in range(3):
        for X in (rows(B, NI), rows(2, NI)):
            Y, backprop = copies.begin_update(X)
            backprop(Y)
    assert traced == [(B, NI), (2, NI)]
    copies.predict(rows(B, NI))
    assert traced == [(B, NI), (2, NI), (B, NI)]


def test_trains_in_one_pass_of_the_optimizer() -> None:
    model = chain(JaxWrapper(mlp, draw()), Linear(2, NO)).initialize(X=rows(B, NI))
    X, target = rows(20, NI), rows(20, 2, seed=3) * 0.1
    optimizer, passes = Adam(0.02), []
    step = optimizer.apply_gradients

    class Counting(Adam(0.02).__class__):
        def apply_gradients(self, parameters: Any) -> None:
            passes.append(1)
            step(parameters)

    counting, losses = Counting(0.02), []
    for _ in range(60):
        Y, backprop = model.begin_update(X)
        losses.append(float(((Y - target) ** 2).mean()))
        backprop(2 * (Y - target) / len(X))
        model.finish_update(counting)
    assert losses[-1] < 0.2 * losses[0]
    assert len(passes) == 60
    before = model.predict(X)
    with model.use_params(optimizer.averages):
        assert abs(model.predict(X) - before).max() > 1e-4
    assert (model.predict(X) == before).all()


def test_buckets_change_nothing_but_the_number_of_compilations() -> None:
    traced = []

    def normalized(params: Any, X: Any) -> Any:
        traced.append(X.shape[0])
        X = X / jnp.sqrt((X * X).sum(axis=1, keepdims=True))  # no gradient at a row of zeros
        return X @ params["W"], X.sum(axis=1)

    params = {"W": rows(NI, NO)}
    plain, padded = JaxWrapper(normalized, params), JaxWrapper(normalized, params, buckets=(4, 8))
    for n in (3, 5, 8, 9, 20):
        X = rows(n, NI, seed=n)
        found = []
        for model in (plain, padded):
            Y, backprop = model.begin_update(X)
            assert [part.shape for part in Y] == [(n, NO), (n,)]
            dX = backprop((Y[0] + 1, Y[1]))
            found.append([*Y, dX, model.get_grad("W").copy()])
        for a, b in zip(*found):
            numpy.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    assert {4, 8, 16, 24} <= set(traced)
    traced.clear()
    for n in (1, 2, 3, 6, 7, 12, 22):
        padded.begin_update(rows(n, NI))
    assert traced == []
    assert padded.predict(rows(0, NI))[0].shape == (0, NO)


def test_sequences() -> None:
    model = with_array(JaxWrapper(mlp, draw(), buckets=(8,)))
    X = Ragged(rows(B, NI), numpy.array([2, 0, 3], dtype="int32"))
    Y, backprop = model.begin_update(X)
    assert Y.data.shape == (B, NO)
    numpy.testing.assert_allclose(Y.data, mlp(draw(), X.data), rtol=1e-5)
    assert backprop(Y).data.shape == (B, NI)
    with pytest.raises(TypeError, match=r"X must be arrays; got a Ragged \(with_array"):
        JaxWrapper(mlp, draw()).predict(X)

    def cumulative(X: Any) -> Any:
        return jnp.cumsum(X, axis=0)

    found = with_padded(_on_data(JaxWrapper(cumulative))).predict([rows(2, NI), rows(3, NI)])
    numpy.testing.assert_allclose(found[1], rows(3, NI).cumsum(axis=0), rtol=1e-5)


def _on_data(layer: Model) -> Model:
    return with_array(layer)


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "ArgsKwargs"])
def test_several_arguments_and_outputs(kind: str) -> None:
    def function(X: Any, ids: Any, scale: float = 2.0) -> Any:
        return {"a": X[ids] * scale, "which": jnp.argmax(X, axis=1)}

    X, ids = rows(B, NI), numpy.array([0, 2, 2])
    given: Any = {
        "tuple": (X, ids),
        "list": [X, ids],
        "dict": {"X": X, "ids": ids, "scale": 3.0},
        "ArgsKwargs": ArgsKwargs((X,), {"ids": ids}),
    }[kind]
    Y, backprop = JaxWrapper(function).begin_update(given)
    scale = 3.0 if kind == "dict" else 2.0
    numpy.testing.assert_allclose(Y["a"], X[ids] * scale)
    numpy.testing.assert_array_equal(Y["which"], X.argmax(axis=1))
    dX = backprop({"a": numpy.ones((3, NI), dtype="f"), "which": numpy.zeros(B, dtype="int64")})
    first = dX["X"] if kind == "dict" else dX.args[0] if kind == "ArgsKwargs" else dX[0]
    second = dX["ids"] if kind == "dict" else dX.kwargs["ids"] if kind == "ArgsKwargs" else dX[1]
    wanted = numpy.zeros((B, NI))
    wanted[0], wanted[2] = scale, 2 * scale
    numpy.testing.assert_allclose(first, wanted)
    assert (second == 0).all()
    assert second.shape == ids.shape
    assert isinstance(dX, {"list": tuple}.get(kind, type(given)))


def test_what_it_is_given_may_change_later() -> None:
    """The batch and the parameters may be changed in place between calls: no stale copies."""
    params, X = draw(), rows(B, NI)
    model = JaxWrapper(mlp, params)
    model.predict(X)
    X *= 2
    model.get_param("out.1")[:] = 5
    numpy.testing.assert_allclose(model.predict(X), mlp(params, X) + 5, rtol=1e-5)
    assert (params["out"][1] == 0).all()


def test_saving_and_loading(tmp_path: Any) -> None:
    model, other, X = JaxWrapper(mlp, draw()), JaxWrapper(mlp, draw(7)), rows(B, NI)
    model.to_disk(tmp_path / "model")
    other.from_disk(tmp_path / "model")
    assert (other.predict(X) == model.predict(X)).all()
    narrow = draw(3)
    narrow["out"][1] = numpy.zeros(NO + 1, dtype="f")
    wrong = JaxWrapper(mlp, narrow)
    with pytest.raises(ValueError, match=r"parameter 'out.1' must have shape \(4,\); got \(3,\)"):
        wrong.from_bytes(model.to_bytes())
    assert (wrong.get_param("hidden.W") == narrow["hidden"]["W"]).all()
    twin = pickle.loads(pickle.dumps(model))
    assert (twin.predict(X) == model.predict(X)).all()


def test_parameters_drawn_by_init() -> None:
    def init(key: Any, X: Any) -> Any:
        return {"W": jax.random.normal(key, (X.shape[1], NO)), "steps": jnp.zeros((), dtype="int32")}

    def function(params: Any, X: Any) -> Any:
        return X @ params["W"] + params["steps"]

    made = []
    for _ in range(2):
        fix_random_seed(3)
        made.append(chain(JaxWrapper(function, init=init), Linear(2)).initialize(X=rows(B, NI)))
    assert (made[0].predict(rows(B, NI)) == made[1].predict(rows(B, NI))).all()
    layer = made[0].layers[0]
    assert layer.get_param("W").shape == (NI, NO)
    made[0].begin_update(rows(B, NI))[1](rows(B, 2))
    assert layer.grad_names == ("W",)
    fresh = JaxWrapper(function, init=init)
    with pytest.raises(ValueError, match="X must be given to initialize"):
        fresh.initialize()
    with pytest.raises(ValueError, match="must be initialised with a batch first"):
        fresh.predict(rows(B, NI))


def test_loading_before_the_structure_is_known() -> None:
    """A layer with init knows its parameters when they are loaded, and how they are used after initialize(X)."""

    def init(key: Any, X: Any) -> Any:
        return {"W": jax.random.normal(key, (X.shape[1], NO))}

    def function(params: Any, X: Any) -> Any:
        return X @ params["W"]

    saved, X = JaxWrapper(function, init=init).initialize(X=rows(B, NI)), rows(B, NI)
    loaded = JaxWrapper(function, init=init).from_bytes(saved.to_bytes())
    assert (loaded.initialize(X=X).predict(X) == saved.predict(X)).all()
    assert (loaded.initialize(X=X).predict(X) != saved.predict(X)).any()  # drawn again, as every layer does
    other = JaxWrapper(function, init=init).from_bytes(saved.to_bytes())
    with pytest.raises(ValueError, match=r"that were loaded must have the shapes {'W': \(2, 3\)}; got {'W': \(4, 3\)}"):
        other.initialize(X=rows(B, 2))
    given = JaxWrapper(function, {"W": saved.get_param("W")}, buckets=(8,))
    initialized = JaxWrapper(function, init=init).initialize(X=X)
    initialized.from_bytes(given.to_bytes())
    numpy.testing.assert_allclose(initialized.predict(X), saved.predict(X), rtol=1e-5)
    assert initialized.initialize(X=X).attrs["draw"] is init


def test_constants_of_equal_value_are_told_apart() -> None:
    def function(X: Any, scale: Any) -> Any:
        return X * 2 if scale is True else X * scale

    model, X = JaxWrapper(function), rows(B, NI)
    assert (model.predict((X, True)) == X * 2).all()
    assert (model.predict((X, 1.0)) == X).all()


class TestErrors:
    def test_parameters_that_are_no_arrays(self) -> None:
        with pytest.raises(TypeError, match=r"params must be a tree of arrays of floats or integers; got str at 'a.0'"):
            JaxWrapper(mlp, {"a": ["x"]})
        with pytest.raises(TypeError, match="got an array of bfloat16 at 'params'"):
            JaxWrapper(mlp, jnp.zeros(2, dtype="bfloat16"))

    @pytest.mark.parametrize("buckets", [(), (4, 4), (8, 4), (0, 4)])
    def test_buckets(self, buckets: Any) -> None:
        with pytest.raises(ValueError, match="buckets must be positive sizes that increase"):
            JaxWrapper(mlp, draw(), buckets=buckets)

    def test_rows_that_differ(self) -> None:
        model = JaxWrapper(lambda X, Y: X, buckets=(4,))
        with pytest.raises(ValueError, match=r"the same number of rows; got \[2, 3\]"):
            model.predict((rows(2, NI), rows(3, NI)))

    def test_gradients_of_another_shape(self) -> None:
        backprop = JaxWrapper(mlp, draw()).begin_update(rows(B, NI))[1]
        with pytest.raises(ValueError, match=r"dY must have the shape of the output \(5, 3\); got \(5, 2\)"):
            backprop(rows(B, 2))
        with pytest.raises(ValueError, match="dY must have 1 arrays"):
            backprop((rows(B, NO), rows(B, NO)))


def test_from_a_config() -> None:
    @registry.layers("test_jax_mlp.v1")
    def make() -> Any:
        return JaxWrapper(mlp, draw())

    config = {"model": {"@layers": "test_jax_mlp.v1"}}
    assert registry.resolve(config)["model"].predict(rows(B, NI)).shape == (B, NO)
    assert registry.layers.get("JaxWrapper.v1") is JaxWrapper


def test_flax() -> None:
    needs("flax", "frameworks")
    from flax import linen

    module = linen.Dense(NO)
    model = JaxWrapper(module.apply, init=module.init).initialize(X=rows(B, NI))
    assert set(model.param_names) == {"params.kernel", "params.bias"}
    kernel, bias = model.get_param("params.kernel"), model.get_param("params.bias")
    X, dY = rows(B, NI), rows(B, NO) + 1
    Y, backprop = model.begin_update(X)
    numpy.testing.assert_allclose(Y, X @ kernel + bias, rtol=1e-5)
    numpy.testing.assert_allclose(backprop(dY), dY @ kernel.T, rtol=1e-5)
    numpy.testing.assert_allclose(model.get_grad("params.kernel"), X.T @ dY, rtol=1e-5)
    numpy.testing.assert_allclose(model.get_grad("params.bias"), dY.sum(axis=0), rtol=1e-5)


def test_equinox() -> None:
    equinox = needs("equinox", "frameworks")
    module = equinox.nn.MLP(NI, NO, NH, 1, key=jax.random.PRNGKey(0))
    params, static = equinox.partition(module, equinox.is_array)

    def apply(params: Any, X: Any) -> Any:
        return jax.vmap(equinox.combine(params, static))(X)

    model = JaxWrapper(apply, params)
    assert "layers.0.weight" in model.param_names
    Y, backprop = model.begin_update(rows(B, NI))
    numpy.testing.assert_allclose(Y, jax.vmap(module)(rows(B, NI)), rtol=1e-5, atol=1e-6)
    wanted = jax.vjp(lambda X: jax.vmap(module)(X), jax.numpy.asarray(rows(B, NI)))[1](jax.numpy.ones_like(Y))[0]
    numpy.testing.assert_allclose(backprop(numpy.ones_like(Y)), wanted, rtol=1e-5, atol=1e-6)
    before = model.get_param("layers.0.weight").copy()
    model.finish_update(Adam(0.1))
    assert (model.get_param("layers.0.weight") != before).any()
