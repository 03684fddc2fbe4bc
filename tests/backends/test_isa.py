"""Every instruction set gives the same bits where that is promised, can be forced by name, and is the one that runs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Set

import numpy
import pytest
from cases import CASES, Case, Draw
from running import call, copied, outputs

from thinc_core.backends import NumpyOps, active_isa, numpy_ops, set_isa, supported_isas

BASELINE = supported_isas()[-1]
OPS = NumpyOps()
# Matrix products and what is fused to them use fused multiply-add where there is one.
FUSED = {
    "gemm",
    "affine",
    "affine_relu",
    "affine_softmax",
    "affine_activation",
    "affine_maxout",
    "affine_maxout_layernorm",
    "backprop_affine",
    "backprop_affine_maxout",
    "backprop_affine_maxout_layernorm",
    "lstm_forward_training",
    "lstm_forward_inference",
    "backprop_lstm",
    "backprop_lstm_states",
    "attention",
    "backprop_attention",
}
SAME_BITS = [case for case in CASES if case.op not in FUSED]


def run(case: Case, rows: int, width: int, dtype: str, isa: str) -> Any:
    set_isa(isa)
    args = copied(case.make(Draw(rows, width, dtype)))
    return outputs(OPS, case, args, call(OPS, case, args))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", SAME_BITS, ids=lambda case: case.name)
def test_same_bits_as_baseline(isa: str, case: Case, dtype: str) -> None:
    for rows, width in [(1, 1), (3, 15), (5, 33), (70, 96)]:
        here, there = (run(case, rows, width, dtype, name) for name in (isa, BASELINE))
        for name, array in here.items():
            numpy.testing.assert_array_equal(array, there[name], err_msg=f"{name} at {rows} x {width}")


def test_the_forced_one_runs() -> None:
    if "THINC_CORE_ISA" in os.environ:
        assert active_isa() == os.environ["THINC_CORE_ISA"]
    assert active_isa() in supported_isas()


def test_set_isa(isa: str) -> None:
    assert active_isa() == isa


def test_set_isa_refuses_what_it_does_not_know() -> None:
    before = active_isa()
    with pytest.raises(ValueError, match=rf"set_isa: name must be one of .*'{BASELINE}'.*; got 'mmx'"):
        set_isa("mmx")
    assert active_isa() == before


def run_python(code: str, isa: str) -> Any:
    environment = {**os.environ, "THINC_CORE_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", supported_isas())
def test_environment_variable_chooses(name: str) -> None:
    done = run_python("from thinc_core.backends import active_isa; print(active_isa())", name)
    assert done.stdout.strip() == name, done.stderr


def test_environment_variable_that_cannot_be_honoured() -> None:
    done = run_python("import thinc_core.backends", "avx9000")
    assert done.returncode != 0
    assert "THINC_CORE_ISA" in done.stderr
    assert BASELINE in done.stderr
    assert "avx9000" in done.stderr


ON_X86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="instruction sets of x86-64")
FEATURES: Dict[str, Set[str]] = {
    "avx2": {"avx2", "fma", "bmi2"},
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"},
}


@ON_X86
@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="reads the features of the processor in /proc")
def test_whatever_the_processor_has_is_used() -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
    expected = [name for name in ("avx512", "avx2") if FEATURES[name] <= flags]
    assert supported_isas() == [*expected, "baseline"]


@ON_X86
def test_kernels_use_wide_registers() -> None:
    """In the compiled module, whatever this processor has: registers of 32 and of 64 bytes, and fused products."""
    objdump = shutil.which("objdump")
    if objdump is None or sys.platform != "linux":
        pytest.skip("reads the module with objdump")
    if "THINC_CORE_SANITIZED" in os.environ:
        pytest.skip("a module with sanitizers is hardly optimised")
    code = subprocess.run([objdump, "-d", "--no-show-raw-insn", numpy_ops.__file__], capture_output=True, text=True)
    for what in ("%ymm", "%zmm", "vfmadd"):
        assert code.stdout.count(what) > 1000, f"{what} {code.stderr}"
