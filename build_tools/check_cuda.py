"""nvcc takes every .cu file, for every generation of GPUs; nothing spills; float kernels hold no FP64 instruction.

Needs nvcc, no GPU. The instructions are looked at when there is a cuobjdump too
(pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm). Where there is NVRTC (pip install nvidia-cuda-nvrtc==13.0.*),
each file is also compiled as CuPy does it, a module for each dtype: it refuses some of what nvcc takes. With --table it
prints what each file needs on each generation.
"""

import argparse
import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from .environment import ROOT

SOURCES = ROOT / "thinc_core" / "backends" / "cuda"
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
# 177: each file uses a part of common.cuh.
FLAGS = ["-std=c++17", "-cubin", "-Xptxas", "-v", "-diag-suppress", "177", "-Werror", "all-warnings"]
FP64 = re.compile(r"D(?:ADD|MUL|FMA|SETP|MNMX)\b|F2F\.F64|F2F\.\w+\.F64|I2F\.F64|F2I\.F64|MUFU\.\w+64H")


def tool(name: str) -> Optional[str]:
    """A program of the CUDA toolkit, beside this Python, on the path or where the toolkit is installed."""
    packages = [str(path) for folder in sys.path for path in Path(folder or ".").glob("nvidia/*/bin")]
    places = [str(Path(sys.executable).parent), *packages, os.environ.get("PATH", ""), "/usr/local/cuda/bin"]
    return shutil.which(name, path=os.pathsep.join(places))


def readable() -> bool:
    """Whether the instructions in a cubin can be listed."""
    return tool("cuobjdump") is not None and tool("nvdisasm") is not None


class Looked(NamedTuple):
    """What was found out of one file on one generation: the most registers of a kernel, bytes spilt, FP64 instructions
    in kernels that are not for float64."""

    problems: List[str]
    kernels: int = 0
    registers: int = 0
    spilt: int = 0
    doubles: int = 0


def look(source: Path, architecture: int, folder: Path) -> Looked:
    name = f"{source.name} for sm_{architecture}"
    written, cubin = folder / f"{source.stem}.cu", folder / f"{source.stem}-{architecture}.cubin"
    command = [str(tool("nvcc")), *FLAGS, f"-arch=sm_{architecture}", "-o", str(cubin), str(written)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        return Looked([f"{name}: nvcc failed\n{done.stderr[-3000:]}"])
    doubled = doubles(cubin) if readable() else {}
    found = [f"{name}: {spill}" for spill in spills(done.stderr)]
    hint = "a number without A(...)?"
    found += [f"{name}: {kernel} must have no FP64 instruction; got {n} ({hint})" for kernel, n in doubled.items()]
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", done.stderr)]
    spilt = sum(map(int, re.findall(r"(\d+) bytes spill stores", done.stderr)))
    return Looked(found, len(registers), max(registers, default=0), spilt, sum(doubled.values()))


def spills(log: str) -> Iterator[str]:
    """Kernels that do not fit into registers, from what ptxas says."""
    kernel = ""
    for line in log.splitlines():
        named = re.search(r"Compiling entry function '(\w+)'|Function properties for (\w+)", line)
        kernel = (named.group(1) or named.group(2)) if named else kernel
        spilt = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if spilt and spilt.groups() != ("0", "0"):
            yield f"{kernel} must not spill; got {line.strip()}"


def doubles(cubin: Path) -> Dict[str, int]:
    """Kernels with FP64 instructions that are not named for them, and with how many."""
    command = [str(tool("cuobjdump")), "-sass", str(cubin)]
    listing = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    counts = {part.split()[0]: len(FP64.findall(part)) for part in listing.split("Function : ")[1:]}
    return {kernel: n for kernel, n in counts.items() if n and "_f64" not in kernel}


class Nvrtc:
    """The compiler that CuPy has at run time; is_there says whether it was found."""

    def __init__(self) -> None:
        self._nvrtc: Optional[ctypes.CDLL] = None
        installed = [path for folder in sys.path for path in Path(folder or ".").glob("nvidia/*/lib/libnvrtc.so.*")]
        for name in [*map(str, installed), "libnvrtc.so"]:
            try:
                for part in Path(name).parent.glob("libnvrtc-builtins.so.*"):  # which it would look for elsewhere
                    ctypes.CDLL(str(part), mode=ctypes.RTLD_GLOBAL)
                self._nvrtc = ctypes.CDLL(name)
                return
            except OSError:
                continue

    @property
    def is_there(self) -> bool:
        return self._nvrtc is not None

    def problem(self, text: str, options: Tuple[str, ...]) -> str:
        """What the compiler has against a text, an empty one if nothing."""
        assert self._nvrtc is not None
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        self._nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"text", 0, None, None)
        status = self._nvrtc.nvrtcCompileProgram(program, len(options), given)
        self._nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        self._nvrtc.nvrtcGetProgramLog(program, log)
        self._nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
        errors = [line for line in log.value.decode().splitlines() if "error" in line]
        return "\n".join(errors) or f"status {status}" if status else ""


