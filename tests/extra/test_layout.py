"""What compiled packages rely on: sizes, the order of fields and of methods."""

import re
import struct
from pathlib import Path
from typing import Any

import pytest

import thinc_core
from thinc_core.backends import linalg
from thinc_core.backends.cblas import CBlas
from thinc_core.extra import search

PACKAGE = Path(thinc_core.__file__).parent
pytestmark = pytest.mark.skipif(struct.calcsize("P") != 8, reason="the sizes are those of 64-bit systems")

SIZES = [
    (CBlas, 32),
    (linalg.Matrix, 40),
    (linalg.Vec, 24),
    (linalg.VecVec, 24),
    (linalg.Mat, 24),
    (search.Beam, 136),
    (search.MaxViolation, 104),
]
BEAM = """Pool mem; class_t nr_class; class_t width; class_t size; public weight_t min_density; int t;
readonly bint is_done; list histories; list _parent_histories; weight_t** scores; int** is_valid; weight_t** costs;
_State* _parents; _State* _states; del_func_t del_func"""
VIOLATION = """Pool mem; weight_t cost; weight_t delta; readonly weight_t p_score; readonly weight_t g_score;
readonly double Z; readonly double gZ; class_t n; readonly list p_hist; readonly list g_hist; readonly list p_probs;
readonly list g_probs"""
STATE = "void* content; class_t* hist; weight_t score; weight_t loss; int i; int t; bint is_done"
METHODS = {
    "Beam": "_fill at initialize advance check_done set_cell set_row set_table",
    "MaxViolation": "check check_crf",
}


def declarations(kind: str) -> str:
    """The part of search.pxd that declares one struct or class."""
    text = (PACKAGE / "extra" / "search.pxd").read_text()
    return re.split(r"\n\n\n", text.split(f"{kind}:\n", 1)[1])[0]


@pytest.mark.parametrize("kind, size", SIZES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_sizes(kind: Any, size: int) -> None:
    assert kind.__basicsize__ - object.__basicsize__ == size - 16  # free-threaded Python has longer heads


@pytest.mark.parametrize(
    "kind, fields",
    [("cdef class Beam", BEAM), ("cdef class MaxViolation", VIOLATION), ("cdef struct _State", STATE)],
)
def test_fields_in_order(kind: str, fields: str) -> None:
    """A C struct follows the declarations."""
    found = re.findall(r"^    (?:cdef )?(\w[\w* ]+)$", declarations(kind), re.MULTILINE)
    assert found == re.split(r";\s", fields)


@pytest.mark.parametrize("kind", METHODS)
def test_methods_in_order(kind: str) -> None:
    """The table of methods follows the declarations."""
    found = re.findall(r"^    cp?def (?:inline )?[\w*]+ (\w+)\(self", declarations(f"cdef class {kind}"), re.MULTILINE)
    assert found == METHODS[kind].split()
