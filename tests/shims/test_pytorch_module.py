"""Models as PyTorch modules: gradients, training by PyTorch, shared memory, copies, state dicts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy
import pytest

from thinc_core.api import (
    LSTM,
    SGD,
    Dropout,
    Embed,
    LayerNorm,
    Linear,
    Maxout,
    Mish,
    Model,
    MultiSoftmax,
    MultiSoftmax_v2,
    Padded,
    PyTorchWrapper,
    Ragged,
    Softmax,
    Softmax_v2,
    as_pytorch_module,
    chain,
    concatenate,
    fix_random_seed,
    list2ragged,
    ragged2list,
    reduce_sum,
    softmax_activation,
    tuplify,
    with_array,
    with_padded,
)

from .modules import floats


def dense() -> Model:
    fix_random_seed(0)
    return chain(Maxout(6, 4, nP=2, normalize=True), Mish(5, 6), Linear(3, 5)).initialize()


def test_gradcheck(torch: Any) -> None:
    """PyTorch's own comparison with differences, for the input and every parameter."""
    module = as_pytorch_module(
        chain(Mish(5, 4), LayerNorm(5), Linear(3, 5), softmax_activation()).initialize()
    ).double()
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *parameters: module(x), (x, *module.parameters()))
    slope = torch.autograd.grad((module(x) ** 2).sum(), x, create_graph=True)[0].sum()
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.backward()


