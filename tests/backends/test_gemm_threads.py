"""Matrix products and what is fused to them give the same bits for any number of threads."""

from __future__ import annotations

from itertools import product
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy
import pytest

from thinc_core.backends import NumpyOps, get_num_threads, set_num_threads

ops = NumpyOps()
DTYPES = ["float32", "float64"]
FLAGS = list(product([False, True], repeat=2))


def normal(rng: Any, shape: Tuple[int, ...], dtype: str) -> Any:
    return rng.standard_normal(shape).astype(dtype)


# Sizes at which work is shared: rows cut, columns cut, rows read from end to end, dot products, thin columns; and parts
# that are left with less than a vector.
SHARED = [
    (500, 96, 200), (40, 900, 200), (1, 3000, 700), (3000, 1, 300), (16, 700, 300), (900, 600, 8), (900, 49, 150),
    (1, 73, 3000), (4, 73, 1500), (40, 73, 700), (73, 41, 700),
    (1100, 52, 300), (4, 128, 5000), (2, 75, 9000), (1300, 10, 300),
]  # fmt: skip


def shared_gemm(rng: Any, dtype: str) -> Iterator[Any]:
    for (M, N, K), (trans1, trans2) in product(SHARED, FLAGS):
        x = normal(rng, (K, M) if trans1 else (M, K), dtype)
        y = normal(rng, (N, K) if trans2 else (K, N), dtype)
        yield ops.gemm(x, y, trans1=trans1, trans2=trans2)
        yield ops.gemm(x, y, out=normal(rng, (M, N), dtype), trans1=trans1, trans2=trans2, accumulate=True)


def shared_affine(rng: Any, dtype: str) -> Iterator[Any]:
    for B, O, I in SHARED:  # noqa: E741
        X, W, b = normal(rng, (B, I), dtype), normal(rng, (O, I), dtype), normal(rng, (O,), dtype)
        dW, db = normal(rng, (O, I), dtype), normal(rng, (O,), dtype)
        yield from (ops.affine(X, W, b), ops.affine_relu(X, W, b), *ops.affine_activation(X, W, b, "gelu"))
        yield from (ops.backprop_affine(normal(rng, (B, O), dtype), X, W, dW, db), dW, db)


def shared_maxout(rng: Any, dtype: str) -> Iterator[Any]:
    for B, O, P, I in [(500, 48, 3, 100), (16, 500, 3, 100), (90, 300, 2, 96), (300, 40, 4, 60)]:  # noqa: E741
        X, W, b = normal(rng, (B, I), dtype), normal(rng, (O, P, I), dtype), normal(rng, (O, P), dtype)
        dY, dW, db = normal(rng, (B, O), dtype), normal(rng, (O, P, I), dtype), normal(rng, (O, P), dtype)
        G, shift = normal(rng, (O,), dtype), normal(rng, (O,), dtype)
        which = ops.affine_maxout(X, W, b)[1]
        yield from ops.affine_maxout_layernorm(X, W, b, G, shift)
        yield from (which, ops.backprop_affine_maxout(dY, which, X, W, dW, db), dW, db)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """set_num_threads, undone afterwards."""
    before = get_num_threads()
    yield set_num_threads
    set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("results", [shared_gemm, shared_affine, shared_maxout])
def test_same_bits_for_any_number_of_threads(
    threads: Callable[[int], None], results: Any, isa: str, dtype: str
) -> None:
    found: Dict[int, List[bytes]] = {}
    for n in (1, 2, 5):
        threads(n)
        found[n] = [result.tobytes() for result in results(numpy.random.default_rng(15), dtype)]
    assert found[1] == found[2] == found[5]
