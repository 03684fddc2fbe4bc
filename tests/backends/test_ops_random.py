"""Dropout masks: the same bits everywhere, governed by NumPy's global seed, with the right statistics."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from thinc_core.backends import Ops


@pytest.mark.parametrize("shape", [(0,), (1,), (63,), (64,), (65,), (5, 333), (2, 3, 4)])
@pytest.mark.parametrize("drop", [1e-9, 0.1, 0.5, 0.999999999])
def test_mask_is_the_same_on_every_backend(fast_ops: Any, shape: Any, drop: float) -> None:
    numpy.random.seed(3)
    expected = Ops().get_dropout_mask(shape, drop)
    numpy.random.seed(3)
    mask = fast_ops.get_dropout_mask(shape, drop)
    assert mask.dtype == "float32"
    numpy.testing.assert_array_equal(fast_ops.to_numpy(mask), expected)


@pytest.mark.parametrize("start, step", [(0, 1), (1, 1), (0, 2)])
def test_mask_into_an_array_of_the_callers(ops: Any, start: int, step: int) -> None:
    """Also where pairs are not aligned, and between elements of others."""
    holder = ops.asarray(numpy.full((203,), 7, "f"))
    out = holder[start : start + 100 * step : step]
    numpy.random.seed(9)
    assert ops.get_dropout_mask((100,), 0.25, out=out) is out
    numpy.random.seed(9)
    numpy.testing.assert_array_equal(ops.to_numpy(out), Ops().get_dropout_mask((100,), 0.25))
    assert int((ops.to_numpy(holder) == 7).sum()) == 103


def test_mask_is_the_same_on_every_instruction_set(isa: str) -> None:
    from thinc_core.backends import NumpyOps

    numpy.random.seed(5)
    expected = Ops().get_dropout_mask((7, 111), 0.3)
    numpy.random.seed(5)
    numpy.testing.assert_array_equal(NumpyOps().get_dropout_mask((7, 111), 0.3), expected)


@pytest.mark.parametrize("drop, value", [(None, 1), (0, 1), (0.0, 1), (-0.5, 1), (1, 0), (1.5, 0)])
def test_mask_at_the_ends(ops: Any, drop: Any, value: float) -> None:
    mask = ops.get_dropout_mask((3, 4), drop)
    assert mask.shape == (3, 4)
    assert mask.dtype == "float32"
    assert bool((mask == value).all())


def test_shape_may_be_a_number(ops: Any) -> None:
    assert ops.get_dropout_mask(5, 0.5).shape == (5,)


def test_one_draw_of_the_global_generator_per_mask(ops: Any) -> None:
    numpy.random.seed(0)
    ops.get_dropout_mask((1000, 10), 0.5)
    after = numpy.random.random()
    numpy.random.seed(0)
    ops.get_dropout_mask((2,), 0.5)
    assert numpy.random.random() == after


@pytest.mark.parametrize("make", [numpy.random.default_rng, numpy.random.RandomState])
def test_mask_of_a_generator(ops: Any, make: Any) -> None:
    """The generator alone decides, it moves on, and the global one stays where it is."""
    rng, same = make(4), make(4)
    numpy.random.seed(0)
    expected = numpy.random.random()
    numpy.random.seed(0)
    first, second = (ops.to_numpy(ops.get_dropout_mask((50, 20), 0.5, rng=rng)) for _ in range(2))
    assert numpy.random.random() == expected
    assert (first != second).any()
    numpy.testing.assert_array_equal(Ops().get_dropout_mask((50, 20), 0.5, rng=same), first)
    numpy.testing.assert_array_equal(Ops().get_dropout_mask((50, 20), 0.5, rng=same), second)


@pytest.mark.parametrize("drop", [0.0, 0.5])
def test_what_is_no_generator_is_refused(ops: Any, drop: float) -> None:
    for wrong in (0, numpy.random, "x"):
        with pytest.raises(TypeError, match=r"^get_dropout_mask: rng must be a numpy.random.Generator; got \w+$"):
            ops.get_dropout_mask((2, 3), drop, rng=wrong)


def test_masks_without_randomness_leave_the_generator_alone(ops: Any) -> None:
    numpy.random.seed(0)
    expected = numpy.random.random()
    numpy.random.seed(0)
    for drop in (None, 0, 1):
        ops.get_dropout_mask((2,), drop)
    assert numpy.random.random() == expected


@pytest.mark.parametrize("drop", [0.1, 0.5, 0.9])
def test_statistics(ops: Any, drop: float) -> None:
    """Share of zeros within 5 standard deviations, in every one of 64 columns and between neighbours."""
    numpy.random.seed(11)
    n = 2000
    mask = ops.to_numpy(ops.get_dropout_mask((n, 64), drop))
    assert set(numpy.unique(mask)) == {numpy.float32(0), numpy.float32(1 / (1 - drop))}
    dropped = mask == 0
    deviation = numpy.sqrt(drop * (1 - drop) / n)
    assert abs(dropped.mean(axis=0) - drop).max() < 5 * deviation
    both = (dropped[:, 1:] & dropped[:, :-1]).mean(axis=0)
    assert abs(both - drop**2).max() < 5 * numpy.sqrt(drop**2 * (1 - drop**2) / n)


@pytest.mark.parametrize("drop, zeros", [(1e-9, 0), (2**-16, 1), (0.1, 6554), (0.5, 32768), (0.99999, 65535)])
def test_probability(ops: Any, drop: float, zeros: int) -> None:
    """Of all 16-bit numbers, which come with equal probability, so many drop an element."""
    threshold, kept = ops._dropout_values(drop)
    assert (threshold, kept) == (zeros, 1 / (1 - drop))
    assert abs(kept * (1 - threshold / 2**16) - 1) <= 2**-17 / (1 - drop)


@pytest.mark.parametrize("drop", [1 - 2**-18, 0.999999999, 1.0, 7])
def test_all_are_dropped(ops: Any, drop: float) -> None:
    assert not ops.to_numpy(ops.get_dropout_mask((100, 100), drop)).any()


@pytest.mark.parametrize("shape", [(), (0,), (1,), (63,), (65,), (5, 333), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("drop", [-1.0, 0.0, 1e-9, 0.3, 0.99999, 1.0])
def test_dropout_is_the_array_times_the_mask(ops: Any, shape: Any, dtype: str, drop: float) -> None:
    """With the seed that dropout_seed draws, bit for bit; both move the generator alike."""
    X = numpy.random.default_rng(0).normal(size=shape).astype(dtype)
    numpy.random.seed(5)
    mask, after = Ops().get_dropout_mask(shape, drop), numpy.random.random()
    numpy.random.seed(5)
    seed = ops.dropout_seed(drop)
    assert numpy.random.random() == after
    Y = ops.dropout(ops.asarray(X), drop, seed)
    assert Y.dtype == dtype
    numpy.testing.assert_array_equal(ops.to_numpy(Y), (X * mask).astype(dtype))


def test_dropout_of_views(ops: Any) -> None:
    """Of every second column and at an odd address: the mask is that of the elements in their order."""
    X = numpy.random.default_rng(0).normal(size=(9, 41)).astype("f")
    for view in (slice(None, None, 2), slice(1, 40)):
        Y = ops.dropout(ops.asarray(X)[:, view], 0.4, 3)
        numpy.testing.assert_array_equal(ops.to_numpy(Y), Ops().dropout(X[:, view].copy(), 0.4, 3))


@pytest.mark.parametrize(
    "seed, error", [(-1, OverflowError), (2**53, OverflowError), (1.5, TypeError), ("1", TypeError)]
)
def test_seeds_of_dropout(ops: Any, seed: Any, error: Any) -> None:
    with pytest.raises(error, match=r"^dropout: seed must be"):
        ops.dropout(ops.alloc1f(3), 0.5, seed)
    W, b, G = ops.alloc3f(2, 3, 4), ops.alloc2f(2, 3), ops.alloc1f(2)
    with pytest.raises(error, match=r"^affine_maxout_layernorm: seed must be"):
        ops.affine_maxout_layernorm(ops.alloc2f(5, 4), W, b, G, G, drop=0.5, seed=seed)


def test_generator_has_the_published_outputs() -> None:
    """Philox4x32-10 of key 0 and counter 0, from the known answers of its authors."""
    assert Ops()._philox(0, 1)[0].tolist() == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
