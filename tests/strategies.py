"""Hypothesis strategies for the arguments of ops."""

from __future__ import annotations

from typing import Any

import numpy
from hypothesis import strategies as st

WIDTHS = st.sampled_from([0, 1, 2, 7, 8, 9, 16, 33])
DTYPES = st.sampled_from(["float32", "float64"])
SEEDS = st.integers(0, 2**32 - 1)


def values(shape: Any, dtype: str, seed: int) -> Any:
    """Floats in [-4, 4): drawn from a seed, so that Hypothesis shrinks shapes and not numbers."""
    return numpy.random.default_rng(seed).uniform(-4, 4, shape).astype(dtype)


@st.composite
def float_sequences(draw: Any, max_size: int = 6) -> Any:
    """Sequences of one width and dtype, some of them empty."""
    width, dtype, seed = draw(WIDTHS.filter(bool)), draw(DTYPES), draw(SEEDS)
    lengths = draw(st.lists(st.integers(0, 5), max_size=max_size))
    return [values((n, width), dtype, seed + i) for i, n in enumerate(lengths)]


@st.composite
def ragged(draw: Any, minimum: int = 0) -> Any:
    """(X (T, O), lengths (B,)): rows of several sequences end to end."""
    lengths = numpy.array(draw(st.lists(st.integers(minimum, 6), max_size=8)), dtype="int32")
    X = values((int(lengths.sum()), draw(WIDTHS)), draw(DTYPES), draw(SEEDS))
    return X, lengths


@st.composite
def matrices(draw: Any) -> Any:
    """(x, y, trans1, trans2): float matrices that gemm can multiply, of any small sizes."""
    sizes = st.integers(0, 40)
    M, N, K = draw(sizes), draw(sizes), draw(sizes)
    trans1, trans2 = draw(st.booleans()), draw(st.booleans())
    dtype, seed = draw(DTYPES), draw(SEEDS)
    x = values((K, M) if trans1 else (M, K), dtype, seed)
    y = values((N, K) if trans2 else (K, N), dtype, seed + 1)
    return x, y, trans1, trans2


@st.composite
def index_tables(draw: Any) -> Any:
    """(table (V, O), indices (B, K)), V >= 1, every index in range."""
    V, B, K = draw(st.integers(1, 20)), draw(st.integers(0, 12)), draw(st.integers(0, 6))
    table = values((V, draw(WIDTHS)), draw(DTYPES), draw(SEEDS))
    kind = draw(st.sampled_from(["int32", "int64", "uint32", "uint64"]))
    indices = numpy.random.default_rng(draw(SEEDS)).integers(0, V, (B, K)).astype(kind)
    return table, indices
