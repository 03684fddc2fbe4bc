"""bfloat16 through every op: stored, never computed with. A result is the reference's in double, rounded once."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from cases import CASES
from running import REFERENCE, call, copied, drawn, outputs, with_arrays

BFLOAT16 = numpy.dtype(pytest.importorskip("ml_dtypes", reason="NumPy has bfloat16 with ml_dtypes only").bfloat16)
HALF_ULP = 2.0**-8  # relative, where it is largest
# Terms are added one by one to what is stored, or a sum of them is; a gradient is stored between two products; weights
# are stored between a step and their decay.
SEVERAL = {"scatter_add", "backprop_hash_embed", "backprop_hash_embeds", "update_averages", "gemm", "backprop_affine"}
SEVERAL |= {"backprop_affine_maxout", "backprop_affine_maxout_layernorm", "backprop_sparse_affine", "apply_gradients"}
SIZES = ((5, 17), (7, 64))


def is_bfloat16(value: Any) -> bool:
    return any(map(is_bfloat16, value)) if isinstance(value, list) else getattr(value, "dtype", None) == BFLOAT16


def rounded(args: Any) -> Any:
    """Floats that bfloat16 holds, as bfloat16."""
    return with_arrays(args, lambda X: X.astype(BFLOAT16) if X.dtype.kind == "f" else X)


def widened(args: Any) -> Any:
    return with_arrays(args, lambda X: X.astype("float64") if X.dtype == BFLOAT16 else X)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_are_rounded_once(ops: Any, case: Any) -> None:
    for rows, width in SIZES:
        args = rounded(drawn(case, rows, width, "float32"))
        wide = widened(copied(args))
        expected = outputs(REFERENCE, case, wide, call(REFERENCE, case, wide))
        moved = with_arrays(args, ops.asarray)
        actual = outputs(ops, case, moved, call(ops, case, moved))
        assert list(actual) == list(expected)
        for name, array in actual.items():
            if expected[name].dtype.kind != "f":
                numpy.testing.assert_array_equal(array, expected[name])
                continue
            assert array.dtype == (BFLOAT16 if any(map(is_bfloat16, args.values())) else "float32")
            error = abs(array.astype("float64") - expected[name])
            size = abs(expected[name])
            slack = (8 * HALF_ULP if case.op in SEVERAL else 1e-5) * size.max(initial=0) + 1e-30
            limit = 1.001 * HALF_ULP * size + slack
            assert (error <= limit).all(), f"{name}: {(error / limit).max():.3g} of what is allowed"
