"""Numbers and bytes that models saved or seeded elsewhere depend on."""

import numpy
import pytest

from thinc_core.layers import (
    Dropout,
    Gelu,
    HashEmbed,
    LayerNorm,
    Linear,
    Maxout,
    add,
    chain,
    clone,
    concatenate,
    expand_window,
    reduce_mean,
    residual,
    with_array,
)
from thinc_core.types import Ragged
from thinc_core.util import fix_random_seed

DROPOUT = (
    "84a56e6f6465739184a5696e64657800a46e616d65a764726f706f7574a464696d7380a47265667380a561747472739182ac64726f706f75745f"
    "72617465c409cb3fc999999999999aaa69735f656e61626c6564c401c3a6706172616d739180a57368696d739190"
)
LINEAR = (
    "84a56e6f6465739184a5696e64657800a46e616d65a66c696e656172a464696d7382a26e4f01a26e4902a47265667380a561747472739180"
    "a6706172616d739182a15785c4026e64c3c40474797065a33c6634c4046b696e64c400c4057368617065920102c40464617461c408"
    "0000803f00000040a16285c4026e64c3c40474797065a33c6634c4046b696e64c400c40573686170659101c40464617461c40400004040"
    "a57368696d739190"
)


def floats(values):
    return numpy.asarray(values, dtype="f")


def set_params(model, **params):
    for name, value in params.items():
        model.set_param(name, floats(value))
    return model


def close(actual, expected):
    numpy.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)


def test_bytes():
    assert Dropout(0.2).to_bytes().hex() == DROPOUT
    assert set_params(Linear(1, 2), W=[[1, 2]], b=[3]).to_bytes().hex() == LINEAR
    assert Linear().from_bytes(bytes.fromhex(LINEAR)).get_param("W").tolist() == [[1, 2]]


def test_seeded_weights():
    numpy.random.seed(0)
    linear = Linear(2, 3).initialize().get_param("W")
    close(linear, [[0.106945030, 0.471456289, 0.225143284], [0.098334126, -0.167263955, 0.319637984]])
    numpy.random.seed(0)
    gelu = Gelu(2, 3).initialize().get_param("W")
    close(gelu, [[1.44034266, 0.326727003, 0.799136221], [1.82968163, 1.52485466, -0.797944069]])


@pytest.mark.parametrize(
    "make, draws", [(lambda: Linear(3, 4), 12), (lambda: Maxout(3, 4), 36), (lambda: HashEmbed(4, 10), 40)]
)
def test_number_of_draws(make, draws):
    fix_random_seed(0)
    make().initialize()
    after = numpy.random.uniform()
    fix_random_seed(0)
    numpy.random.uniform(size=draws)
    assert numpy.random.uniform() == after


def test_hashed_rows():
    model = set_params(HashEmbed(1, 10, seed=1), E=[[10.0**row] for row in range(10)])
    rows = [[8, 7, 2, 4], [4, 0, 3, 5], [9, 0, 2, 0], [6, 0, 5, 1]]
    ids = numpy.asarray([0, 1, 42, 2**64 - 1], dtype="uint64")
    close(model.predict(ids)[:, 0], [sum(10.0**row for row in each) for each in rows])


def test_layernorm():
    model = LayerNorm(3).initialize()
    Y, backprop = model.begin_update(floats([[1, 2, 4]]))
    close(Y, [[-1.0690448, -0.2672612, 1.3363062]])
    close(backprop(floats([[1, 0, 0]])), [[0.2290811, -0.3436215, 0.1145405]])


def test_maxout():
    model = set_params(Maxout(1, 2, 2), W=[[[1, 0], [0, 1]]], b=[[0, 0.5]])
    close(model.predict(floats([[1, 0.4], [0.2, 0.9]])), [[1.0], [1.4]])


@pytest.mark.parametrize(
    "name, values",
    [("Mish", [-0.145647, -0.303401, 0.865098, 2.471392]), ("Gelu", [-0.004050, -0.158655, 0.841345, 2.484476])],
)
def test_activations(name, values):
    from thinc_core import layers

    model = set_params(getattr(layers, name)(1, 1), W=[[1]], b=[0])
    numpy.testing.assert_allclose(model.predict(floats([[-3], [-1], [1], [2.5]]))[:, 0], values, atol=1e-6)


def test_windows():
    X = numpy.arange(1, 16, dtype="f").reshape(5, 3)
    Y = expand_window(1).predict(Ragged(X, numpy.asarray([1, 3, 1], dtype="i")))
    expected = [
        [0, 0, 0, 1, 2, 3, 0, 0, 0],
        [0, 0, 0, 4, 5, 6, 7, 8, 9],
        [4, 5, 6, 7, 8, 9, 10, 11, 12],
        [7, 8, 9, 10, 11, 12, 0, 0, 0],
        [0, 0, 0, 13, 14, 15, 0, 0, 0],
    ]
    close(Y.data, expected)
    assert expand_window(1).predict(X)[0].tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6]


def test_names_and_trees():
    """The order of the nodes is the order in saved files."""
    model = Maxout(4, normalize=True, dropout=0.1)
    names = ["maxout>>layernorm>>dropout", "maxout>>layernorm", "dropout", "maxout", "layernorm"]
    assert [node.name for node in model.walk()] == names
    assert Linear(1, 2).walk().__next__().name == "linear"
    assert residual(Linear()).name == "residual(linear)"
    assert with_array(Linear()).name == "with_array(linear)"
    assert concatenate(Linear(), Maxout()).name == "linear|maxout"
    assert add(Linear(), Maxout()).name == "add"
    assert clone(Linear(), 3).name == "linear>>linear>>linear"
    assert HashEmbed(4, 10, column=2).name == "ints-getitem>>hashembed"
    model = chain(with_array(concatenate(HashEmbed(4, 9, column=0), HashEmbed(4, 9, column=1))), reduce_mean())
    assert [node.name for node in model.walk()] == [
        "with_array(ints-getitem>>hashembed|ints-getitem>>hashembed)>>reduce_mean",
        "with_array(ints-getitem>>hashembed|ints-getitem>>hashembed)",
        "reduce_mean",
        "ints-getitem>>hashembed|ints-getitem>>hashembed",
        "ints-getitem>>hashembed",
        "ints-getitem>>hashembed",
        "ints-getitem",
        "hashembed",
        "ints-getitem",
        "hashembed",
    ]


def test_attrs_of_embeddings():
    assert HashEmbed(4, 10, seed=3).attrs == {"column": None, "seed": 3}
    model = HashEmbed(4, 10, seed=3, column=1, dropout=0.2)
    assert model.attrs == {"column": 1}
    assert model.layers[1].attrs == {"column": 1, "seed": 3, "dropout_rate": 0.2}
    model = HashEmbed(4, 10)
    assert model.attrs["seed"] == model.id
    assert model.dim_names == ("nO", "nV", "nI")
