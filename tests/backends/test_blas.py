"""Matrix products: every provider and every instruction set against float64, what is fused to them, the table of BLAS
functions for other packages, and the choice of the provider."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from itertools import product
from typing import Any, Iterator, List, Tuple

import numpy
import pytest

from thinc_core.backends import NumpyOps, Ops, active_isa, set_isa, supported_isas
from thinc_core.backends.cblas import CBlas, active_blas, available_blas, default_cblas, describe_blas, set_blas
from thinc_core.backends.reference.gemm import ACTIVATIONS

DTYPES = ["float32", "float64"]
# Around the sizes at which the native code changes its way: one vector, one tile, 96 rows, 384 deep, few rows, few
# sums, some columns more than fill vectors, also where the rows are more than one step of them.
SHAPES = [
    (0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (1, 7, 5), (1, 37, 100), (2, 16, 16), (3, 33, 17), (4, 9, 31),
    (5, 64, 65), (6, 31, 3), (7, 15, 64), (8, 8, 8), (9, 40, 33), (12, 32, 16), (13, 17, 100), (25, 100, 50),
    (26, 1, 70), (33, 48, 400), (97, 65, 29), (100, 33, 385), (193, 70, 40), (4, 40, 33), (3, 17, 100), (90, 20, 3),
    (9, 29, 1), (61, 300, 31), (130, 2, 96), (70, 20, 70), (20, 65, 1030),
    (2, 300, 97), (4, 130, 601), (3, 53, 40), (257, 18, 50), (300, 103, 65), (90, 10, 1500), (520, 12, 100),
]  # fmt: skip
LARGE = [(200, 450, 800), (110, 1100, 390)]  # more panels than are kept at once, several blocks of the depth
# B, O, I of maxout's backward pass: on both sides of few rows, of few columns, of one slab, of one list of rows.
CHOICES = [(0, 3, 4), (1, 1, 1), (4, 0, 9), (7, 33, 100), (8, 9, 2), (60, 40, 150), (130, 33, 70), (9, 5, 300)]
SENTINEL = -12345.0
FLAGS = list(product([False, True], repeat=2))

ops = NumpyOps()


def providers() -> List[Tuple[str, str]]:
    """Each provider with the best instruction set, our own with all of them."""
    others = [(name, supported_isas()[0]) for name in available_blas() if name != "native"]
    return [("native", isa) for isa in supported_isas()] + others


@pytest.fixture(params=providers(), ids="-".join)
def blas(request: Any) -> Iterator[str]:
    """The name of a provider, which is forced during the test."""
    before = active_blas(), active_isa()
    name, isa = request.param
    set_blas(name)
    set_isa(isa)
    assert (active_blas(), active_isa()) == (name, isa)
    yield name
    set_blas(before[0])
    set_isa(before[1])


def normal(rng: Any, shape: Tuple[int, ...], dtype: str) -> Any:
    return rng.standard_normal(shape).astype(dtype)


def integers(rng: Any, shape: Tuple[int, ...], dtype: str) -> Any:
    """Small integers: every product and sum is exact, so every order of summation gives the same bits."""
    return rng.integers(-3, 4, shape).astype(dtype)


def assert_product(actual: Any, left: Any, right: Any, start: Any = 0.0) -> None:
    """actual is start + left @ right to within the bound for sums of K products in any order (Higham 2002, 3.5)."""
    left, right, start = (numpy.asarray(array, dtype="float64") for array in (left, right, start))
    terms = left.shape[1] + 2
    bound = terms * numpy.finfo(actual.dtype).eps * (abs(left) @ abs(right) + abs(start))
    error = abs(actual - (left @ right + start))
    assert actual.shape == error.shape
    assert (error <= bound).all(), f"{left.shape} @ {right.shape}: {(error - bound).max()} above the bound"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("trans1, trans2", FLAGS)
def test_gemm_values(blas: str, dtype: str, trans1: bool, trans2: bool) -> None:
    rng = numpy.random.default_rng(0)
    for M, N, K in SHAPES:
        left, right = normal(rng, (M, K), dtype), normal(rng, (K, N), dtype)
        x = numpy.ascontiguousarray(left.T) if trans1 else left
        y = numpy.ascontiguousarray(right.T) if trans2 else right
        assert_product(ops.gemm(x, y, trans1=trans1, trans2=trans2), left, right)
        out = normal(rng, (M, N), dtype)
        before = out.copy()
        assert ops.gemm(x, y, out=out, trans1=trans1, trans2=trans2, accumulate=True) is out
        assert_product(out, left, right, before)


@pytest.mark.parametrize("isa_name", supported_isas())
@pytest.mark.parametrize("trans1, trans2", FLAGS)
def test_gemm_large(isa_name: str, trans1: bool, trans2: bool) -> None:
    before = active_isa()
    set_isa(isa_name)
    rng = numpy.random.default_rng(1)
    try:
        for M, N, K in LARGE:
            left, right = normal(rng, (M, K), "float32"), normal(rng, (K, N), "float32")
            x = numpy.ascontiguousarray(left.T) if trans1 else left
            y = numpy.ascontiguousarray(right.T) if trans2 else right
            assert_product(ops.gemm(x, y, trans1=trans1, trans2=trans2), left, right)
    finally:
        set_isa(before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_views(blas: str, dtype: str) -> None:
    """Rows cut out of wider arrays, transposed views, and layouts that have to be copied."""
    rng = numpy.random.default_rng(2)
    wide, tall = normal(rng, (9, 50), dtype), normal(rng, (23, 40), dtype)
    for left in (wide[:, 5:28], numpy.asfortranarray(wide[:, :23]), wide[::2, 3:26], wide[:, 1:47:2], wide[::-1, :23]):
        for right in (tall[:, 3:30], numpy.asfortranarray(tall), tall[:, ::-1], tall[:, ::3]):
            assert_product(ops.gemm(left, right), left, right)
            assert_product(ops.gemm(left, right.T, trans2=True), left, right)
            assert_product(ops.gemm(left.T, right, trans1=True), left, right)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_writes_out_and_nothing_else(blas: str, dtype: str) -> None:
    rng = numpy.random.default_rng(3)
    for M, N, K in SHAPES:
        left, right = normal(rng, (M, K), dtype), normal(rng, (N, K), dtype)
        memory = numpy.full(M * N + 200, SENTINEL, dtype)
        out = memory[100 : 100 + M * N].reshape(M, N)
        out[...] = numpy.nan  # without accumulate, what was there must not matter
        ops.gemm(left, right, out=out, trans2=True)
        assert_product(out, left, right.T)
        assert (memory[:100] == SENTINEL).all()
        assert (memory[100 + M * N :] == SENTINEL).all()


@pytest.mark.parametrize("accumulate", [False, True])
def test_gemm_strided_out(blas: str, accumulate: bool) -> None:
    rng = numpy.random.default_rng(4)
    left, right = normal(rng, (7, 20), "float32"), normal(rng, (20, 11), "float32")
    for cut in (slice(2, 13), slice(0, 22, 2), slice(15, 4, -1)):
        memory = numpy.full((14, 40), SENTINEL, "float32")
        out = memory[::2, cut]
        before = out.copy() if accumulate else 0
        ops.gemm(left, right, out=out, accumulate=accumulate)
        assert_product(out, left, right, before)
        outside = numpy.ones(memory.shape, bool)
        outside[::2, cut] = False
        assert (memory[outside] == SENTINEL).all()


def overlapping(memory: Any, M: int, N: int) -> List[Tuple[str, Any]]:
    """Arrays (M, N) within the memory, which holds x in its first and y in its last elements."""
    end = len(memory) - M * N
    wide = memory[: len(memory) // (2 * N) * 2 * N].reshape(-1, 2 * N)
    return [
        ("x", memory[: M * N].reshape(M, N)),
        ("x from its second element on", memory[1 : M * N + 1].reshape(M, N)),
        ("y", memory[end:].reshape(M, N)),
        ("both", memory[end // 2 : end // 2 + M * N].reshape(M, N)),
        ("rows with gaps", wide[:M, :N]),
        ("columns with gaps", wide[:M, ::2]),
        ("backwards", memory[: M * N][::-1].reshape(M, N)),
        ("column order", memory[: M * N].reshape(N, M).T),
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("trans1, trans2", FLAGS)
def test_gemm_into_its_operands(blas: str, dtype: str, accumulate: bool, trans1: bool, trans2: bool) -> None:
    """What is multiplied is what was there before, wherever out lies; elements beside out stay as they were."""
    rng = numpy.random.default_rng(13)
    for M, N, K in [(1, 1, 1), (6, 6, 6), (1, 40, 40), (17, 20, 33), (40, 5, 2), (70, 60, 50)]:
        for case in range(8):
            memory = integers(rng, (4 * (M * K + K * N + M * N),), dtype)
            before = memory.copy()
            name, out = overlapping(memory, M, N)[case]
            arrays = {"x": (memory[: M * K], before[: M * K]), "y": (memory[-K * N :], before[-K * N :])}
            x, left = (each.reshape((K, M) if trans1 else (M, K)) for each in arrays["x"])
            y, right = (each.reshape((N, K) if trans2 else (K, N)) for each in arrays["y"])
            start, expected = out.copy(), before.copy()
            want = (left.T if trans1 else left) @ (right.T if trans2 else right) + (start if accumulate else 0)
            overlapping(expected, M, N)[case][1][...] = want
            assert ops.gemm(x, y, out=out, trans1=trans1, trans2=trans2, accumulate=accumulate) is out
            numpy.testing.assert_array_equal(memory, expected, err_msg=f"{name}, {(M, N, K)}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_affine_values(blas: str, dtype: str) -> None:
    rng = numpy.random.default_rng(5)
    for B, O, I in SHAPES:  # noqa: E741
        X, W, b = normal(rng, (B, I), dtype), normal(rng, (O, I), dtype), normal(rng, (O,), dtype)
        Y = ops.affine(X, W, b)
        assert_product(Y, X, W.T, numpy.broadcast_to(b, (B, O)))
        numpy.testing.assert_array_equal(ops.affine_relu(X, W, b), numpy.maximum(Y, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_backprop_affine(blas: str, dtype: str) -> None:
    rng = numpy.random.default_rng(6)
    for B, O, I in SHAPES:  # noqa: E741
        dY, X, W = integers(rng, (B, O), dtype), integers(rng, (B, I), dtype), integers(rng, (O, I), dtype)
        dW, db = integers(rng, (O, I), dtype), integers(rng, (O,), dtype)
        want_dW, want_db = dW + dY.T @ X, db + dY.sum(axis=0)
        dX = ops.backprop_affine(dY, X, W, dW, db)
        numpy.testing.assert_array_equal(dX, dY @ W)
        numpy.testing.assert_array_equal(dW, want_dW)
        numpy.testing.assert_array_equal(db, want_db)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("P", [1, 2, 3, 4, 5, 9])
def test_affine_maxout_is_maxout_of_affine(blas: str, dtype: str, P: int) -> None:
    """Exact, with the many ties that small integers bring: the first of equal pieces wins."""
    rng = numpy.random.default_rng(P)
    for B, O, I in [(0, 3, 4), (1, 1, 1), (3, 0, 4), (2, 5, 0), (5, 17, 9), (13, 16, 40), (31, 50, 33), (120, 20, 7)]:  # noqa: E741
        X, W, b = integers(rng, (B, I), dtype), integers(rng, (O, P, I), dtype), integers(rng, (O, P), dtype)
        Z = numpy.einsum("bi,opi->bop", X, W) + b
        Y, which = ops.affine_maxout(X, W, b)
        assert Y.dtype == dtype
        assert which.dtype == "int32"
        numpy.testing.assert_array_equal(Y, Z.max(axis=-1) if O and B else Z[..., 0])
        numpy.testing.assert_array_equal(which, Z.argmax(axis=-1) if O and B else Z[..., 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("P", [2, 3, 4, 6])
def test_affine_maxout_nan_and_infinity(blas: str, dtype: str, P: int) -> None:
    rng = numpy.random.default_rng(7)
    X, W, b = integers(rng, (20, 5), dtype), integers(rng, (37, P, 5), dtype), integers(rng, (37, P), dtype)
    b[3, P - 1] = b[4, 0] = b[5] = numpy.nan
    b[6, 1], b[7, 0], b[8] = numpy.inf, -numpy.inf, -numpy.inf
    X[11] = numpy.nan
    with numpy.errstate(invalid="ignore"):
        Z = numpy.einsum("bi,opi->bop", X, W) + b
    Y, which = ops.affine_maxout(X, W, b)
    numpy.testing.assert_array_equal(which, Z.argmax(axis=-1))
    numpy.testing.assert_array_equal(Y, Z.max(axis=-1))
    assert numpy.isnan(ops.affine_relu(X, W[:, 0].copy(), b[:, 0].copy())[11]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("P", [1, 2, 3, 4, 5])
def test_backprop_affine_maxout(blas: str, dtype: str, P: int) -> None:
    rng = numpy.random.default_rng(10 + P)
    for B, O, I in CHOICES:  # noqa: E741
        dY, which = integers(rng, (B, O), dtype), rng.integers(0, P, (B, O)).astype("int32")
        X, W, dW = integers(rng, (B, I), dtype), integers(rng, (O, P, I), dtype), integers(rng, (O, P, I), dtype)
        db = integers(rng, (O, P), dtype)
        want_dW, want_db = dW.copy(), db.copy()
        want = Ops().backprop_affine_maxout(dY, which, X, W, want_dW, want_db)
        numpy.testing.assert_array_equal(ops.backprop_affine_maxout(dY, which, X, W, dW, db), want)
        numpy.testing.assert_array_equal(dW, want_dW)
        numpy.testing.assert_array_equal(db, want_db)


@pytest.mark.parametrize("dtype", DTYPES)
def test_fused_is_the_same_as_apart(blas: str, dtype: str) -> None:
    """Bit by bit: what is fused runs the same kernels on blocks of rows."""
    rng = numpy.random.default_rng(14)
    for B, O, I in [(0, 3, 4), (1, 1, 1), (3, 0, 4), (2, 5, 0), (5, 33, 40), (110, 20, 17), (230, 70, 96)]:  # noqa: E741
        X, W, b = normal(rng, (B, I), dtype), normal(rng, (O, I), dtype), normal(rng, (O,), dtype)
        Z = ops.affine(X, W, b)
        for activation in ACTIVATIONS:
            Y, kept = ops.affine_activation(X, W, b, activation)
            numpy.testing.assert_array_equal(kept, Z)
            numpy.testing.assert_array_equal(Y, getattr(ops, activation)(Z), err_msg=activation)
            alone, nothing = ops.affine_activation(X, W, b, activation, keep=False)
            numpy.testing.assert_array_equal(alone, Y, err_msg=activation)
            assert nothing is None
        G, shift = normal(rng, (O,), dtype), normal(rng, (O,), dtype)
        for P in (1, 2, 3, 5):
            pieces, biases = normal(rng, (O, P, I), dtype), normal(rng, (O, P), dtype)
            best, which = ops.affine_maxout(X, pieces, biases)
            apart = ops.layernorm(best, G, shift)
            Y, *kept = ops.affine_maxout_layernorm(X, pieces, biases, G, shift)
            for actual, expected in zip((Y, *kept), (apart[0], best, which, *apart[1:])):
                numpy.testing.assert_array_equal(actual, expected)
            alone, *nothing = ops.affine_maxout_layernorm(X, pieces, biases, G, shift, keep=False)
            numpy.testing.assert_array_equal(alone, Y)
            assert nothing == [None] * 4


def test_many_outputs_and_pieces() -> None:
    """More lists of chosen rows than are kept at once."""
    rng = numpy.random.default_rng(20)
    B, O, P, I = 70, 700, 3, 60  # noqa: E741
    X, W, b = integers(rng, (B, I), "float32"), integers(rng, (O, P, I), "float32"), integers(rng, (O, P), "float32")
    which = ops.affine_maxout(X, W, b)[1]
    dY, dW, db = integers(rng, (B, O), "float32"), numpy.zeros_like(W), numpy.zeros_like(b)
    want_dW, want_db = dW.copy(), db.copy()
    want = Ops().backprop_affine_maxout(dY, which, X, W, want_dW, want_db)
    numpy.testing.assert_array_equal(ops.backprop_affine_maxout(dY, which, X, W, dW, db), want)
    numpy.testing.assert_array_equal(dW, want_dW)
    numpy.testing.assert_array_equal(db, want_db)


def test_threads_have_workspaces_of_their_own(blas: str) -> None:
    rng = numpy.random.default_rng(8)
    jobs = [(normal(rng, (150, 90), "float32"), normal(rng, (90, 70 + i), "float32")) for i in range(4)]
    results: List[Any] = [None] * len(jobs)

    def work(i: int) -> None:
        for _ in range(20):
            results[i] = ops.gemm(*jobs[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result, (left, right) in zip(results, jobs):
        assert_product(result, left, right)


def test_provider_of_the_environment_is_active() -> None:
    forced = os.environ.get("THINC_CORE_BLAS")
    assert active_blas() == (forced or describe_blas()["active"])
    if not forced and sys.platform != "darwin":
        assert active_blas() == "native"


def run_python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True)


@pytest.mark.parametrize("name", available_blas())
def test_environment_forces_a_provider(name: str) -> None:
    code = "from thinc_core.backends.cblas import describe_blas as d; print(d()['active'], d()['chosen_by'])"
    assert run_python(code, THINC_CORE_BLAS=name).stdout.split() == [name, "THINC_CORE_BLAS"]


def test_unknown_provider_of_the_environment() -> None:
    result = run_python("import thinc_core.backends", THINC_CORE_BLAS="mkl")
    assert result.returncode == 1
    assert f"THINC_CORE_BLAS: must be one of {available_blas()}; got 'mkl'" in result.stderr


def test_set_blas_errors() -> None:
    before = active_blas()
    with pytest.raises(ValueError, match=r"set_blas: name must be one of .*'native'.*; got 'mkl'$"):
        set_blas("mkl")
    with pytest.raises(ValueError, match="set_blas: name must be one of"):
        set_blas(None)
    if sys.platform != "darwin":
        with pytest.raises(ValueError, match="accelerate does not work here: it is part of macOS"):
            set_blas("accelerate")
    assert active_blas() == before


def test_describe_blas() -> None:
    report = describe_blas()
    assert set(report) == {"active", "chosen_by", "isa", "providers"}
    assert report["isa"] == active_isa()
    works = [name for name, text in report["providers"].items() if not text.startswith("not available")]
    assert works == available_blas()
    if "blis" in works:
        assert "kernel" in report["providers"]["blis"]


def test_openblas_uses_one_thread_only_while_chosen() -> None:
    if "openblas" not in available_blas():
        pytest.skip("NumPy has not loaded an OpenBLAS")
    code = (
        "from thinc_core.backends import cblas; get = cblas._load('openblas').threads[0]; before = get();"
        "cblas.set_blas('openblas'); print(get()); cblas.set_blas('native'); print(get() == before)"
    )
    clean = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "")
    assert run_python(code, THINC_CORE_BLAS="native", **clean).stdout.split() == ["1", "True"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_without_blis_numpy_multiplies_any_dtype(dtype: str) -> None:
    plain = NumpyOps(use_blis=False)
    left, right = (integers(numpy.random.default_rng(12), shape, dtype) for shape in ((5, 7), (3, 7)))
    numpy.testing.assert_array_equal(plain.gemm(left, right, trans2=True), left @ right.T)


def test_cblas_object() -> None:
    assert CBlas.__basicsize__ == object.__basicsize__ + 16  # what compiled dependants expect
    assert ops.cblas() is NumpyOps().cblas() is default_cblas()
    with pytest.raises(TypeError, match="CBlas"):
        pickle.dumps(ops.cblas())


EXTENSION = """
# distutils: language = c++
import numpy
from thinc_core.backends.cblas cimport (
    CBlas, daxpy, dgemm, dscal, saxpy, sgemm, sscal,
)

