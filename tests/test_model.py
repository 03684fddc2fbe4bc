"""Model: construction, dims, parameters, gradients, references, running, operators, devices."""

import contextvars
import copy
import pickle
import threading
import weakref

import numpy
import pytest

from thinc_core.backends import NumpyOps, Ops, get_current_ops
from thinc_core.errors import describe
from thinc_core.layers import Linear, Relu, chain, clone, noop
from thinc_core.model import Model
from thinc_core.shims import Shim
from thinc_core.types import Floats2d
from thinc_core.util import DataValidationError, data_validation


def forward(model, X, is_train):
    return X, lambda dY: dY


def init_sets_width(model, X=None, Y=None):
    model.set_dim("nI", 7)


def node(name="node", **kwargs):
    return Model(name, forward, **kwargs)


# Construction.


def test_constructor_never_looks_at_forward():
    model = Model("x", lambda: None)
    assert (model.name, model.layers, model.shims, model.attrs) == ("x", [], [], {})
    assert model.ops is get_current_ops()


def test_slots_are_the_documented_ones():
    assert Model.__slots__ == (
        "name", "id", "ops", "_func", "init", "_params", "_dims", "_attrs", "_refs", "_layers", "_shims", "_has_params"
    )  # fmt: skip
    model = node()
    with pytest.raises(AttributeError):
        model.other = 1
    with pytest.raises(AttributeError):
        model.layers = []
    with pytest.raises(TypeError):
        weakref.ref(model)
    model._layers = []


def test_containers_are_copied_and_live():
    dims, attrs, layers = {"nO": None}, {"a": [1]}, [node()]
    model = node(dims=dims, attrs=attrs, layers=layers)
    model.set_dim("nO", 3)
    model.attrs["b"] = 2
    model.layers.append(node())
    assert dims == {"nO": None}
    assert attrs == {"a": [1]}
    assert len(layers) == 1
    assert model.attrs["a"] is attrs["a"]
    assert len(model.layers) == 2


