"""typecheck: values against annotations, one row per kind of annotation."""

import enum
import pathlib
import re
import typing
from dataclasses import dataclass
from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    List,
    Literal,
    NewType,
    Optional,
    Protocol,
    Tuple,
    Type,
    TypedDict,
    Union,
)

import numpy
import pytest

from thinc_core.model import Model
from thinc_core.typecheck import Mismatch, hints_of, match
from thinc_core.types import Floats1d, Floats2d, FloatsXdT, Generator

AnyT = typing.TypeVar("AnyT")
IntT = typing.TypeVar("IntT", bound=int)
UserId = NewType("UserId", int)


class Level(enum.Enum):
    low = 1


class HasName(Protocol):
    name: str


class Options(TypedDict):
    size: int


@dataclass
class Point:
    x: int


class Box(Generic[AnyT]):
    pass


F1, F2 = numpy.zeros(2, dtype="f"), numpy.zeros((2, 2), dtype="f")
FITS = [
    (Any, object()),
    (AnyT, 3),
    (IntT, 3),
    (UserId, 3),
    (int, 3),
    (int, numpy.int32(3)),
    (float, numpy.float32(3)),
    (float, 1.5),
    (bool, numpy.bool_(True)),
    (str, "x"),
    (None, None),
    (Optional[int], None),
    (Union[int, str], "x"),
    (Literal["a", 1], 1),
    (List[int], [1, 2]),
    (List, ["x"]),
    (list, [1]),
    (Tuple[int, ...], (1, 2, 3)),
    (Tuple[()], ()),
    (Dict[str, List[int]], {"a": [1]}),
    (typing.Sequence[int], iter("ab")),
    (typing.Iterable[int], (i for i in "ab")),
    (Generator, [1]),
    (Callable, len),
    (Callable[[int], int], len),
    (Type[int], int),
    (type, int),
    (Box[int], Box()),
    (Model[Floats2d, Floats2d], Model("x", len)),
    (Point, Point(1)),
    (HasName, 3),
    (Options, {"size": 1}),
    ("NotDefined", 3),
    (List["NotDefined"], [3]),  # noqa: F821
    (Floats2d, F2),
    (FloatsXdT, F1),
    (Union[List[Floats2d], Floats2d], [F2]),
    (typing.Annotated[int, "words"], 3),
    (typing.NoReturn, 3),
    (pathlib.Path, pathlib.Path("x")),
]
FAILS = [
    (int, 3.0, (), "must be a whole number; got 3.0 (float)"),
    (int, True, (), "must be a whole number; got True (bool)"),
    (float, "abc", (), "must be a number; got 'abc' (str)"),
    (IntT, "x", (), "must be a whole number; got 'x' (str)"),
    (UserId, "x", (), "must be a whole number; got 'x' (str)"),
    (None, 1, (), "must be None; got 1 (int)"),
    (str, 1, (), "must be str; got 1 (int)"),
    (Union[int, str, None], [], (), "must be int or str or None; got [] (list)"),
    (Literal[1], True, (), "must be 1; got True (bool)"),
    (List[List[int]], [[1], [2, "x"]], (1, 1), "must be a whole number; got 'x' (str)"),
    (List[int], 3, (), "must be list; got 3 (int)"),
    (Tuple[int, str], (1,), (), "must be 2 items; got (1,) (tuple)"),
    (Dict[str, int], {"a": "b"}, ("a",), "must be a whole number; got 'b' (str)"),
    (Callable, 3, (), "must be callable; got 3 (int)"),
    (Type[int], 3, (), "must be a class; got 3 (int)"),
    (Box[int], 3, (), "must be Box; got 3 (int)"),
    (Point, 3, (), "must be Point; got 3 (int)"),
    (Level, 2, (), "must be 1; got 2 (int)"),
    (pathlib.Path, 2, (), "must be Path; got 2 (int)"),
    (Optional[Floats1d], F2, (), "validate_array: number of axes must be 1; got 2 (shape (2, 2))"),
    (List[int], numpy.zeros((3, 4)), (), "must be list; got an array of shape (3, 4) and dtype float64"),
]


def name_of(each):
    """The value as text, without addresses: two test processes must give a row one name."""
    return re.sub(r" at 0x\w+", "", str(each))[:40]


@pytest.mark.parametrize("annotation,value", FITS, ids=name_of)
def test_fits(annotation, value):
    assert match(value, annotation) is value
    match(value, annotation, convert=True)


@pytest.mark.parametrize("annotation,value,loc,message", FAILS, ids=name_of)
def test_fails(annotation, value, loc, message):
    for convert in (False, True):
        with pytest.raises(Mismatch) as caught:
            match(value, annotation, convert=convert)
        assert (str(caught.value), caught.value.loc) == (message, loc)


def test_conversion_prefers_what_fits_already():
    assert match("3", Union[int, str], convert=True) == "3"
    assert match(3, Union[float, int], convert=True) == 3
    assert type(match(3, Union[float, int], convert=True)) is int
    assert match("3", Union[int, List[int]], convert=True) == 3
    assert match(1, Level, convert=True) is Level.low
    items = [1.0, 2.0]
    assert match(items, List[float], convert=True) is items
    assert match("3", int) == "3"


def test_constraints_of_pydantic():
    pydantic = pytest.importorskip("pydantic", reason="pydantic is optional")
    Positive = typing.Annotated[int, pydantic.Field(gt=0)]
    assert match(3, Positive) == 3
    assert match("3", Positive, convert=True) == 3
    with pytest.raises(Mismatch, match="greater than 0"):
        match(-1, Positive)

    class Section(pydantic.BaseModel):
        size: int

    assert match({"size": "3"}, Section, convert=True).size == 3
    with pytest.raises(Mismatch, match="size"):
        match({}, Section)


def test_hints_that_cannot_be_resolved_are_left_out():
    def function(a: "NotDefined", b: int, c: "int"):  # noqa: F821
        pass

    assert hints_of(function) == {"b": int}
