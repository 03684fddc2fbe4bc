"""Types: array annotations and their hooks, and the containers of sequences and arguments."""

import pickle

import numpy
import pytest

from thinc_core import types
from thinc_core.backends import NumpyOps
from thinc_core.typecheck import Mismatch, match
from thinc_core.types import (
    ArgsKwargs,
    ArrayXd,
    Floats1d,
    Floats2d,
    FloatsXd,
    Generator,
    Ints1d,
    Padded,
    Pairs,
    Ragged,
    SizedGenerator,
    Unserializable,
    validate_array,
)

RANKED = [(kind, rank) for kind in ("Floats", "Ints") for rank in (1, 2, 3, 4)]


def rows(*lengths, width=2):
    data = numpy.arange(sum(lengths) * width, dtype="f").reshape(-1, width)
    return Ragged(data, numpy.array(lengths, dtype="i"))


def contents(ragged):
    ends = numpy.cumsum(ragged.lengths)
    return [part.tolist() for part in numpy.split(ragged.dataXd, ends)[:-1]]


# Array types.


def test_names_that_dependants_import():
    names = """
        Any Array1d Array1dT Array2d Array3d Array4d ArrayT ArrayXd ArgsKwargs Batchable Callable Container DTypes
        DTypesFloat DTypesInt Decorator DeviceTypes Dict Fal Floats1d Floats2d Floats3d Floats4d FloatsXd FloatsXdT
        FourAx Generator Generic Ints1d Ints2d Ints3d Ints4d IntsXd Iterable Iterator List List1d List2d List3d List4d
        ListXd Literal OneAx Optional Padded Pairs Protocol Ragged SelfT Sequence Shape Sized SizedGenerator Slicish
        ThreeAx Tru Tuple TwoAx TypeVar Union Unserializable XY_XY_OutT XY_YZ_OutT Xp _1_AllAx _1_AllKeys _1_Key1d
        _1_KeyScalar _1F_ReduceResults _4_AllKeys _4I_ReduceResults _Array _Array1d _Array4d _DIn _F1_AllReturns
        _Floats _I4_AllReturns _Ints _P abstractmethod cast cupy dataclass get_array_module has_cupy numpy overload
        sys validate_array
    """
    assert [name for name in names.split() if not hasattr(types, name)] == []


@pytest.mark.parametrize("kind,rank", RANKED)
def test_array_types_check_rank_and_dtype(kind, rank):
    annotation = getattr(types, f"{kind}{rank}d")
    good, other = ("float32", "int32") if kind == "Floats" else ("int64", "float32")
    array = numpy.zeros((1,) * rank, dtype=good)
    schema = annotation.__get_pydantic_core_schema__(annotation, None)
    (old_hook,) = annotation.__get_validators__()
    for validate in (schema["function"]["function"], old_hook):
        assert validate(array) is array
        with pytest.raises(ValueError, match=f"axes must be {rank}; got {rank + 1}"):
            validate(array[None])
        with pytest.raises(ValueError, match=f"dtype must be .*; got {other}"):
            validate(array.astype(other))
        with pytest.raises(ValueError, match="got list"):
            validate([1.0])
    assert schema["type"] == "function-plain"
    assert not isinstance(array, annotation)
    with pytest.raises(TypeError):
        annotation()


def test_validate_array_reports_everything_at_once():
    with pytest.raises(ValueError, match=r"axes must be 2; got 1 \(shape \(3,\)\); dtype must be float32; got float64"):
        validate_array(numpy.zeros(3), ndim=2, dtype="f")
    with pytest.raises(TypeError):
        validate_array(3)
    for dtype in ("float16", "float64", "int16", "bool"):
        for key in ("f", "i", "x"):
            with pytest.raises(ValueError, match="dtype"):
                validate_array(numpy.zeros(2, dtype=dtype), dtype=key)


def test_unions_of_array_types_are_checked():
    assert match(numpy.zeros(3, dtype="f"), FloatsXd) is not None
    with pytest.raises(Mismatch):
        match(numpy.zeros(3, dtype="i"), FloatsXd)
    with pytest.raises(Mismatch):
        match("x", ArrayXd)


def test_generator_annotation():
    endless = iter(lambda: 1, 2)
    assert Generator.validate(endless) is endless
    with pytest.raises(TypeError, match="got int"):
        Generator.validate(3)
    with pytest.raises(TypeError, match="must be an iterator or an iterable; got str"):
        Generator.validate("abc")
    assert Generator.__get_pydantic_core_schema__(Generator, None)["function"]["function"]([1]) == [1]


