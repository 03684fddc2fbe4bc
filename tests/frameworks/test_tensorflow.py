"""TensorFlowWrapper: outputs and gradients are those of Keras, one vector goes to the optimizer, files hold no code."""

import contextlib
from typing import Any, List

import numpy
import pytest
import srsly

from thinc_core.api import (
    SGD,
    Adam,
    ArgsKwargs,
    Linear,
    Model,
    TensorFlowShim,
    TensorFlowWrapper,
    chain,
    keras_model_fns,
    keras_subclass,
    maybe_handshake_model,
)

from .installed import needs

tf = needs("tensorflow", "tensorflow")
keras = needs("keras", "tensorflow")

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns about NumPy and about itself

B, NI, NH, NO = 5, 4, 6, 3


def rows(*shape: int, seed: int = 1) -> Any:
    return numpy.random.RandomState(seed).normal(size=shape).astype("f")


def mlp(*more: Any) -> Any:
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(NH, activation="tanh")
    return keras.Sequential([keras.Input((NI,)), hidden, *more, keras.layers.Dense(NO)])


def two_inputs() -> Any:
    first, second = keras.Input((NI,)), keras.Input((2,))
    both = keras.layers.Concatenate()([first, second])
    return keras.Model([first, second], [keras.layers.Dense(NO)(both), keras.layers.Dense(2)(second)])


@keras_subclass("test.doubling", rows(1, NI), rows(1, NO), (1, NI))
class Doubling(keras.Model):
    def __init__(self, width: int, factor: float = 2.0) -> None:
        super().__init__()
        self.dense, self.factor = keras.layers.Dense(width), factor

    def call(self, X: Any) -> Any:
        return self.dense(X) * self.factor


class Plain(keras.Model):
    def call(self, X: Any) -> Any:
        return X


def gradients(shim: TensorFlowShim) -> List[Any]:
    return [numpy.asarray(each) for each in shim.gradients or []]


def test_output_and_gradients_are_those_of_keras() -> None:
    net, X, dY = mlp(), rows(B, NI), rows(B, NO, seed=2)
    model = TensorFlowWrapper(net)
    Y, backprop = model.begin_update(X)
    inputs = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        wanted = net(inputs, training=True)
    wanted_dX, *d_params = tape.gradient(wanted, [inputs, *(v.value for v in net.trainable_variables)], dY)
    numpy.testing.assert_allclose(Y, wanted, rtol=1e-6)
    numpy.testing.assert_allclose(model.predict(X), wanted, rtol=1e-6)
    numpy.testing.assert_allclose(backprop(dY), wanted_dX, rtol=1e-5)
    assert len(d_params) == 4
    for found, each in zip(gradients(model.shims[0]), d_params):
        numpy.testing.assert_allclose(found, each, rtol=1e-5)
    backprop(dY)  # adds up
    numpy.testing.assert_allclose(gradients(model.shims[0])[0], 2 * d_params[0], rtol=1e-5)
    numpy.testing.assert_allclose(model(X, is_train=False)[1](dY), wanted_dX, rtol=1e-5)


def test_a_step_along_a_direction_changes_the_output_as_the_gradient_says() -> None:
    model, X, dY = TensorFlowWrapper(mlp()), rows(B, NI), rows(B, NO, seed=2)
    direction, h = rows(B, NI, seed=3), 1e-2
    dX = model.begin_update(X)[1](dY)
    rise = ((model.predict(X + h * direction) - model.predict(X - h * direction)) * dY).sum() / (2 * h)
    assert (dX * direction).sum() == pytest.approx(rise, rel=2e-3)


