"""`thinc-core info`: versions and what computes on this machine, for bug reports."""

import argparse
import os
import platform
import sys
from importlib import metadata
from typing import Any, List, Tuple

HELP = "show versions, processor, BLAS, threads and GPU"
PACKAGES = ("numpy", "blis", "murmurhash", "cymem", "preshed", "confection", "catalogue", "srsly")
EXTRAS = ("tqdm", "matplotlib", "cupy", "torch", "pydantic")
VARIABLES = (
    "THINC_CORE_ISA",
    "THINC_CORE_BLAS",
    "THINC_CORE_NUM_THREADS",
    "THINC_CORE_DETERMINISTIC",
    "THINC_CORE_CHECK",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "CUPY_CACHE_DIR",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:
    rows = collect()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


def collect() -> List[Tuple[str, str]]:
    """(name, value) of everything that a bug report should say."""
    from ..about import __version__
    from ..backends import active_isa, get_current_ops, get_num_threads, supported_isas

    return [
        ("thinc_core", f"{__version__} in {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}"),
        ("python", f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"),
        ("platform", f"{platform.platform()}, {os.cpu_count()} CPUs"),
        ("packages", ", ".join(filter(None, map(_version, PACKAGES)))),
        ("extras", ", ".join(filter(None, map(_version, EXTRAS))) or "none"),
        ("backend", backend_line(get_current_ops())),
        ("instructions", f"{active_isa()} (this CPU can do {', '.join(supported_isas())})"),
        *blas_lines(),
        ("threads", f"{get_num_threads()} per operation"),
        *gpu_lines(),
        ("environment", ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ) or "-"),
    ]


def backend_line(ops: Any) -> str:
    """The backend in a few words: "numpy, avx512, native BLAS"."""
    from ..backends import active_isa
    from ..backends.cblas import active_blas

    if ops.device_type == "cpu":
        return f"{ops.name}, {active_isa()}, {active_blas()} BLAS"
    return f"{ops.name}, gpu {ops.device_id}: {gpu_name(ops.device_id)}"


def blas_lines() -> List[Tuple[str, str]]:
    """Which library multiplies matrices and who chose it; then what is known of each."""
    from ..backends.cblas import describe_blas

    about = describe_blas()
    providers = [(f"  {name}", text) for name, text in about["providers"].items()]
    return [("blas", f"{about['active']}, chosen by {about['chosen_by']}"), *providers]


def gpu_name(number: int) -> str:
    """What a device calls itself."""
    import cupy

    return str(cupy.cuda.runtime.getDeviceProperties(number)["name"].decode())


def gpu_lines() -> List[Tuple[str, str]]:
    """Each GPU with its memory, then the versions that kernels are compiled with; or why there is none to use."""
    from ..backends import gpu_problem
    from ..backends.cuda import is_deterministic

    problem = gpu_problem()
    if problem:
        return [("gpu", f"not used: {problem}")]
    import cupy

    runtime = cupy.cuda.runtime
    lines = []
    for number in range(runtime.getDeviceCount()):
        with cupy.cuda.Device(number) as device:
            free, total = runtime.memGetInfo()
            capability, memory = device.compute_capability, f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        lines.append(
            (f"  gpu {number}", f"{gpu_name(number)}, compute capability {capability[:-1]}.{capability[-1]}, {memory}")
        )
    driver, toolkit = (_cuda_version(each()) for each in (runtime.driverGetVersion, runtime.runtimeGetVersion))
    modes = [name for name, on in (("deterministic", is_deterministic()), ("checking", _is_checking())) if on]
    cuda = f"driver for CUDA {driver}, runtime {toolkit}, kernels compiled by {_nvrtc_version()}"
    return [("gpu", f"{len(lines)} CUDA device{'s' if len(lines) > 1 else ''}"), *lines, ("  cuda", cuda)] + (
        [("  modes", ", ".join(modes))] if modes else []
    )


def _cuda_version(number: int) -> str:
    """13.0 of 13000."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _is_checking() -> bool:
    return os.environ.get("THINC_CORE_CHECK") == "1"


def _nvrtc_version() -> str:
    """The compiler of kernels, or why there is none: CuPy brings it only when asked to."""
    from cupy.cuda import nvrtc

    try:
        return "NVRTC {}.{}".format(*nvrtc.getVersion())
    except Exception as error:  # of every kind, where the library is missing or broken
        return f"nothing yet: {str(error).splitlines()[0] if str(error) else type(error).__name__}"


def _version(package: str) -> str:
    """ "numpy 2.4.6", or "" when it is not installed; CuPy's distributions are named after CUDA versions."""
    names = (package, *(f"cupy-cuda{cuda}" for cuda in ("12x", "13x", "11x"))) if package == "cupy" else (package,)
    for name in names:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return ""