def test_pydantic_fields():
    pydantic = pytest.importorskip("pydantic", reason="pydantic is optional")

    class Schema(pydantic.BaseModel):
        X: Floats2d
        I: Ints1d  # noqa: E741
        G: Generator

    array = numpy.zeros((2, 2), dtype="f")
    assert Schema(X=array, I=array.astype("i")[0], G=[1]).X is array
    with pytest.raises(pydantic.ValidationError):
        Schema(X=array[0], I=array.astype("i")[0], G=[1])


# Ragged.


def test_ragged_keeps_rows_and_widths():
    assert Ragged(numpy.zeros(3, dtype="f"), numpy.array([3])).data.shape == (3, 1)
    assert Ragged(numpy.zeros((0, 5), dtype="f"), numpy.zeros(0, dtype="i")).data.shape == (0, 5)
    assert Ragged(numpy.zeros((3, 0), dtype="f"), numpy.array([3])).data.shape == (3, 0)
    deep = numpy.arange(24, dtype="f").reshape(4, 2, 3)
    ragged = Ragged(deep, numpy.array([1, 3]))
    assert ragged.data.shape == (4, 6)
    assert ragged.data_shape == (-1, 2, 3)
    numpy.testing.assert_array_equal(ragged.dataXd, deep)
    empty = Ragged(deep[:0], numpy.zeros(2, dtype="i"))
    assert empty.data.shape == (0, 6)
    assert empty.dataXd.shape == (0, 2, 3)


