"""set_matmul_precision: who it holds for, and what cuBLAS is asked for."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from typing import Any, List

import numpy
import pytest
from any_backend import make_ops
from cases import PRODUCTS, RECURRENT
from cuda_emulation import build
from fake_cupy import FAKE
from running import call, copied, drawn, expected_outputs, on_backend, outputs

from thinc_core.backends import NumpyOps, get_matmul_precision, set_matmul_precision, use_matmul_precision

FAKE_CUBLAS = FAKE.cuda.cublas  # type: ignore[attr-defined]
COMPUTE = {77: "tf32", 75: "bfloat16", 74: "float16"}
BITS = {"tf32": 10, "bfloat16": 7, "float16": 10}
CASES = [*PRODUCTS, *RECURRENT]


def rounded(X: Any, precision: str) -> Any:
    """X with as many bits of mantissa as the units have."""
    if precision == "float16":
        with numpy.errstate(over="ignore"):
            return X.astype("float16").astype("float32")
    drop = 23 - BITS[precision]
    bits = X.view("uint32").astype("uint64") + (1 << (drop - 1))
    return (bits >> drop << drop).astype("uint32").view("float32")


class Cublas:
    """cuBLAS's gemmEx on addresses of the host, with matrices in the order of columns, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: List[str] = []

    def gemmEx(self, handle: Any, transa: int, transb: int, m: int, n: int, k: int, *rest: int) -> None:
        alpha, A, a_type, lda, B, b_type, ldb, beta, C, c_type, ldc, compute, algorithm = rest
        if compute not in COMPUTE:
            return FAKE_CUBLAS.gemmEx(handle, transa, transb, m, n, k, *rest)
        assert (handle, a_type, b_type, c_type, algorithm) == (1, 0, 0, 0, -1)
        self.asked.append(COMPUTE[compute])
        left = self.matrix(A, k, m, lda).T if transa else self.matrix(A, m, k, lda)
        right = self.matrix(B, n, k, ldb).T if transb else self.matrix(B, k, n, ldb)
        left, right = (rounded(numpy.ascontiguousarray(X), COMPUTE[compute]) for X in (left, right))
        one, more = (ctypes.c_float.from_address(address).value for address in (alpha, beta))
        result = self.matrix(C, m, n, ldc)
        with numpy.errstate(all="ignore"):
            result[...] = one * (left @ right) + (more * result if more else 0)

    @staticmethod
    def matrix(address: int, rows: int, columns: int, ld: int) -> Any:
        assert ld >= rows
        memory = (ctypes.c_float * (ld * (columns - 1) + rows)).from_address(address)
        return numpy.ndarray((rows, columns), "float32", memory, strides=(4, 4 * ld))


@pytest.fixture
def gpu(monkeypatch: Any) -> Any:
    """Emulated ops of a device of capability 9.0, with a cuBLAS that says what it was asked for."""
    if build.problem() is not None:
        pytest.skip(str(build.problem()))
    ops: Any = make_ops("cuda_emulated", monkeypatch)
    ops.cublas = Cublas()
    monkeypatch.setattr(FAKE.cuda, "cublas", ops.cublas)
    monkeypatch.setattr(ops._device(), "capability", 90)
    return ops


@pytest.mark.parametrize("precision", COMPUTE.values())
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_products_are_rounded_as_asked(gpu: Any, case: Any, precision: str) -> None:
    """No dimension is another's, so that a product that reads a matrix the wrong way round is seen."""
    args = drawn(case, 5, 17, "float32")
    expected = expected_outputs(case, args)
    exact = outputs(gpu, case, moved := on_backend(gpu, copied(args)), call(gpu, case, moved))
    assert not gpu.cublas.asked
    with use_matmul_precision(precision):
        actual = outputs(gpu, case, moved := on_backend(gpu, copied(args)), call(gpu, case, moved))
    assert set(gpu.cublas.asked) == {precision}
    differs = False
    for name, array in actual.items():
        if array.dtype.kind == "f":  # a choice between pieces may be another one where they are close
            differs |= bool((array != exact[name]).any())
            size = abs(expected[name]).max()
            assert abs(array - expected[name]).max() <= 17 * size * 2.0 ** -BITS[precision], name
    assert differs


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_dtypes_stay_as_they_are(gpu: Any, dtype: str) -> None:
    X, Y = (gpu.asarray(numpy.ones(shape, dtype)) for shape in ((3, 4), (4, 2)))
    with use_matmul_precision("tf32"):
        assert gpu.gemm(X, Y).dtype == dtype
    assert not gpu.cublas.asked


@pytest.mark.parametrize("capability, fast", [(75, {"float16"}), (61, set()), (80, set(BITS))])
def test_what_a_gpu_has_no_units_for_is_float32(gpu: Any, capability: int, fast: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(gpu._device(), "capability", capability)
    X = gpu.asarray(numpy.full((3, 3), 1 + 2.0**-20, "f"))
    for precision in BITS:
        with use_matmul_precision(precision):
            exact = gpu.to_numpy(gpu.gemm(X, X))[0, 0] > 3
        assert exact == (precision not in fast)
    assert set(gpu.cublas.asked) == fast


def test_float16_overflows(gpu: Any) -> None:
    X = gpu.asarray(numpy.full((2, 2), 1e5, "f"))
    for precision, finite in (("float16", False), ("bfloat16", True), ("tf32", True)):
        with use_matmul_precision(precision):
            assert bool(numpy.isfinite(gpu.to_numpy(gpu.gemm(X, X))).all()) is finite


@pytest.mark.parametrize("precision", BITS)
def test_the_cpu_goes_on_with_float32(precision: str) -> None:
    X = numpy.random.default_rng(0).normal(size=(20, 20)).astype("f")
    expected = NumpyOps().gemm(X, X)
    with use_matmul_precision(precision):
        numpy.testing.assert_array_equal(NumpyOps().gemm(X, X), expected)


@pytest.fixture
def restored() -> Any:
    before = get_matmul_precision()
    yield
    set_matmul_precision(before)


def in_a_thread() -> str:
    seen = []
    thread = threading.Thread(target=lambda: seen.append(get_matmul_precision()))
    thread.start()
    thread.join()
    return seen[0]


def test_a_block_holds_here_and_a_setting_everywhere(restored: Any) -> None:
    assert get_matmul_precision() == "float32"
    with use_matmul_precision("tf32"):
        assert get_matmul_precision() == "tf32"
        assert in_a_thread() == "float32"
        with use_matmul_precision("bfloat16"):
            assert get_matmul_precision() == "bfloat16"
        assert get_matmul_precision() == "tf32"
    set_matmul_precision("float16")
    assert get_matmul_precision() == in_a_thread() == "float16"
    with use_matmul_precision("float32"):
        assert get_matmul_precision() == "float32"
        assert in_a_thread() == "float16"


def test_names_are_checked() -> None:
    for function, name in ((set_matmul_precision, "set"), (lambda x: use_matmul_precision(x).__enter__(), "use")):
        with pytest.raises(
            ValueError, match=f"^{name}_matmul_precision: name must be one of float32, tf32, .*; got 'f2'"
        ):
            function("f2")
    assert get_matmul_precision() == "float32"


@pytest.mark.parametrize("value, printed", [("tf32", "tf32"), ("", "float32"), ("half", "it must be one of")])
def test_the_environment_decides_at_first(value: str, printed: str, monkeypatch: Any) -> None:
    monkeypatch.setenv("THINC_CORE_MATMUL_PRECISION", value)
    code = "from thinc_core.api import get_matmul_precision as get; print(get())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed in done.stdout + done.stderr
    assert (done.returncode == 0) == (value != "half")
