import numpy
import pytest

from thinc_core.backends import get_current_ops, get_num_threads, set_num_threads
from thinc_core.layers import SparseLinear, SparseLinear_v2

KEYS = numpy.asarray([0, 1, 42, 2**64 - 1, 7], dtype="uint64")
VALUES = numpy.asarray([1, 2, -1, 0.5, 3], dtype="f")
LENGTHS = numpy.asarray([2, 0, 3], dtype="i")
BAGS = (KEYS, VALUES, LENGTHS)
BOTH = pytest.mark.parametrize("make", [SparseLinear, SparseLinear_v2])


def build(make, nO, length):
    model = make(nO, length).initialize()
    model.set_param("W", numpy.arange(nO * length, dtype="f") / 4)
    model.set_param("b", 1 - 2 * numpy.arange(nO, dtype="f"))
    return model


@pytest.mark.parametrize(
    "make, length, scores, dW",
    [
        (
            SparseLinear,
            8,
            [[7.75, 7.25], [1, -1], [3, 2.25]],
            [2.5, 3, 15, 33, 16, 3, 3.5, -3, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            SparseLinear_v2,
            7,
            [[4.25, 12.75], [1, -1], [5.625, 12.375]],
            [3.5, 18, -5, -5, 0, 4.5, 15, 5, 24, -6, -6, 0, 7, 18],
        ),
    ],
)
def test_scores_and_gradients_of_existing_models(make, length, scores, dW):
    model = build(make, 2, length)
    Y, backprop = model.begin_update(BAGS)
    assert Y.tolist() == scores
    backprop(numpy.asarray([[1, 2], [3, 4], [5, 6]], dtype="f"))
    assert model.get_grad("W").tolist() == dW
    assert model.get_grad("b").tolist() == [9, 12]


@pytest.mark.parametrize(
    "make, length, slots",
    [
        (SparseLinear_v2, 1000, [{133, 676}, {556, 941}, {100, 806}, {534, 712}]),
        (SparseLinear, 1024, [{125, 764}, {324, 789}, {318, 564}, {198, 232}]),
    ],
)
def test_which_weights_a_key_chooses(make, length, slots):
    for key, expected in zip(KEYS, slots):
        model = make(1, length).initialize()
        Y, backprop = model.begin_update((numpy.asarray([key]), VALUES[:1], numpy.asarray([1])))
        backprop(numpy.ones_like(Y))
        assert set(numpy.flatnonzero(model.get_grad("W"))) == expected


@BOTH
def test_name_dims_and_initial_values(make):
    model = make().initialize(BAGS, numpy.zeros((3, 4), dtype="f"))
    assert model.name == "sparse_linear"
    assert model.dim_names == ("nO", "length")
    assert (model.get_dim("nO"), model.get_dim("length")) == (4, 2**18)
    assert model.attrs == {"v1_indexing": make is SparseLinear}
    assert model.get_param("W").shape == (4 * 2**18,)
    assert not model.predict(BAGS).any()
    with pytest.raises(ValueError, match="'nO'"):
        make().initialize()


@BOTH
@pytest.mark.parametrize("dtype", ["int64", "uint64", "uint8"])
def test_integers_of_any_width(make, dtype):
    """Raw buffers read as another width would give other scores, and no error."""
    model = build(make, 3, 16)
    keys = numpy.asarray([0, 1, 42, 200, 7])
    expected = model.predict((keys.astype("uint64"), VALUES, LENGTHS))
    numpy.testing.assert_array_equal(model.predict((keys.astype(dtype), VALUES, LENGTHS.astype(dtype))), expected)
    numpy.testing.assert_array_equal(model.predict((keys[::-1][::-1], VALUES.astype("d"), LENGTHS)), expected)


@BOTH
def test_lengths_must_cover_the_keys(make):
    model = build(make, 3, 16)
    for lengths in ([2, 4], [2, 2]):
        with pytest.raises(IndexError, match="lengths must sum up to the number of rows"):
            model.predict((KEYS, VALUES, numpy.asarray(lengths)))
    with pytest.raises(ValueError, match="got -1 at position 1"):
        model.predict((KEYS, VALUES, numpy.asarray([3, -1, 3])))
    with pytest.raises(ValueError, match="values must have shape"):
        model.predict((KEYS, VALUES[:2], LENGTHS))
    Y, backprop = model.begin_update(BAGS)
    with pytest.raises(ValueError, match="dY must have the shape of the output"):
        backprop(Y[:2])


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_has_the_structure_of_the_input(make, dtype):
    values = VALUES.astype(dtype)
    Y, backprop = build(make, 3, 16).begin_update((KEYS, values, LENGTHS))
    dkeys, dvalues, lengths = backprop(Y)
    assert (dkeys.shape, dkeys.dtype, dkeys.any()) == (KEYS.shape, KEYS.dtype, False)
    assert (dvalues.shape, dvalues.dtype) == (values.shape, values.dtype)
    assert lengths is LENGTHS


@BOTH
def test_bags_are_independent(make):
    model = build(make, 3, 16)
    together = model.predict(BAGS)
    for row, (start, end) in zip(together, [(0, 2), (2, 2), (2, 5)]):
        bag = (KEYS[start:end], VALUES[start:end], numpy.asarray([end - start]))
        numpy.testing.assert_array_equal(model.predict(bag)[0], row)


def touched(make, nO, length, n_keys):
    """The weights of which random keys change the gradient, by output."""
    keys = numpy.random.RandomState(0).randint(0, 2**63, n_keys).astype("uint64")
    model = make(nO, length).initialize()
    Y, backprop = model.begin_update((keys, numpy.ones(n_keys, dtype="f"), numpy.asarray([n_keys])))
    backprop(numpy.ones_like(Y))
    return model.get_grad("W").reshape(nO, length) != 0


def test_how_many_weights_are_used():
    length, n_keys = 2**18, 100_000
    shares = touched(SparseLinear_v2, 3, length, n_keys).mean(axis=1)
    numpy.testing.assert_allclose(shares, 1 - numpy.exp(-2 * n_keys / length), atol=1e-3)
    first = numpy.flatnonzero(touched(SparseLinear, 3, length, n_keys))
    assert first.max() < length + 2


@BOTH
def test_threads_change_no_bit(make):
    random = numpy.random.RandomState(0)
    keys, values = random.randint(0, 2**63, 30_000).astype("uint64"), random.normal(size=30_000).astype("f")
    bags, before = (keys, values, numpy.full(100, 300)), get_num_threads()
    results = []
    try:
        for n in (1, 2, 3):
            set_num_threads(n)
            model = build(make, 17, 1024)
            Y, backprop = model.begin_update(bags)
            results.append((Y, backprop(Y)[1], model.get_grad("W"), model.get_grad("b")))
    finally:
        set_num_threads(before)
    for other in results[1:]:
        for a, b in zip(results[0], other):
            numpy.testing.assert_array_equal(a, b)


def test_files_say_how_weights_are_indexed():
    saved = build(SparseLinear, 3, 16)
    loaded = SparseLinear_v2(3, 16).from_bytes(saved.to_bytes())
    numpy.testing.assert_array_equal(loaded.predict(BAGS), saved.predict(BAGS))


@BOTH
def test_no_bags(make):
    ops = get_current_ops()
    X = (ops.alloc1i(0, dtype="uint64"), ops.alloc1f(0), ops.alloc1i(0))
    Y, backprop = build(make, 3, 16).begin_update(X)
    assert Y.shape == (0, 3)
    assert [array.shape for array in backprop(Y)] == [(0,)] * 3