def test_trains_and_keeps_averages() -> None:
    model = chain(TensorFlowWrapper(mlp()), Linear(2, NO)).initialize(X=rows(B, NI))
    X, target, optimizer, losses = rows(20, NI), rows(20, 2, seed=3) * 0.1, Adam(0.02), []
    for _ in range(40):
        Y, backprop = model.begin_update(X)
        losses.append(float(((Y - target) ** 2).mean()))
        backprop(2 * (Y - target) / len(X))
        model.finish_update(optimizer)
    assert losses[-1] < 0.3 * losses[0]
    shim = model.layers[0].shims[0]
    key = (shim.id, "tensorflow-shim")
    assert optimizer.averages[key].shape == (NI * NH + NH + NH * NO + NO,)
    before = model.predict(X)
    with model.use_params({key: optimizer.averages[key] * 0}):
        assert not model.layers[0].predict(X).any()
    path = f"tensorflow_{shim.id}_{shim._model.trainable_variables[3].path}"
    with contextlib.suppress(KeyError), model.use_params({path: numpy.full(NO, 7, dtype="f")}):
        assert (shim._model.trainable_variables[3].numpy() == 7).all()
        raise KeyError
    assert (model.predict(X) == before).all()


def test_clipping_and_steps_are_of_one_vector() -> None:
    model, X = TensorFlowWrapper(mlp()), rows(B, NI)
    shim = model.shims[0]
    before = numpy.concatenate([v.numpy().ravel() for v in shim._model.trainable_variables])
    model.begin_update(X)[1](rows(B, NO) * 1000)
    model.finish_update(SGD(1.0, grad_clip=1.0))
    after = numpy.concatenate([v.numpy().ravel() for v in shim._model.trainable_variables])
    assert numpy.linalg.norm(after - before) == pytest.approx(1.0, rel=1e-3)
    with pytest.raises(ValueError, match="there must be gradients"):
        model.finish_update(SGD(1.0))


def test_dropout_and_statistics_are_off_when_predicting() -> None:
    model, X = TensorFlowWrapper(mlp(keras.layers.Dropout(0.5), keras.layers.BatchNormalization())), rows(B, NI)
    assert (model.predict(X) == model.predict(X)).all()
    running = [v.numpy() for v in model.shims[0]._model.non_trainable_variables if "moving" in v.path]
    model.begin_update(X)
    now = [v.numpy() for v in model.shims[0]._model.non_trainable_variables if "moving" in v.path]
    assert any((a != b).any() for a, b in zip(running, now))


@pytest.mark.parametrize("kind", ["tuple", "list", "ArgsKwargs"])
def test_several_inputs_and_outputs(kind: str) -> None:
    model, X1, X2 = TensorFlowWrapper(two_inputs()), rows(B, NI), rows(B, 2)
    given: Any = {"tuple": (X1, X2), "list": [X1, X2], "ArgsKwargs": ArgsKwargs((X1, X2), {})}[kind]
    (Y1, Y2), backprop = model.begin_update(given)
    assert (Y1.shape, Y2.shape) == ((B, NO), (B, 2))
    dX = backprop([Y1, Y2])
    dX1, dX2 = dX.args if kind == "ArgsKwargs" else dX
    assert (dX1.shape, dX2.shape) == (X1.shape, X2.shape)
    assert dX1.any()
    with pytest.raises(ValueError, match="dY must have the shapes of the output"):
        backprop([Y2, Y1])


def test_inputs_of_ids() -> None:
    embed = keras.Sequential([keras.Input((2,), dtype="int64"), keras.layers.Embedding(7, NO)])
    model, ids = TensorFlowWrapper(embed), numpy.array([[1, 2], [3, 3]])
    Y, backprop = model.begin_update(ids)
    dX = backprop(Y)
    assert dX.shape == ids.shape
    assert not dX.any()
    assert gradients(model.shims[0])[0].shape == (7, NO)  # dense, though Keras gives slices
    model.finish_update(Adam(0.1))


