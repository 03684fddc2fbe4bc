"""The extension modules and their compiler flags. Imported by setup.py."""

import os
import sys
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = "thinc_core/backends"
DIRECTIVES = {
    "language_level": 3,
    "embedsignature": False,
    "profile": False,
    "binding": True,
    "freethreading_compatible": True,
}
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]


def sanitizers() -> List[str]:
    """What `build_tools check --asan` adds for the compiler and the linker: the first fault ends the process."""
    wanted = os.environ.get("THINC_CORE_SANITIZE")
    return [f"-fsanitize={wanted}", f"-fno-sanitize-recover={wanted}"] if wanted else []


def compile_flags() -> List[str]:
    """Flags for C++17 without fast-math: NaN and infinity keep their meaning, sums keep their order."""
    if sys.platform == "win32":
        return ["/O2", "/EHsc", "/std:c++17", "/fp:precise"]
    rounding = ["-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off"]
    if sanitizers():
        return [
            "-O1",
            "-g",
            "-pthread",
            "-std=c++17",
            "-fvisibility=hidden",
            "-fno-omit-frame-pointer",
            *sanitizers(),
            *rounding,
        ]
    return ["-O3", "-g0", "-pthread", "-std=c++17", "-fvisibility=hidden", *rounding]


def extensions() -> list:
    """Every extension module, ready for cythonize."""
    import numpy
    from setuptools import Extension

    headers = [str(path.relative_to(ROOT)) for path in (ROOT / "include").rglob("*.*")]
    headers += [str(path.relative_to(ROOT)) for path in (ROOT / BACKENDS / "cpu").glob("*.h")]

    def extension(name: str, *more_sources: str) -> Extension:
        source = name.replace(".", "/") + ".pyx"
        return Extension(
            name,
            [source, *more_sources],
            language="c++",
            include_dirs=["include", BACKENDS, numpy.get_include()],
            define_macros=MACROS,
            extra_compile_args=compile_flags(),
            extra_link_args=[*([] if sys.platform == "win32" else ["-pthread"]), *sanitizers()],
            depends=headers,
        )

    kernels = sorted(str(path.relative_to(ROOT)) for path in (ROOT / BACKENDS / "cpu").glob("*.cpp"))
    return [
        extension("thinc_core.backends.numpy_ops", *kernels),
        extension("thinc_core.backends.cblas"),
        extension("thinc_core.backends._blis"),
        extension("thinc_core.backends.linalg"),
        extension("thinc_core.backends.cuda._launch"),
        extension("thinc_core.extra.search"),
    ]