def test_ids_are_unique_over_threads_nodes_and_shims():
    ids = []

    def make():
        ids.extend(node().id if i % 3 else Shim(None).id for i in range(60))

    threads = [threading.Thread(target=make) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == len(ids) == 3000
    assert Model.global_id >= max(ids)


def test_subclasses_count_with_the_base_class_and_may_have_attributes():
    class Listener(Model):
        def __init__(self):
            super().__init__("listener", forward)
            self.extra = 1

    first, second = Listener(), Listener()
    assert second.id == first.id + 1 == Model.global_id
    again = pickle.loads(pickle.dumps(Linear(2, 3)))
    assert type(copy.deepcopy(first)) is Listener
    assert copy.deepcopy(first).extra == 1
    assert again.id > second.id


# Dims.


def test_dims_have_three_states():
    model = node(dims={"nO": 3, "nI": None})
    assert (model.has_dim("nO"), model.has_dim("nI"), model.has_dim("nX")) == (True, None, False)
    assert (model.maybe_get_dim("nO"), model.maybe_get_dim("nI"), model.maybe_get_dim("nX")) == (3, None, None)
    assert model.dim_names == ("nO", "nI")
    with pytest.raises(KeyError, match="nX"):
        model.get_dim("nX")
    with pytest.raises(ValueError, match=r"'nI' of node 'node'.*initialize\(\)"):
        model.get_dim("nI")


def test_set_dim():
    model = node(dims={"nO": None})
    with pytest.raises(KeyError):
        model.set_dim("nI", 1)
    model.set_dim("nO", numpy.int64(3))
    assert type(model.get_dim("nO")) is int
    model.set_dim("nO", 3)
    with pytest.raises(ValueError, match=r"'nO' of node 'node' is 3 already; got 4"):
        model.set_dim("nO", 4)
    model.set_dim("nO", 4, force=True)
    model.set_dim("nO", None, force=True)
    assert model.has_dim("nO") is None
    model.set_dim("nO", 4)
    model.set_param("W", numpy.zeros(4))
    with pytest.raises(ValueError, match="allocated"):
        model.set_dim("nO", 5, force=True)


@pytest.mark.parametrize("value", ["3", 2.0, True, -1, 0, (1,)])
def test_dims_must_be_positive_ints(value):
    with pytest.raises(ValueError, match="'nO' must be a positive int"):
        node(dims={"nO": None}).set_dim("nO", value)
    with pytest.raises(ValueError, match="'nO' must be a positive int"):
        node(dims={"nO": value})


# Parameters and gradients.


def test_params_have_three_states():
    W = numpy.ones((2, 3), dtype="f")
    model = node(params={"W": W, "b": None})
    assert (model.has_param("W"), model.has_param("b"), model.has_param("x")) == (True, None, False)
    assert model.get_param("W") is W is model.maybe_get_param("W")
    assert model.maybe_get_param("b") is None is model.maybe_get_param("x")
    assert model.param_names == ("W", "b")
    with pytest.raises(KeyError, match=r"'b' of node 'node' is not allocated yet; call initialize\(\)"):
        model.get_param("b")
    with pytest.raises(KeyError, match="must be one of"):
        model.get_param("x")


def test_unset_param_is_gone():
    model = node(params={"W": numpy.ones(2)})
    model.set_grad("W", numpy.ones(2))
    model.set_param("W", None)
    assert model.has_param("W") is None
    assert not model.has_grad("W")
    with pytest.raises(KeyError):
        model.get_param("W")


def test_gradients_add_up():
    model = node(params={"W": numpy.zeros(2, dtype="f")})
    assert model.has_grad("W") is False
    assert model.maybe_get_grad("W") is None
    with pytest.raises(KeyError, match="'W' of node 'node' has no gradient"):
        model.get_grad("W")
    value = numpy.ones(2, dtype="f")
    model.inc_grad("W", value)
    first = model.get_grad("W")
    model.inc_grad("W", value)
    assert model.get_grad("W") is first is not value
    assert first.tolist() == [2, 2]
    assert value.tolist() == [1, 1]
    assert model.has_grad("W") is True
    assert model.grad_names == ("W",)
    assert model.get_gradients() == {(model.id, "W"): (model.get_param("W"), first)}


def test_float_gradient_then_array():
    model = node(params={"W": numpy.zeros(2, dtype="f")})
    model.set_grad("W", 0.0)
    model.inc_grad("W", numpy.ones(2, dtype="f"))
    assert model.get_grad("W").tolist() == [1, 1]
    model.set_grad("W", 3.0)
    model.grad_buffer("W")[:] += 1
    assert model.get_grad("W").tolist() == [4, 4]


@pytest.mark.parametrize("before", [False, True])
def test_gradient_of_another_shape(before):
    model = node(params={"W": numpy.zeros((2, 3), dtype="f")})
    if before:
        model.inc_grad("W", numpy.zeros((2, 3), dtype="f"))
    with pytest.raises(ValueError, match=r"'W' of node 'node' must have shape \(2, 3\); got \(3,\)"):
        model.inc_grad("W", numpy.zeros(3, dtype="f"))


def test_parameters_and_gradients_must_have_the_shape_of_the_dims():
    model = Linear(2, 3)
    with pytest.raises(ValueError, match=r"'W' of node 'linear' must have shape \(2, 3\); got \(2, 4\)"):
        model.set_param("W", numpy.zeros((2, 4), dtype="f"))
    assert model.has_param("W") is None
    Linear().set_param("W", numpy.zeros((2, 4), dtype="f"))  # nothing says yet what it should be
    model.initialize()
    with pytest.raises(ValueError, match=r"set_grad: .* 'linear' must have shape \(2,\); got \(3,\)"):
        model.set_grad("b", numpy.zeros(3, dtype="f"))
    assert not model.has_grad("b")
    model.set_grad("b", 0.0)
    node().set_param("anything", "a proxy may hold other things")


def test_gradient_of_unregistered_name_is_kept_but_not_listed():
    model = node()
    model.inc_grad("x", numpy.ones(2))
    assert model.get_grad("x").tolist() == [1, 1]
    assert model.grad_names == ()


def test_grad_buffer_is_the_live_gradient():
    model = node(params={"W": numpy.zeros((2, 2), dtype="f")})
    buffer = model.grad_buffer("W")
    assert not buffer.any()
    buffer += 1
    model.inc_grad("W", numpy.ones((2, 2), dtype="f"))
    assert model.get_grad("W") is buffer is model.grad_buffer("W")
    assert buffer.tolist() == [[2, 2], [2, 2]]


def test_proxy_gets_the_gradients():
    class Proxy:
        def __init__(self):
            self.grads, self.params = [], {}

        def get_param(self, model_id, name):
            return self.params[model_id, name]

        def set_param(self, model_id, name, value):
            self.params[model_id, name] = value

        def set_grad(self, model_id, name, value):
            self.grads.append(value)

        inc_grad = set_grad

    model = node(params={"W": numpy.zeros(2)})
    assert not model.has_grad_proxy
    proxy = model._params.proxy = Proxy()
    proxy.params[model.id, "W"] = remote = numpy.ones(2)
    assert model.has_grad_proxy
    assert model.get_param("W") is remote
    model.inc_grad("W", remote)
    assert not model.has_grad("W")
    assert len(proxy.grads) == 1
    model.set_param("W", numpy.zeros(2))
    assert not proxy.params[model.id, "W"].any()


# References.


def test_refs():
    inner = node("inner")
    outer = node("outer", layers=[inner], refs={"a": None})
    assert (outer.has_ref("a"), outer.has_ref("b")) == (None, False)
    with pytest.raises(KeyError):
        outer.get_ref("b")
    with pytest.raises(ValueError, match="'a' of node 'outer' is not set"):
        outer.get_ref("a")
    outer.set_ref("a", inner)
    outer.set_ref("self", outer)
    assert outer.get_ref("a") is inner is outer.maybe_get_ref("a")
    assert outer.ref_names == ("a", "self")
    with pytest.raises(ValueError, match="'up' of node 'inner'"):
        inner.set_ref("up", outer)
    outer.set_ref("a", None)
    assert outer.maybe_get_ref("a") is None


# Running.


def test_calls():
    seen = []

    def record(model, X, is_train):
        seen.append((model, X, is_train))
        return X * 2, lambda dY: dY * 3

    model = Model("record", record)
    Y, backprop = model(2, is_train=False)
    assert (Y, backprop(1)) == (4, 3)
    assert model.predict(3) == 6
    Y, backprop = model.begin_update(4)
    assert (Y, backprop(2)) == (8, 6)
    assert seen == [(model, 2, False), (model, 3, False), (model, 4, True)]
    with pytest.raises(TypeError):
        model(1)


def test_errors_name_the_path_of_the_node():
    model = chain(noop(), chain(Linear(2, 3), Relu(2, 2)))
    X = numpy.zeros((1, 3), dtype="f")
    for run in (lambda: model.predict(X), lambda: model.begin_update(X), lambda: model(X, True)):
        with pytest.raises(KeyError, match=r"initialize\(\)") as caught:
            run()
        (note,) = caught.value.__notes__
        assert note == "in node 'noop>>linear>>relu'.layers[1].layers[0] ('linear')"
        assert str(caught.value)[0] != '"'


def test_initialize_passes_keywords_and_returns_the_model():
    model = node(init=init_sets_width, dims={"nI": None})
    assert model.initialize(X=1, Y=2) is model
    assert model.get_dim("nI") == 7


def test_data_validation_is_off_unless_asked_for():
    def typed(model: Model, X: Floats2d, is_train: bool) -> "tuple":
        return X, lambda dY: dY

    model = Model("typed", typed)
    wrong = numpy.zeros(3, dtype="f")
    model.initialize(X=wrong)
    with data_validation(True):
        model.initialize(X=numpy.zeros((3, 2), dtype="f"))
        with pytest.raises(DataValidationError, match="number of axes must be 2; got 1"):
            model.initialize(X=wrong)
    model.initialize(X=wrong)


def test_data_validation_ends_with_an_error_too():
    with pytest.raises(KeyError), data_validation(True):
        raise KeyError
    node(init=None).initialize(X=1)
    Model("one_argument", lambda x: x).initialize(X=1)


def test_finish_update_uses_what_the_optimizer_returns():
    model = chain(Linear(2, 2), Linear(2, 2)).initialize()
    first = model.layers[0]
    for each in model.layers:
        each.inc_grad("W", numpy.ones((2, 2), dtype="f"))
    seen = []

    def functional(key, weights, gradient):
        seen.append(key)
        return weights - gradient, numpy.zeros_like(gradient)

    before = first.get_param("W").copy()
    model.finish_update(functional)
    assert seen == [(each.id, "W") for each in model.layers]
    numpy.testing.assert_allclose(first.get_param("W"), before - 1)
    assert not first.get_grad("W").any()


def test_optimizer_errors_name_the_parameter():
    model = chain(noop(), Linear(2, 2)).initialize()
    model.layers[1].inc_grad("W", numpy.ones((2, 2), dtype="f"))
    with pytest.raises(ZeroDivisionError) as caught:
        model.finish_update(lambda key, weights, gradient: 1 / 0)
    assert caught.value.__notes__ == ["in parameter 'W' of 'noop>>linear'.layers[1] ('linear')"]
    assert describe(caught.value).splitlines()[1:] == caught.value.__notes__


def test_finish_update_reaches_shims_first():
    order = []

    class Box(Shim):
        def finish_update(self, optimizer):
            order.append("shim")

    model = node(shims=[Box(None)], params={"W": numpy.ones(1)})
    model.set_grad("W", numpy.ones(1))
    model.finish_update(lambda key, weights, gradient: order.append("param") or (weights, gradient))
    assert order == ["shim", "param"]


def test_use_params():
    shared = Linear(1, 1).initialize()
    model = node(layers=[shared, node(layers=[shared])])
    own = shared.get_param("W")
    other = numpy.full((1, 1), 9.0, dtype="f")
    params = {(shared.id, "W"): other, (shared.id, "unknown"): other, (10**9, "W"): other}
    with model.use_params(params):
        assert shared.get_param("W") is other
        assert not shared.has_param("unknown")
    assert shared.get_param("W") is own
    with pytest.raises(KeyError), model.use_params(params):
        raise KeyError
    assert shared.get_param("W") is own


# Operators.


def test_all_operators():
    symbols = ["+", "-", "*", "@", "/", "//", "%", "**", "<<", ">>", "&", "^", "|"]
    a, b = node("a"), node("b")
    calls = {symbol: (lambda x, y, symbol=symbol: (symbol, x, y)) for symbol in symbols}
    with Model.define_operators(calls):
        results = [a + b, a - b, a * b, a @ b, a / b, a // b, a % b, a**b, a << b, a >> b, a & b, a ^ b, a | b]
    assert results == [(symbol, a, b) for symbol in symbols]
    with pytest.raises(TypeError, match="'>>'"):
        a >> b
    assert Model._context_operators.get() == {}


def test_unknown_operators_are_refused():
    with pytest.raises(ValueError, match=r"operators must be among \+ - .*; got \['=>'\]"):
        with Model.define_operators({">>": chain, "=>": chain}):
            pass
    assert Model._context_operators.get() == {}


def test_operators_nest_by_replacement_and_end_with_errors():
    a, b = node("a"), node("b")
    with Model.define_operators({"+": lambda x, y: "outer"}):
        with Model.define_operators({"*": lambda x, y: "inner"}):
            assert a * b == "inner"
            with pytest.raises(TypeError):
                a + b
        with pytest.raises(KeyError), Model.define_operators({"+": lambda x, y: "bad"}):
            raise KeyError
        assert a + b == "outer"
    assert Model._context_operators.get() == {}


def test_operators_belong_to_their_thread():
    a, b = node("a"), node("b")
    results = []

    def work(symbol):
        with Model.define_operators({"+": lambda x, y: symbol}):
            barrier.wait()
            results.append((symbol, a + b))

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(i, i) for i in range(8)]
    assert contextvars.copy_context().get(Model._context_operators, {}) == {}


def test_right_operand_may_be_anything():
    with Model.define_operators({"**": clone}):
        assert len((Relu(2, 2) ** 3).layers) == 3


# Devices.


def test_to_cpu_sets_the_backend_of_every_node_and_keeps_dtypes():
    class Box(Shim):
        def to_device(self, device_type, device_id):
            moved.append((device_type, device_id))

    moved = []
    model = node(layers=[Linear(2, 2)], shims=[Box(None)], params={"W": numpy.ones(2, dtype="float64")})
    model.layers[0].initialize()
    model.to_cpu()
    assert {type(each.ops) for each in model.walk()} == {NumpyOps}
    assert len({id(each.ops) for each in model.walk()}) == 1
    assert model.get_param("W").dtype == "float64"
    assert moved == [("cpu", -1)]


def test_shims_move_to_the_device_of_the_ops():
    class Box(Shim):
        def to_device(self, device_type, device_id):
            moved.append((device_type, device_id))

    moved = []
    node(layers=[node(shims=[Box(None)])])._to_ops(Ops("gpu", 3))
    assert moved == [("gpu", 3)]


def test_to_gpu_without_a_gpu_says_why():
    from thinc_core import compat

    if compat.has_cupy_gpu:
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="gpu"):
        Linear(2, 2).initialize().to_gpu(0)
