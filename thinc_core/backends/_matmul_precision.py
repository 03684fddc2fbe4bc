"""What matrix products of float32 arrays are computed with on a GPU: float32, or less for the sake of speed."""

from __future__ import annotations

import contextlib
import os
from contextvars import ContextVar
from typing import Iterator, Optional

PRECISIONS = ("float32", "tf32", "bfloat16", "float16")
VARIABLE = "THINC_CORE_MATMUL_PRECISION"


def _checked(what: str, name: str) -> str:
    if name not in PRECISIONS:
        raise ValueError(f"{what} must be one of {', '.join(PRECISIONS)}; got {name!r}")
    return name


_process = _checked(f"{VARIABLE}: it", os.environ.get(VARIABLE) or PRECISIONS[0])
_context: ContextVar[Optional[str]] = ContextVar("matmul_precision", default=None)


def get_matmul_precision() -> str:
    """The precision of this context, or else that of the process, which is "float32" at first."""
    return _context.get() or _process


def set_matmul_precision(name: str) -> None:
    """What products of float32 matrices may be computed with from now on, in all threads of the process.

    name: "float32"; "tf32" (10 bits of mantissa), "bfloat16" (7) or "float16" (10, and numbers beyond 65504 are
        infinite), to which operands are rounded; sums are float32 always, and so are results.
    It is a permission: a backend or a GPU that has nothing faster goes on with float32. The CPU always does. Before the
    first call the environment variable THINC_CORE_MATMUL_PRECISION decides.
    RAISES: ValueError for another name.
    """
    global _process
    _process = _checked("set_matmul_precision: name", name)


@contextlib.contextmanager
def use_matmul_precision(name: str) -> Iterator[None]:
    """The same within a with block, in this context only: other threads and tasks keep theirs.

    RAISES: ValueError for another name.
    """
    token = _context.set(_checked("use_matmul_precision: name", name))
    try:
        yield
    finally:
        _context.reset(token)