def run_sgemm(CBlas cblas, bint tA, bint tB, int M, int N, int K, float alpha, float[:, ::1] A, float[:, ::1] B,
              float beta, float[:, ::1] C):
    with nogil:
        sgemm(cblas)(tA, tB, M, N, K, alpha, &A[0, 0], <int>A.shape[1], &B[0, 0], <int>B.shape[1], beta, &C[0, 0],
                     <int>C.shape[1])

def run_dgemm(CBlas cblas, bint tA, bint tB, int M, int N, int K, double alpha, double[:, ::1] A, double[:, ::1] B,
              double beta, double[:, ::1] C):
    with nogil:
        dgemm(cblas)(tA, tB, M, N, K, alpha, &A[0, 0], <int>A.shape[1], &B[0, 0], <int>B.shape[1], beta, &C[0, 0],
                     <int>C.shape[1])

def run_vectors(CBlas cblas, float[::1] x, float[::1] y, double[::1] u, double[::1] v, int n, int incx, int incy):
    with nogil:
        saxpy(cblas)(n, 2, &x[0], incx, &y[0], incy)
        daxpy(cblas)(n, 2, &u[0], incx, &v[0], incy)
        sscal(cblas)(n, 3, &y[0], 2)
        dscal(cblas)(n, 3, &v[0], 2)