KEYS = [
    0,
    3,
    -1,
    numpy.int64(2),
    slice(None),
    slice(None, 2),
    slice(1, None),
    slice(1, 3),
    slice(-2, None),
    slice(None, None, 2),
    slice(None, None, -1),
    slice(3, 1),
    slice(7, 9),
    [2, 0, 2],
    [],
    [-1],
    numpy.array([3, 1]),
    numpy.array([3, 1], dtype="uint64"),
    [True, False, False, True],
    numpy.array([False, True, True, False]),
    numpy.zeros(4, dtype=bool),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize("lengths", [(2, 0, 1, 3), (0, 0, 0, 0)])
def test_ragged_indexing_agrees_with_lists(lengths, key):
    ragged = rows(*lengths)
    parts = contents(ragged)
    picked = ragged[key]
    one = isinstance(key, (int, numpy.integer))
    expected = [parts[key]] if one else numpy.array(parts, dtype=object)[key].tolist() if parts else []
    assert picked.lengths.tolist() == [len(part) for part in expected]
    assert contents(picked) == expected
    assert picked.data.shape[1] == 2
    assert len(picked) == len(expected)


def test_ragged_gathers_all_sequences_at_once(monkeypatch):
    """Without an object for each of them."""
    ragged, made = Ragged(numpy.arange(400.0).reshape(400, 1), numpy.ones(400, dtype="i")), []
    init = Ragged.__init__
    monkeypatch.setattr(Ragged, "__init__", lambda self, *args: made.append(self) or init(self, *args))
    assert ragged[numpy.arange(399, -1, -1)].data[0, 0] == 399
    assert len(made) == 1


def test_ragged_indexing_keeps_the_number_of_axes():
    ragged = Ragged(numpy.zeros((4, 2, 3), dtype="f"), numpy.array([1, 3]))
    for key in (0, slice(1), [1], -1):
        assert ragged[key].dataXd.shape[1:] == (2, 3)


def test_ragged_bad_indices():
    ragged = rows(1, 2)
    for key in (2, -3, (0, 1), [5], [True], 9, [[0]], [0.5]):
        with pytest.raises(IndexError):
            ragged[key]


def test_ragged_iterates_and_follows_new_lengths():
    ragged = rows(2, 1)
    assert [contents(each) for each in ragged] == [[[[0, 1], [2, 3]]], [[[4, 5]]]]
    assert ragged._get_starts_ends().tolist() == [0, 2, 3]
    assert ragged._get_starts().tolist() == [0, 2]
    assert ragged._get_ends().tolist() == [2, 3]
    ragged.lengths = numpy.array([1, 2], dtype="i")
    assert ragged._get_starts_ends().tolist() == [0, 1, 3]
    assert ragged._get_starts_ends().dtype == "int32"


def test_ragged_survives_pickle():
    again = pickle.loads(pickle.dumps(rows(2, 1)))
    assert contents(again) == contents(rows(2, 1))


# Padded.


def padded():
    """Lengths 3, 2, 2, 1; they came in the order 2, 0, 3, 1."""
    data = numpy.arange(24, dtype="f").reshape(3, 4, 2)
    lengths, indices = numpy.array([3, 2, 2, 1], dtype="i"), numpy.array([2, 0, 3, 1], dtype="i")
    return Padded(data, numpy.array([4, 3, 1], dtype="i"), lengths, indices)


@pytest.mark.parametrize(
    "key,columns",
    [
        (0, [0]),
        (-1, [3]),
        (numpy.int32(2), [2]),
        (slice(1, 3), [1, 2]),
        (slice(None), [0, 1, 2, 3]),
        (slice(None, None, -1), [0, 2, 1, 3]),
        ([3, 0], [0, 3]),
        ([2, 1], [2, 1]),
        (numpy.array([1, 3, 0]), [0, 1, 3]),
        ([False, True, False, True], [1, 3]),
        ([], []),
    ],
)
def test_padded_indexing_picks_columns(key, columns):
    whole = padded()
    part = whole[key]
    assert part.lengths.tolist() == [int(whole.lengths[c]) for c in columns]
    assert part.indices.tolist() == [int(whole.indices[c]) for c in columns]
    numpy.testing.assert_array_equal(part.data, whole.data[:, columns])
    assert part.size_at_t.tolist() == [sum(length > t for length in part.lengths) for t in range(3)]
    assert part.size_at_t.dtype == "int32"
    assert len(part) == len(columns)


def test_padded_ends():
    whole = padded()
    assert [len(each) for each in whole] == [1, 1, 1, 1]
    for key in (4, -5, (0, 1), [7]):
        with pytest.raises(IndexError):
            whole[key]


def test_padded_copy_has_arrays_of_its_own():
    whole = padded()
    copied = whole.copy()
    copied.data[:] = 0
    copied.lengths[:] = 0
    assert whole.data.any()
    assert whole.lengths.all()


# The others.


def test_pairs():
    pairs = Pairs([1, 2, 3], [4, 5, 6])
    assert pairs[1] == Pairs(2, 5)
    assert pairs[:2] == Pairs([1, 2], [4, 5])
    assert pairs[numpy.array([2, 0])] == Pairs([3, 1], [6, 4])
    assert pairs[[2, 0]] == Pairs([3, 1], [6, 4])
    assert len(pairs) == 3


def test_args_kwargs():
    ak = ArgsKwargs(args=(1, 2), kwargs={"a": 3})
    assert list(ak.keys()) == [0, 1, "a"]
    assert list(ak.values()) == [1, 2, 3]
    assert ArgsKwargs.from_items(list(ak.items())) == ak
    items = [(7, "x"), (numpy.int64(0), "y"), (True, "z"), ("b", "w")]
    assert ArgsKwargs.from_items(items) == ArgsKwargs(("x", "z"), {numpy.int64(0): "y", "b": "w"})


def test_sized_generator_starts_afresh():
    sized = SizedGenerator(lambda: iter([1, 2]), 2)
    assert (list(sized), list(sized), len(sized)) == ([1, 2], [1, 2], 2)


def test_unserializable():
    assert Unserializable(3).obj == 3


def test_float_and_int_types_tell_themselves_apart():
    with pytest.raises(Mismatch, match=r"dtype must be float32; got int32"):
        match(numpy.zeros(2, dtype="i"), Floats1d)


def test_more_sequences_than_a_byte_counts():
    """Positions are as wide as they need to be."""
    ragged = Ragged(numpy.arange(400.0).reshape(400, 1), numpy.ones(400, dtype="int32"))
    assert ragged[[300, 2, -1]].data.ravel().tolist() == [300, 2, 399]
    padded = NumpyOps().list2padded([numpy.full((1, 1), i, dtype="float32") for i in range(400)])
    assert padded[[300, 2]].indices.tolist() == [99, 397]


def test_columns_of_one_length_stay_in_the_order_asked_for():
    padded = NumpyOps().list2padded([numpy.zeros((1 + i % 3, 1), dtype="float32") for i in range(999)])
    picked = numpy.random.default_rng(0).permutation(999)
    chosen = padded[picked]
    for length in (1, 2, 3):
        asked_for = padded.indices[picked][padded.lengths[picked] == length]
        assert (chosen.indices[chosen.lengths == length] == asked_for).all()
