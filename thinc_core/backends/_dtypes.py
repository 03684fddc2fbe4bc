"""Which dtypes hold floats: also bfloat16, which is no float to NumPy but what ml_dtypes adds to it."""

from __future__ import annotations

from typing import Any


def is_half(dtype: Any) -> bool:
    """Whether floats of this dtype are stored in 16 bits, as float16 (in either byte order) or bfloat16."""
    return dtype.char == "e" or (dtype.char == "E" and dtype.name == "bfloat16")


def is_float(dtype: Any) -> bool:
    return dtype.kind == "f" or is_half(dtype)