def compiled_at_run_time(sources: List[Path]) -> Tuple[int, List[str]]:
    """How many modules NVRTC was given, and what it has against them."""
    from thinc_core.backends.cuda import _device

    nvrtc, found = Nvrtc(), []
    if not nvrtc.is_there:
        return 0, []
    jobs = [(source.stem, dtype) for source in sources for dtype in (*_device.DTYPES, "none")]
    for stem, dtype in jobs:
        options = (*_device.OPTIONS, f"-DDTYPE={dtype}", "-arch=sm_80", "-ftz=true")  # the last two by CuPy
        problem = nvrtc.problem(_device.source(stem), options)
        found += [f"{stem}.cu for {dtype}: NVRTC failed\n{problem}"] if problem else []
    return len(jobs), found


def table(sources: List[Path], looked: List[Looked]) -> str:
    """Per file and generation: most registers of a kernel / bytes spilt / FP64 instructions where none should be."""
    lines = ["".join([f"{'registers/spilt/FP64':22}", *(f"{f'sm_{each}':>12}" for each in ARCHITECTURES)])]
    for i, source in enumerate(sources):
        row = looked[i * len(ARCHITECTURES) : (i + 1) * len(ARCHITECTURES)]
        name = f"{source.name} ({row[0].kernels})"
        lines.append("".join([f"{name:22}", *(f"{f'{x.registers}/{x.spilt}/{x.doubles}':>12}" for x in row)]))
    return "\n".join(lines)


def main(arguments: Optional[List[str]] = None) -> int:
    """Prints every problem; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", action="store_true", help="print registers, spills and FP64 instructions")
    parser.add_argument("names", nargs="*", help="files to look at, such as maxout; without any all of them")
    options = parser.parse_args(arguments)
    if tool("nvcc") is None:
        print("skipped: there is no nvcc (pip install 'cuda-toolkit[nvcc,cccl,cudart]==13.0.*')")
        return 0
    from thinc_core.backends.cuda._device import source as text_of  # what is compiled at run time

    sources = [path for path in sorted(SOURCES.glob("*.cu")) if not options.names or path.stem in options.names]
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            (Path(folder) / source.name).write_text(text_of(source.stem), encoding="utf-8")
        jobs = [(source, architecture, Path(folder)) for source in sources for architecture in ARCHITECTURES]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = list(pool.map(lambda job: look(*job), jobs))
    modules, refused = compiled_at_run_time(sources)
    found = [*(problem for each in looked for problem in each.problems), *refused]
    if options.table:
        print(table(sources, looked))
    notes = f", {modules} modules by NVRTC" if modules else ", NVRTC not found"
    notes += "" if readable() else ", instructions not looked at"
    print(
        "\n".join([*found, f"{len(sources)} files for {len(ARCHITECTURES)} generations{notes}, {len(found)} problems"])
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