def test_gradcheck_of_sequences(torch: Any) -> None:
    model = chain(list2ragged(), with_padded(LSTM(3, 2, bi=False)), reduce_sum(), Linear(2, 3)).initialize()
    module = as_pytorch_module(model).double()
    assert "nodes.4.HC0" in dict(module.named_parameters()) or len(list(module.parameters())) == 4
    xs = [torch.randn(n, 2, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    assert torch.autograd.gradcheck(lambda *given: module(list(given[:2])), (*xs, *module.parameters()))


def test_the_same_numbers_as_the_model(torch: Any) -> None:
    model, X, dY = dense(), floats(7, 4), floats(7, 3)
    other = model.copy()
    module = as_pytorch_module(model)
    Y, backprop = other.begin_update(X)
    x = torch.from_numpy(X.copy()).requires_grad_()
    y = module(x)
    y.backward(torch.from_numpy(dY))
    numpy.testing.assert_array_equal(y.detach().numpy(), Y)
    numpy.testing.assert_array_equal(x.grad.numpy(), backprop(dY))
    gradients = [node.get_grad(name) for node in other.walk() for name in node.param_names]
    for parameter, gradient in zip(module.parameters(), gradients, strict=True):
        numpy.testing.assert_array_equal(parameter.grad.numpy(), gradient)
    assert not any(node.grad_names for node in model.walk())  # PyTorch has them
    names = [f"nodes.{i}.{name}" for i, node in enumerate(model.walk()) for name in node.param_names]
    assert [name for name, _ in module.named_parameters()] == names


def test_gradients_of_the_model_itself_stay(torch: Any) -> None:
    model, X = dense(), floats(7, 4)
    module = as_pytorch_module(model)
    model.begin_update(X)[1](floats(7, 3))
    kept = [node.get_grad(name).copy() for node in model.walk() for name in node.grad_names]
    module(torch.from_numpy(X)).sum().backward()
    found = [node.get_grad(name) for node in model.walk() for name in node.grad_names]
    for one, other in zip(kept, found, strict=True):
        numpy.testing.assert_array_equal(one, other)


def test_training_in_a_pytorch_job(torch: Any) -> None:
    """Between two layers of PyTorch, by PyTorch's optimizer, with weight sharing through one more call."""
    fix_random_seed(0)
    model = chain(Mish(8, 6), Linear(6, 8)).initialize()
    network = torch.nn.Sequential(torch.nn.Linear(4, 6), as_pytorch_module(model), torch.nn.Linear(6, 2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    W = model.layers[0].get_param("W")
    old, address = W.copy(), W.ctypes.data
    x = torch.from_numpy(floats(64, 4))
    goal = (x[:, 0] > x[:, 1]).long()
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), goal)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    assert model.layers[0].get_param("W") is W
    assert W.ctypes.data == address == network[1].nodes["1"].W.data_ptr()
    assert (W != old).any()
    network.eval()
    hidden = network[0](x).detach()
    numpy.testing.assert_array_equal(model.predict(hidden.numpy()), network[1](hidden).detach().numpy())


def test_train_and_eval_choose_is_train(torch: Any) -> None:
    module = as_pytorch_module(Dropout(0.5))
    x = torch.ones(30, 30)
    assert (module(x) == 0).any()
    module.eval()
    assert torch.equal(module(x), x)
    with torch.no_grad():
        assert not module.train()(x).requires_grad


def test_inputs_and_outputs_of_every_kind(torch: Any) -> None:
    data, lengths = torch.from_numpy(floats(5, 4)).requires_grad_(), numpy.array([2, 0, 3], "i")
    ragged = as_pytorch_module(with_array(Linear(3, 4).initialize()))
    Y = ragged(Ragged(data, lengths))
    assert isinstance(Y, Ragged)
    Y.data.sum().backward()
    assert data.grad.shape == (5, 4)
    padded = Padded(torch.ones(3, 2, 4), *(numpy.array(each, "i") for each in ([2, 2, 1], [3, 2], [0, 1])))
    found = as_pytorch_module(with_padded(LSTM(3, 4).initialize()))(padded)
    assert isinstance(found, Padded)
    assert found.data.requires_grad
    pair = as_pytorch_module(tuplify(Linear(3, 4), Linear(2, 4)).initialize())(torch.ones(2, 4))
    assert [tuple(each.shape) for each in pair] == [(2, 3), (2, 2)]
    pair[1].sum().backward()  # the other one has no gradient
    ids = as_pytorch_module(Embed(3, 10).initialize())
    ids(torch.tensor([1, 2, 1], dtype=torch.int32)).sum().backward()
    assert [row.tolist() for row in next(ids.parameters()).grad[:3]] == [[0] * 3, [2] * 3, [1] * 3]
    listed = as_pytorch_module(chain(list2ragged(), ragged2list()))
    assert [each.shape for each in listed([torch.ones(2, 3), torch.ones(1, 3)])] == [(2, 3), (1, 3)]


def test_a_wrapped_module_inside(torch: Any) -> None:
    """PyTorch in a model of ours in PyTorch: its parameters are trained too."""
    inside = torch.nn.Linear(4, 3)
    module = as_pytorch_module(chain(PyTorchWrapper(inside), Linear(2, 3)).initialize())
    assert any(parameter is inside.weight for parameter in module.parameters())
    x = torch.from_numpy(floats(5, 4)).requires_grad_()
    module(x).sum().backward()
    W = module.nodes["2"].W
    assert torch.allclose(x.grad, (W.sum(0) @ inside.weight).expand(5, 4).detach(), atol=1e-6)
    assert torch.allclose(inside.bias.grad, 5 * W.sum(0).detach(), atol=1e-5)


def test_each_side_may_replace_its_parameters(torch: Any) -> None:
    model, x = dense(), torch.from_numpy(floats(3, 4))
    module = as_pytorch_module(model)
    other = dense()
    for node in other.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name) + 0.25)
    model.from_bytes(other.to_bytes())
    numpy.testing.assert_array_equal(module(x).detach().numpy(), other.predict(x.numpy()))
    assert module.nodes["4"].W.data_ptr() == list(model.walk())[4].get_param("W").ctypes.data
    module.load_state_dict(as_pytorch_module(dense()).state_dict())
    numpy.testing.assert_array_equal(model.predict(x.numpy()), dense().predict(x.numpy()))
    module.load_state_dict(as_pytorch_module(other).state_dict(), assign=True)
    module(x)
    numpy.testing.assert_array_equal(model.predict(x.numpy()), other.predict(x.numpy()))
    module.double()
    assert {node.get_param(name).dtype.name for node in model.walk() for name in node.param_names} == {"float64"}
    model.begin_update(x.double().numpy())[1](numpy.ones((3, 3)))
    model.finish_update(SGD(0.1))
    numpy.testing.assert_array_equal(module(x.double()).detach().numpy(), model.predict(x.double().numpy()))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies(torch: Any, duplicate: Any) -> None:
    module, x = as_pytorch_module(dense()), torch.from_numpy(floats(3, 4))
    y = module(x)
    other = duplicate(module)
    assert torch.equal(other(x), y)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 1
    assert not torch.equal(other(x), y)
    assert torch.equal(module(x), y)
    numpy.testing.assert_array_equal(other.model.predict(x.numpy()), other(x).detach().numpy())


def test_writing_into_what_is_kept_is_noticed(torch: Any) -> None:
    module = as_pytorch_module(dense())
    for write in (lambda x, y: y.add_(1), lambda x, y: x.add_(1)):
        x = torch.from_numpy(floats(3, 4)) * 1
        y = module(x)
        z = y.sum()
        with torch.no_grad():
            write(x, y)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            z.backward()


def test_what_cannot_be_a_module(torch: Any) -> None:
    with pytest.raises(ValueError, match=r"every parameter must be set; got none for 'W' of .*linear"):
        as_pytorch_module(chain(Mish(2, 2), Linear(2, 2)))
    with pytest.raises(ValueError, match=r"got the softmax layer 'mish>>softmax'.layers\[1\] .*use Linear and"):
        as_pytorch_module(chain(Mish(2, 2), Softmax(2, 2)).initialize())
    for make in (MultiSoftmax, MultiSoftmax_v2, Softmax_v2):
        with pytest.raises(ValueError, match="softmax layer"):
            as_pytorch_module(make(4 if make is Softmax_v2 else (2, 2), 3).initialize())
    repr(as_pytorch_module(concatenate(Linear(2, 2), Linear(1, 2)).initialize()))
