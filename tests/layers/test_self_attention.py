"""SelfAttention and TransformerBlock: against PyTorch, positions, masks, dropout."""

import numpy
import pytest

from thinc_core.backends import NumpyOps
from thinc_core.layers import SelfAttention, TransformerBlock, with_padded, with_ragged
from thinc_core.model import set_dropout_rate
from thinc_core.types import Ragged
from thinc_core.util import fix_random_seed

LENGTHS = numpy.asarray([5, 0, 1, 130, 64], "i")  # some that are more than one block of queries


def batch(width=8, lengths=LENGTHS, dtype="f"):
    return Ragged(numpy.random.RandomState(0).normal(size=(lengths.sum(), width)).astype(dtype), lengths)


def attention(**settings):
    fix_random_seed(0)
    return SelfAttention(8, 8, nH=2, **settings).initialize()


@pytest.mark.parametrize("settings", [{}, {"causal": True}, {"rotary": True}], ids=str)
def test_a_sequence_does_not_depend_on_the_batch(settings):
    model = with_ragged(attention(**settings))
    Xs = [batch().data[start : start + n] for start, n in zip(LENGTHS.cumsum() - LENGTHS, LENGTHS)]
    for X, Y in zip(Xs, model.predict(Xs)):
        numpy.testing.assert_allclose(model.predict([X])[0], Y, rtol=1e-5, atol=1e-6)


def test_padded_and_ragged_agree():
    model, Xs = attention(causal=True), [batch().data[:4], batch().data[4:5], batch().data[5:12]]
    for Y, Z in zip(with_ragged(model).predict(Xs), with_padded(model).predict(Xs)):
        numpy.testing.assert_allclose(Y, Z, rtol=1e-6, atol=1e-6)


def test_causal_rows_do_not_see_what_comes():
    model, X = attention(causal=True, rotary=True), batch(lengths=numpy.asarray([100], "i"))
    before = model.predict(X).data
    X.data[70:] += 1
    after = model.predict(X).data
    numpy.testing.assert_allclose(before[:70], after[:70], rtol=1e-5, atol=1e-6)
    assert (before[70:] != after[70:]).all()


def test_without_positions_the_order_does_not_matter():
    lengths = numpy.asarray([9], "i")
    X = batch(lengths=lengths)
    backwards = Ragged(X.data[::-1].copy(), lengths)
    for settings, same in (({}, True), ({"rotary": True}, False)):
        model = attention(**settings)
        Y, Z = model.predict(X).data, model.predict(backwards).data[::-1]
        assert numpy.allclose(Y, Z, rtol=1e-4, atol=1e-5) == same


def test_rotary_turns_pairs_half_a_head_apart():
    """Column j + D / 2 is the imaginary part of column j, which turns by t * base ** (-2 j / D)."""
    X = numpy.random.RandomState(0).normal(size=(7, 8))
    lengths = numpy.asarray([4, 3], "i")
    Y = NumpyOps().rotary(X, lengths, 1, 6, base=100.0)
    steps = numpy.asarray([0, 1, 2, 3, 0, 1, 2])[:, None]
    turned = (X[:, :3] + 1j * X[:, 3:6]) * numpy.exp(1j * steps * 100.0 ** (-numpy.arange(3) / 3))
    numpy.testing.assert_allclose(Y, numpy.hstack([turned.real, turned.imag, X[:, 6:]]))


def test_rotary_positions_are_relative():
    """Scores depend on distances alone: rows ahead of all others move these and change nothing between them."""
    ops, random = NumpyOps(), numpy.random.RandomState(0)
    QK = random.normal(size=(3, 8)).astype("f")
    scores = []
    for ahead in (0, 5):
        rows = numpy.concatenate([numpy.zeros((ahead, 8), "f"), QK])
        turned = ops.rotary(rows, numpy.asarray([len(rows)], "i"), 2, 4)[ahead:]
        scores.append(turned[:, :4] @ turned[:, 4:].T)
    numpy.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-5)


def test_dropout_of_weights():
    model, X = attention(dropout=0.5), batch()
    plain = model.predict(X).data
    fix_random_seed(1)
    Y, backprop = model.begin_update(X)
    assert not numpy.allclose(Y.data, plain)
    assert (model.predict(X).data == plain).all()
    set_dropout_rate(model, 0.0)
    assert (model.begin_update(X)[0].data == plain).all()
    with pytest.raises(ValueError, match=r"backprop_affine: dY must have shape"):
        backprop(Ragged(Y.data[:-1], LENGTHS[:-1]))


