"""The emulator of CUDA kernels: that it computes what a GPU would, and that it finds the usual mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy
import pytest
from any_backend import make_ops
from cases import CASES
from cuda_emulation import build
from cuda_emulation.device import SCHEDULES, EmulatedDevice, emulated_device
from fake_cupy import FAKE
from running import check, drawn

from thinc_core.backends import Ops
from thinc_core.backends.cuda import _device

pytestmark = pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))

KERNELS = """
KERNEL(less_sum_f32, (float* Y, const float* X, i64 rows, i64 width)) {
  SHARED(float, scratch, WARP + 1);
  for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
    float sum = 0.0f;
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) sum += X[r * width + i];
    sum = reduce_block(sum, 0.0f, Sum(), scratch);
    for (i64 i = threadIdx.x; i < width; i += blockDim.x) Y[r * width + i] = X[r * width + i] - sum;
  }
}
template <typename A>
DEVICE A twice_(A x) {
  return x + x;
}
FOR_FLOATS(TWICE)
KERNEL(halves_f32, (f16* H, bf16* B, float* Y, const float* X, i64 n)) {
  for (i64 i = first_index(); i < n; i += stride()) {
    H[i] = from_acc<f16>(X[i]);
    B[i] = from_acc<bf16>(X[i]);
    Y[i] = to_acc(H[i]);
  }
}
KERNEL(philox_words, (u32* W, i64 n, u64 seed)) {
  for (i64 i = first_index(); i < n; i += stride())
    for (int k = 0; k < 4; ++k) W[4 * i + k] = philox(i, seed).w[k];
}
KERNEL(small_indices, (const i64* X, i64 n, i64 limit, ErrorWord* error, i64 ticket)) {
  for (i64 i = first_index(); i < n; i += stride())
    if (X[i] >= limit) report(error, ticket, X[i], i, limit);
}
"""
TWICE = """
#define TWICE(suffix, T, ...) \\
  KERNEL(twice_##suffix, (T * Y, const T* X, i64 n)) { map_elements(Y, n, [](acc<T> x) { return twice_(x); }, X); }
"""
COMMON = (_device.SOURCES / "common.cuh").read_text(encoding="utf-8")


@cache
def library(changes: Tuple[Tuple[str, str], ...] = ()) -> Path:
    """The kernels above, with pieces of the text replaced."""
    text = COMMON + TWICE + KERNELS
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return build.build({"testing": build.translated(text)})


def emulator(*changes: Tuple[str, str], schedule: str = "forward", at_once: bool = True) -> EmulatedDevice:
    return EmulatedDevice(library(changes), schedule, at_once)


def less_sums(device: EmulatedDevice, rows: int = 9, width: int = 100) -> bool:
    """Whether the sums of rows are right in every thread."""
    X = numpy.random.default_rng(0).integers(-9, 9, (rows, width)).astype("float32")
    Y = FAKE.empty((rows, width), dtype="float32")
    device.launch_blocks("testing", "less_sum_f32", rows, Y, FAKE.asarray(X), rows, width)
    return bool((Y.get() == X - X.sum(axis=1, keepdims=True)).all())


def doubled(device: EmulatedDevice, n: int = 37, start: int = 0, dtype: str = "float32") -> bool:
    X = numpy.arange(n + start).astype(dtype)
    Y = FAKE.empty((n,), dtype=dtype)
    suffix = {"float16": "f16", "float32": "f32", "float64": "f64"}[dtype]
    device.launch("testing", f"twice_{suffix}", n, Y, FAKE.asarray(X)[start:], n)
    return bool((Y.get() == 2 * X[start:]).all())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_kernels_are_right_in_every_schedule(schedule: str) -> None:
    device = emulator(schedule=schedule)
    assert less_sums(device)
    for n in (1, 3, 4, 5, 64, 1000, 5000):
        for dtype in ("float16", "float32", "float64"):
            assert doubled(device, min(n, 1000) if dtype == "float16" else n, dtype=dtype)
    assert doubled(device, start=1)  # no 16-byte pieces


BARRIERS = [
    ("if (lane == 0) scratch[warp] = x;\n  __syncthreads();", "if (lane == 0) scratch[warp] = x;"),
    ("  __syncthreads();\n  return scratch[WARP];", "  return scratch[WARP];"),
]


@pytest.mark.parametrize("change", BARRIERS)
def test_a_missing_barrier_gives_wrong_values_in_some_schedule(change: Tuple[str, str]) -> None:
    assert not all(less_sums(emulator(change, schedule=schedule)) for schedule in SCHEDULES)


def test_a_barrier_that_some_threads_do_not_reach_is_found() -> None:
    change = ("sum = reduce_block(", "if (threadIdx.x == 0) __syncthreads(); sum = reduce_block(")
    with pytest.raises(
        RuntimeError, match=r"^less_sum_f32: the launch failed with error 2: threads wait for each other"
    ):
        less_sums(emulator(change))


def test_lanes_that_meet_in_different_functions_are_found() -> None:
    change = ("sum = reduce_block(", "if (threadIdx.x & 1) __syncwarp(); sum = reduce_block(")
    with pytest.raises(RuntimeError, match=r"lanes of one warp meet in different \*_sync functions"):
        less_sums(emulator(change))


LOOP = "for (i64 i = whole * LANES<T> + first_index(); i < n; i += stride())"


@pytest.mark.skipif(bool(build.SANITIZE), reason="a sanitized process ends there")
def test_a_write_beyond_an_output_is_found() -> None:
    with pytest.raises(AssertionError, match=r"twice_f32: it wrote outside of its argument 0, an array of shape"):
        doubled(emulator((LOOP, LOOP.replace("i < n", "i <= n"))))


SHARED_SUM = "SHARED(float, scratch, WARP + 1);"
FOR_SANITIZERS = {  # what each of them says of a wrong line, and the text with and without it
    "heap-buffer-overflow.*READ of size 4": ("doubled", LOOP, LOOP.replace("i < n", "i <= n")),
    "heap-buffer-overflow.*WRITE of size 4": ("doubled", "Y[i] = from_acc<T>(f(", "Y[i + 1] = from_acc<T>(f("),
    "use-after-poison.*WRITE of size 4": ("less_sums", SHARED_SUM, SHARED_SUM.replace(" + 1", "")),
    "signed integer overflow": ("doubled", "return x + x;", "return x + x + A(0) * A((int)x * 0x7fffffff);"),
}


@pytest.mark.skipif(not build.SANITIZE, reason="for python3 -m build_tools check --asan")
@pytest.mark.parametrize("said", FOR_SANITIZERS)
def test_sanitizers_watch_the_kernels(said: str) -> None:
    """In a process of its own, which they end."""
    function, *change = FOR_SANITIZERS[said]
    code = f"import test_cuda_emulation as t; print(t.{function}(t.emulator({tuple(change)!r})))"
    paths = os.pathsep.join(map(str, (build.ROOT, build.HERE.parent, Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert done.returncode
    assert done.stdout == ""
    assert re.search(said, done.stderr, re.DOTALL)


def test_an_output_that_is_not_written_is_found() -> None:
    assert not doubled(emulator((LOOP, LOOP.replace("i < n", "i < n - 1"))))


def test_a_vector_at_an_unaligned_address_is_found() -> None:
    device = emulator(("return (((u64)pointers | ...) & 15) == 0;", "return true;"))
    assert doubled(device)
    with pytest.raises(RuntimeError, match=r"a vector is loaded or stored at an unaligned address"):
        doubled(device, start=1)


def test_arguments_that_are_not_those_of_the_kernel_are_found() -> None:
    device, X = emulator(), FAKE.asarray(numpy.zeros(3, dtype="float32"))
    for args in ((X, X), (X, X, 3, 3), (X, 3.0, 3), (X, X, X)):
        with pytest.raises(TypeError, match=r"^twice_f32: the kernel takes ppl; got "):
            device.launch("testing", "twice_f32", 3, *args)


def test_numbers_of_16_bits_are_rounded_as_numpy_rounds_them() -> None:
    every = numpy.arange(2**16, dtype="uint16").view("float16").astype("float32")
    every = every[numpy.isfinite(every)]
    between = (every + numpy.nextafter(every.astype("float16"), numpy.float16(1)).astype("float32")) / 2
    more = numpy.random.default_rng(0).normal(size=1000).astype("float32") * numpy.float32(10.0) ** numpy.arange(
        -30, 30, 0.06, dtype="float32"
    )
    special = numpy.array(
        [numpy.inf, -numpy.inf, numpy.nan, 65519.9, 65520, 1e-8, -1e-8, 3e38, 3.4e38], dtype="float32"
    )
    X = numpy.concatenate([every, between, more, special])
    n = len(X)
    H, B, Y = FAKE.empty((n,), "float16"), FAKE.empty((n,), "uint16"), FAKE.empty((n,), "float32")
    emulator().launch("testing", "halves_f32", n, H, B, Y, FAKE.asarray(X), n)
    with numpy.errstate(over="ignore"):
        expected = X.astype("float16")
    numpy.testing.assert_array_equal(H.get(), expected)
    numpy.testing.assert_array_equal(Y.get(), expected.astype("float32"))
    bits = X.view("uint32").astype("uint64")
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("uint16")
    kept = ~numpy.isnan(X)
    numpy.testing.assert_array_equal(B.get()[kept], rounded[kept])
    assert numpy.isnan((B.get()[~kept].astype("uint32") << 16).view("float32")).all()


def test_random_words_are_those_of_the_reference() -> None:
    W, seed = FAKE.empty((50, 4), "uint32"), 0xFEDCBA9876543210
    emulator().launch("testing", "philox_words", 50, W, 50, seed)
    numpy.testing.assert_array_equal(W.get(), Ops()._philox(seed, 50))


def report(device: EmulatedDevice, values: list, limit: int = 4) -> None:
    X = FAKE.asarray(numpy.array(values, dtype="int64"))

    def describe(value: int, position: int, limit: int) -> Exception:
        return IndexError(f"{value} at {position}, limit {limit}")

    device.launch_checking("testing", "small_indices", len(values), describe, X, len(values), limit)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_first_fault_is_reported(schedule: str) -> None:
    device = emulator(schedule=schedule)
    report(device, [0, 1, 2, 3])
    with pytest.raises(IndexError, match=r"^7 at 290, limit 4$"):
        report(device, [0] * 290 + [7, 0, 8] + [0] * 20 + [9])
    report(device, [3, 2, 1, 0])


def test_faults_are_raised_at_the_next_look() -> None:
    device = emulator(at_once=False)
    report(device, [0, 9])
    with pytest.raises(IndexError, match=r"^9 at 1, limit 4$"):
        report(device, [8])  # which does not start
    device.errors.look()
    report(device, [5, 6])
    with pytest.raises(IndexError, match=r"^5 at 0, limit 4$"):
        device.errors.look()


def test_a_fault_of_long_ago_still_has_words() -> None:
    device = emulator(at_once=False)
    for _ in range(5000):
        device.errors.ticket(lambda *_: IndexError("of another launch"))
    device.errors.words[...] = [1, 9, 2, 4]
    with pytest.raises(IndexError, match=r"^a kernel met 9, which must be in \[0, 4\), at flat position 2$"):
        device.errors.look()


WITH_BARRIERS = "gather_add softmax layernorm backprop_layernorm reduce_sum reduce_mean reduce_max relu gelu".split()
WITH_BARRIERS += "softmax_sequences backprop_softmax_sequences affine_maxout_layernorm clip_gradient lstm".split()
WITH_BARRIERS += ["attention", "backprop_attention"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("case", [case for case in CASES if case.op in WITH_BARRIERS], ids=lambda case: case.name)
def test_ops_in_every_schedule(case: Any, schedule: str, monkeypatch: Any, restored: Any) -> None:
    ops = make_ops("cuda_emulated", monkeypatch)
    emulated_device().set_schedule(schedule, seed=3)
    for rows, width in ((5, 17), (70, 130)):
        check(ops, case, drawn(case, rows, width, "float32"))


@pytest.fixture
def restored(monkeypatch: Any) -> Any:
    yield
    emulated_device().set_schedule(emulated_device().schedule)


PRODUCTS = {"gemm"}  # CuPy's


def kernels_of(stem: str) -> Dict[str, List[Any]]:
    """Cases of the ops that have a kernel in <stem>.cu, by name of the kernel without its suffix."""
    text = (_device.SOURCES / f"{stem}.py").read_text(encoding="utf-8")
    names = {case.op for case in CASES if f"def {case.op}(" in text} - PRODUCTS
    return {name: [case for case in CASES if case.op == name] for name in sorted(names)}


@pytest.mark.parametrize("stem", sorted(path.stem for path in _device.SOURCES.glob("*.cu")))
def test_methods_launch_their_kernels(stem: str, monkeypatch: Any) -> None:
    """The usual arguments go to a kernel, not to the array code, in every dtype."""
    launched = []
    device = emulated_device()
    for name in ("launch", "launch_blocks"):
        real = getattr(device, name)
        monkeypatch.setattr(device, name, lambda *a, real=real, **k: (launched.append(a[1]), real(*a, **k)))
    ops = make_ops("cuda_emulated", monkeypatch)
    for op, cases in kernels_of(stem).items():
        for dtype in ("float16", "float32", "float64"):
            launched.clear()
            for case in cases:
                check(ops, case, drawn(case, 5, 17, dtype))
            assert launched, f"{op} launches nothing on {dtype}"