def test_saving_and_loading(tmp_path: Any) -> None:
    model, other, X = TensorFlowWrapper(mlp()), TensorFlowWrapper(mlp()), rows(B, NI)
    model.begin_update(X)[1](rows(B, NO))
    model.finish_update(Adam(0.1))
    assert (other.predict(X) != model.predict(X)).any()
    model.to_disk(tmp_path / "model")
    other.from_disk(tmp_path / "model")
    assert (other.predict(X) == model.predict(X)).all()
    wide = TensorFlowWrapper(keras.Sequential([keras.Input((NI,)), keras.layers.Dense(NH + 1), keras.layers.Dense(NO)]))
    before = wide.predict(X)
    with pytest.raises(ValueError, match=r"the variables must have the shapes \[\(4, 7\).*; got \[\(4, 6\)"):
        wide.from_disk(tmp_path / "model")
    assert (wide.predict(X) == before).all()
    with pytest.raises(ValueError, match="must hold a config and the values of variables"):
        model.shims[0].from_bytes(b"\x93\x01\x02\x03")
    half = srsly.msgpack_dumps({"weights": [array * 0 for array in model.shims[0]._model.get_weights()]})
    with pytest.raises(ValueError, match="must hold a config"):
        model.shims[0].from_bytes(half)
    assert (other.predict(X) == model.predict(X)).all()


def test_copies_are_of_their_own() -> None:
    for net in (mlp(), two_inputs(), Doubling(NO)):
        model = TensorFlowWrapper(net)
        twin = model.copy()
        shim, copied = model.shims[0], twin.shims[0]
        assert copied.id != shim.id
        for a, b in zip(shim._model.get_weights(), copied._model.get_weights()):
            assert (a == b).all()
        copied._model.trainable_variables[0].assign_add(tf.ones_like(copied._model.trainable_variables[0]))
        assert (shim._model.get_weights()[0] != copied._model.get_weights()[0]).all()


def test_subclasses() -> None:
    net = Doubling(NO, factor=3.0)
    assert not net.built
    model, X = TensorFlowWrapper(net), rows(B, NI)
    kernel, bias = net.get_weights()
    numpy.testing.assert_allclose(model.predict(X), (X @ kernel + bias) * 3, rtol=1e-5)
    assert "test.doubling" in keras_model_fns
    assert isinstance(keras_model_fns.get("test.doubling")(NO), Doubling)
    assert maybe_handshake_model(net) is net
    assert "Doubling" in str(model.shims[0]) or "doubling" in str(model.shims[0])
    assert net.catalogue_name == "test.doubling"
    assert net.eg_compile == {"optimizer": "adam", "loss": "mse"}
    twin = model.copy()
    numpy.testing.assert_allclose(twin.predict(X), model.predict(X), rtol=1e-6)


def test_a_model_without_variables() -> None:
    model = TensorFlowWrapper(keras.Sequential([keras.Input((NI,)), keras.layers.ReLU()]))
    Y, backprop = model.begin_update(rows(B, NI))
    backprop(Y)
    model.finish_update(Adam(0.1))


def test_the_class_and_the_name_of_the_node() -> None:
    class Mine(Model):
        pass

    model = TensorFlowWrapper(mlp(), model_class=Mine, model_name="net")
    assert type(model) is Mine
    assert model.name == "net"
    assert (model.has_dim("nI"), model.has_dim("nO")) == (None, None)


class TestErrors:
    def test_no_keras_model(self) -> None:
        with pytest.raises(ValueError, match=r"tensorflow_model must be a keras.Model; got int"):
            TensorFlowWrapper(3)

    def test_a_class_that_was_never_built(self) -> None:
        with pytest.raises(ValueError, match="decorated by keras_subclass; got Plain"):
            TensorFlowWrapper(Plain())

    def test_arguments_that_json_cannot_hold(self) -> None:
        with pytest.raises(ValueError, match="arguments of Doubling must fit into JSON"):
            Doubling(NO, factor=object())

    def test_devices(self) -> None:
        shim = TensorFlowWrapper(mlp()).shims[0]
        shim.to_device("cpu", 0)
        with pytest.raises(ValueError, match="device must be cpu or gpu; got 'tpu'"):
            shim.to_device("tpu", 0)
