"""Model trees: walking, editing, copying, and the helpers that go over all nodes."""

import copy
import pickle

import numpy
import pytest

from thinc_core._model_tree import nodes_of
from thinc_core.backends import NumpyOps
from thinc_core.layers import Dropout, Linear, Relu, chain
from thinc_core.model import Model, change_attr_values, set_dropout_rate, wrap_model_recursive
from thinc_core.shims import Shim


def forward(model, X, is_train):
    return X, lambda dY: dY


def node(name="node", **kwargs):
    return Model(name, forward, **kwargs)


def tree():
    """1 -> (2 -> 3, 4 -> 5)"""
    two, four = node("2", layers=[node("3")]), node("4", layers=[node("5")])
    return node("1", layers=[two, four])


def by_name(model, name):
    return next(each for each in model.walk() if each.name == name)


def test_walk_orders():
    model = tree()
    order = {
        "bfs": ["1", "2", "4", "3", "5"],
        "dfs_pre": ["1", "2", "3", "4", "5"],
        "dfs_post": ["3", "2", "5", "4", "1"],
    }
    for name, expected in order.items():
        assert [each.name for each in model.walk(order=name)] == expected
    assert [each.name for each in model.walk()] == order["bfs"]
    with pytest.raises(ValueError, match="Invalid order"):
        model.walk(order="dfs")


def test_walk_gives_shared_nodes_once_and_survives_cycles():
    shared = node("shared")
    model = node("root", layers=[shared, node("x", layers=[shared])])
    shared.layers.append(model)
    for order in ("bfs", "dfs_pre", "dfs_post"):
        names = [each.name for each in model.walk(order=order)]
        assert sorted(names) == ["root", "shared", "x"]


def test_the_fast_walk_is_the_walk():
    shared = node("shared", layers=[node("leaf")])
    inner = node("inner", layers=[shared, node("other"), shared])
    root = node("root", layers=[inner, shared])
    inner._layers.append(root)  # a cycle
    for model in (root, shared, tree()):
        assert nodes_of(model) == list(model.walk())


def test_deep_trees_do_not_recurse():
    model = node("leaf")
    for _ in range(3000):
        model = node("n", layers=[model])
    assert len(list(model.walk(order="dfs_post"))) == 3001
    assert len(list(model.copy().walk())) == 3001


def test_remove_node():
    model = tree()
    three = by_name(model, "3")
    by_name(model, "4").layers.append(three)
    model.set_ref("gone", three)
    model.set_ref("unset", None)
    model.set_ref("kept", by_name(model, "5"))
    model.remove_node(three)
    assert [each.name for each in model.walk()] == ["1", "2", "4", "5"]
    assert model.maybe_get_ref("gone") is None
    assert model.get_ref("kept").name == "5"


def test_replace_node():
    model = tree()
    three, new = by_name(model, "3"), node("new", layers=[node("under")])
    for each in model.walk():
        each.set_ref("unset", None)
    model.set_ref("it", three)
    assert model.replace_node(three, new) is True
    assert model.get_ref("it") is new
    assert [each.name for each in model.walk(order="dfs_pre")] == ["1", "2", "new", "under", "4", "5"]
    assert model.replace_node(three, new) is False
    assert model.replace_node(model, new) is True


def test_replace_callbacks():
    model = node(init=lambda model, X=None, Y=None: None)
    model.replace_callbacks(lambda model, X, is_train: (X + 1, None))
    assert model.predict(1) == 2
    assert model.init is None
    assert model.initialize() is model


# Copies.


def full_tree():
    leaf = Linear(2, 3).initialize()
    model = node("root", layers=[leaf, node("sibling", layers=[leaf])], attrs={"list": [1], "leaf": leaf})
    model.set_ref("leaf", leaf)
    model.layers[1]._refs["up"] = model
    leaf.inc_grad("W", numpy.ones((2, 3), dtype="f"))
    return model, leaf


@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle"])
def test_copies_are_whole_and_separate(how):
    model, leaf = full_tree()
    if how == "pickle":
        model = node("root", layers=[leaf, Relu(4, 2)])
        model.set_ref("leaf", leaf)
    new = {
        "copy": lambda: model.copy(),
        "deepcopy": lambda: copy.deepcopy(model),
        "pickle": lambda: pickle.loads(pickle.dumps(model)),
    }[how]()
    old_nodes, new_nodes = list(model.walk()), list(new.walk())
    assert [each.name for each in old_nodes] == [each.name for each in new_nodes]
    assert not {each.id for each in old_nodes} & {each.id for each in new_nodes}
    new_leaf = new.layers[0]
    assert new.get_ref("leaf") is new_leaf
    numpy.testing.assert_array_equal(new_leaf.get_param("W"), leaf.get_param("W"))
    numpy.testing.assert_array_equal(new_leaf.get_grad("W"), leaf.get_grad("W"))
    new_leaf.get_param("W")[:] = 5
    new_leaf.get_grad("W")[:] = 5
    new_leaf.set_param("b", numpy.ones(2))
    assert not (leaf.get_param("W") == 5).any()
    assert not (leaf.get_grad("W") == 5).any()
    if how != "pickle":
        assert new.ops is model.ops
        assert new.layers[1].layers[0] is new_leaf
        assert new.layers[1].get_ref("up") is new
        assert new.attrs["leaf"] is new_leaf
        assert new.attrs["list"] == [1]
        assert new.attrs["list"] is not model.attrs["list"]


def test_copy_keeps_ops_and_gives_shims_new_ids():
    class Box(Shim):
        def to_bytes(self):
            return b""

    shim = Box([1])
    ops = NumpyOps()
    model = node(shims=[shim], layers=[node(shims=[shim])], ops=ops)
    new = model.copy()
    assert new.ops is ops
    assert new.shims[0] is new.layers[0].shims[0] is not shim
    assert new.shims[0].id != shim.id
    assert new.shims[0]._model == [1]
    assert new.shims[0]._model is not shim._model
    assert pickle.loads(pickle.dumps(Shim([1]))).id != Shim([1]).id


def test_refs_to_nodes_outside_stay():
    outside = node("outside")
    model = node("root", refs={"out": outside})
    assert model.copy().get_ref("out") is outside


def test_change_attr_values_and_dropout_rate():
    model = chain(Dropout(0.2), Linear(2, 2), Dropout(0.3))
    change_attr_values(model, {"dropout": {"dropout_rate": 0.5, "unknown": 1}, "linear": {"x": 1}})
    assert [each.attrs.get("dropout_rate") for each in model.layers] == [0.5, None, 0.5]
    assert "unknown" not in model.layers[0].attrs
    assert set_dropout_rate(model, 0.1) is model
    assert model.layers[0].attrs["dropout_rate"] == 0.1


def test_wrap_model_recursive_wraps_every_node_once():
    model = tree()
    wrapped = []

    def wrapper(layer):
        wrapped.append(layer.name)
        return node(f"with {layer.name}", layers=[layer])

    result = wrap_model_recursive(model, wrapper)
    assert sorted(wrapped) == ["1", "2", "3", "4", "5"]
    assert result.layers[0] is model
    assert [each.name for each in model.layers] == ["with 2", "with 4"]