def test_dropout_gradient():
    """The mask of a training pass is drawn from NumPy's generator: the same seed, the same function."""
    model, X, h = attention(dropout=0.4, causal=True), batch(dtype="float64", lengths=numpy.asarray([6, 70], "i")), 1e-6
    for name in model.param_names:
        model.set_param(name, model.get_param(name).astype("float64"))
    random = numpy.random.RandomState(3)
    dY, direction = random.normal(size=X.data.shape), random.normal(size=X.data.shape)

    def run(data):
        fix_random_seed(5)
        Y, backprop = model.begin_update(Ragged(data, X.lengths))
        return Y.data, backprop

    rise = ((run(X.data + h * direction)[0] - run(X.data - h * direction)[0]) * dY).sum() / (2 * h)
    dX = run(X.data)[1](Ragged(dY, X.lengths)).data
    assert (dX * direction).sum() == pytest.approx(rise, rel=1e-5)


def copied(model, **params):
    for name, value in params.items():
        model.set_param(name, value.detach().numpy().copy())


def peer_block(torch, width, nH, nF):
    settings = {"activation": "gelu", "batch_first": True, "norm_first": True, "layer_norm_eps": 1e-8}
    peer = torch.nn.TransformerEncoderLayer(width, nH, nF, dropout=0.0, **settings)
    for param in peer.parameters():
        torch.nn.init.normal_(param, std=0.3)
    model = TransformerBlock(width, nH=nH, nF=nF).initialize()
    attention, dense = ({node.name: node for node in half.walk()} for half in model.layers[0].layers)
    copied(attention["layernorm"], G=peer.norm1.weight, b=peer.norm1.bias)
    copied(dense["layernorm"], G=peer.norm2.weight, b=peer.norm2.bias)
    inner = peer.self_attn
    weights = {"W_in": inner.in_proj_weight, "b_in": inner.in_proj_bias, "W": inner.out_proj.weight}
    copied(attention["self_attention"], **weights, b=inner.out_proj.bias)
    copied(dense["gelu"], W=peer.linear1.weight, b=peer.linear1.bias)
    copied(dense["linear"], W=peer.linear2.weight, b=peer.linear2.bias)
    return model, peer, attention["self_attention"]


@pytest.mark.parametrize("causal", [False, True])
def test_block_as_pytorch(torch, causal):
    torch.manual_seed(0)
    model, peer, attention = peer_block(torch, 16, 4, 24)
    attention.attrs["causal"] = causal
    lengths = [7, 1, 90]
    X = batch(16, numpy.asarray(lengths, "i"))
    x = torch.zeros(3, 90, 16)
    live = torch.arange(90) < torch.tensor(lengths)[:, None]
    x[live] = torch.from_numpy(X.data)
    x.requires_grad_()
    mask = torch.nn.Transformer.generate_square_subsequent_mask(90).isinf() if causal else None
    y = peer(x, src_mask=mask, src_key_padding_mask=~live)
    Y, backprop = model.begin_update(X)
    numpy.testing.assert_allclose(Y.data, y[live].detach().numpy(), rtol=2e-5, atol=5e-5)
    dY = numpy.random.RandomState(1).normal(size=Y.data.shape).astype("f")
    dX = backprop(Ragged(dY, X.lengths))
    dy = torch.zeros_like(y)
    dy[live] = torch.from_numpy(dY)
    y.backward(dy)
    numpy.testing.assert_allclose(dX.data, x.grad[live].numpy(), rtol=1e-4, atol=2e-4)
    for name, grad in (("W_in", peer.self_attn.in_proj_weight), ("W", peer.self_attn.out_proj.weight)):
        numpy.testing.assert_allclose(attention.get_grad(name), grad.grad.numpy(), rtol=1e-3, atol=1e-3)


def test_wrong_settings():
    with pytest.raises(ValueError, match="self_attention: each head must have the same number of columns; got nO=8"):
        SelfAttention(8, 8, nH=3).initialize()
    with pytest.raises(ValueError, match="self_attention: each head must have an even number of columns"):
        SelfAttention(6, 6, nH=2, rotary=True).initialize()
    with pytest.raises(TypeError, match="self_attention: X must be a Ragged or a Padded; got ndarray"):
        attention().predict(batch().data)
    with pytest.raises(ValueError, match="transformer_block: norm must be one of LayerNorm, RMSNorm; got 'norm'"):
        TransformerBlock(8, norm="norm")
    with pytest.raises(ValueError, match="transformer_block: activation must be one of Gelu, SwiGLU; got 'Relu'"):
        TransformerBlock(8, activation="Relu")


@pytest.mark.parametrize("nF, width", [(None, 32), (12, 12)])
@pytest.mark.parametrize("activation, name", [("Gelu", "gelu"), ("SwiGLU", "swiglu")])
def test_width_between_the_dense_layers(nF, width, activation, name):
    model = TransformerBlock(8, nH=2, nF=nF, activation=activation).initialize()
    assert [node.get_dim("nO") for node in model.walk() if node.name == name] == [width]


def test_block_has_dropout_where_it_is_asked_for():
    model = TransformerBlock(8, nH=2, dropout=0.5).initialize()
    assert len([node for node in model.walk() if node.name == "dropout"]) == 2
    Y, _ = model.begin_update(batch())
    assert not numpy.allclose(Y.data, model.predict(batch()).data)