"""


@pytest.fixture(scope="module")
def extension(tmp_path_factory: Any) -> Any:
    """A module compiled against cblas.pxd, as another package would be: without our headers."""
    Cython = pytest.importorskip("Cython.Build")
    setuptools = pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("uses_cblas")
    (folder / "uses_cblas.pyx").write_text(EXTENSION)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    source = setuptools.Extension("uses_cblas", [str(folder / "uses_cblas.pyx")], language="c++")
    modules = Cython.cythonize([source], language_level=3, include_path=[root], quiet=True)
    distribution = setuptools.Distribution({"ext_modules": modules})
    command = distribution.get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    try:
        command.run()
    except (setuptools.errors.CompileError, OSError) as error:
        pytest.skip(f"no C++ compiler: {error}")
    sys.path.insert(0, str(folder))
    yield __import__("uses_cblas")
    sys.path.remove(str(folder))


@pytest.mark.slow
def test_extension_calls_gemm(extension: Any, blas: str) -> None:
    """alpha, beta, rows longer than the matrix, and nothing written beside it."""
    rng = numpy.random.default_rng(9)
    for dtype, run in (("float32", extension.run_sgemm), ("float64", extension.run_dgemm)):
        for (M, N, K), tA, tB in product([(1, 1, 1), (5, 7, 3), (60, 50, 33), (100, 97, 20)], [0, 1], [0, 1]):
            A = normal(rng, (K + 2, M + 3) if tA else (M + 2, K + 3), dtype)
            B = normal(rng, (N + 1, K + 5) if tB else (K + 1, N + 5), dtype)
            left, right = (A.T if tA else A)[:M, :K], (B.T if tB else B)[:K, :N]
            for alpha, beta in [(1.0, 0.0), (1.0, 1.0), (0.5, 0.0), (2.0, 0.25), (0.0, 2.0)]:
                C = numpy.full((M + 1, N + 4), SENTINEL, dtype)
                C[:M, :N] = numpy.nan if beta == 0 else normal(rng, (M, N), dtype)
                before = 0.0 if beta == 0 else beta * C[:M, :N].astype("float64")
                run(ops.cblas(), tA, tB, M, N, K, alpha, A, B, beta, C)
                assert_product(C[:M, :N], alpha * left.astype("float64"), right, before)
                assert (C[M:] == SENTINEL).all()
                assert (C[:, N:] == SENTINEL).all()


@pytest.mark.slow
@pytest.mark.parametrize("incx, incy", [(1, 1), (2, 3), (-1, 1), (2, -1)])
def test_extension_calls_axpy_and_scal(extension: Any, blas: str, incx: int, incy: int) -> None:
    rng = numpy.random.default_rng(11)
    n = 9
    x, y = integers(rng, (40,), "float32"), integers(rng, (40,), "float32")
    want = y.copy()
    for i in range(n):
        want[i * incy if incy > 0 else (i - n + 1) * incy] += 2 * x[i * incx if incx > 0 else (i - n + 1) * incx]
    want[: 2 * n : 2] *= 3
    u, v = x.astype("float64"), y.astype("float64")
    extension.run_vectors(ops.cblas(), x, y, u, v, n, incx, incy)
    numpy.testing.assert_array_equal(y, want)
    numpy.testing.assert_array_equal(v, want)
