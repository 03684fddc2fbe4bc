"""nvcc takes every .cu file, for every generation of GPUs; nothing spills; float kernels hold no FP64 instruction.

Needs nvcc, no GPU. The instructions are looked at when there is a cuobjdump too
(pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator, List, Optional

from .environment import ROOT

SOURCES = ROOT / "thinc_core" / "backends" / "cuda"
ARCHITECTURES = (75, 80, 86, 89, 90, 100, 120)
LOOKED_AT = 80  # whose instructions are read: the choice between float and double is the front end's
# 177: each file uses a part of common.cuh.
FLAGS = ["-std=c++17", "-cubin", "-Xptxas", "-v", "-diag-suppress", "177", "-Werror", "all-warnings"]
FP64 = re.compile(r"D(?:ADD|MUL|FMA|SETP|MNMX)\b|F2F\.F64|F2F\.\w+\.F64|I2F\.F64|F2I\.F64|MUFU\.\w+64H")


def tool(name: str) -> Optional[str]:
    """A program of the CUDA toolkit, beside this Python, on the path or where the toolkit is installed."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/local/cuda/bin"]
    return shutil.which(name, path=os.pathsep.join(places))


def readable() -> bool:
    """Whether the instructions in a cubin can be listed."""
    return tool("cuobjdump") is not None and tool("nvdisasm") is not None


def problems(source: Path, architecture: int, folder: Path) -> List[str]:
    """What is wrong with one file on one generation."""
    name = f"{source.name} for sm_{architecture}"
    written, cubin = folder / f"{source.stem}.cu", folder / f"{source.stem}-{architecture}.cubin"
    command = [str(tool("nvcc")), *FLAGS, f"-arch=sm_{architecture}", "-o", str(cubin), str(written)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        return [f"{name}: nvcc failed\n{done.stderr[-3000:]}"]
    found = [f"{name}: {spill}" for spill in spills(done.stderr)]
    if architecture == LOOKED_AT and readable():
        found += [f"{name}: {kernel}" for kernel in doubles(cubin)]
    return found


def spills(log: str) -> Iterator[str]:
    """Kernels that do not fit into registers, from what ptxas says."""
    kernel = ""
    for line in log.splitlines():
        named = re.search(r"Compiling entry function '(\w+)'|Function properties for (\w+)", line)
        kernel = (named.group(1) or named.group(2)) if named else kernel
        spilt = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line)
        if spilt and spilt.groups() != ("0", "0"):
            yield f"{kernel} must not spill; got {line.strip()}"


def doubles(cubin: Path) -> Iterator[str]:
    """Kernels with FP64 instructions that are not named for them."""
    command = [str(tool("cuobjdump")), "-sass", str(cubin)]
    listing = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    for part in listing.split("Function : ")[1:]:
        kernel, count = part.split()[0], len(FP64.findall(part))
        if count and "_f64" not in kernel:
            yield f"{kernel} must have no FP64 instruction; got {count} (a number without A(...)?)"


def main() -> int:
    """Prints every problem; returns the exit status."""
    if tool("nvcc") is None:
        print("skipped: there is no nvcc (pip install 'cuda-toolkit[nvcc,cccl,cudart]==13.0.*')")
        return 0
    from thinc_core.backends.cuda._device import source as text_of  # what is compiled at run time

    sources = sorted(SOURCES.glob("*.cu"))
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            (Path(folder) / source.name).write_text(text_of(source.stem), encoding="utf-8")
        jobs = [(source, architecture, Path(folder)) for source in sources for architecture in ARCHITECTURES]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = [problem for each in pool.map(lambda job: problems(*job), jobs) for problem in each]
    looked = "" if readable() else ", instructions not looked at"
    print(
        "\n".join([*found, f"{len(sources)} files for {len(ARCHITECTURES)} generations, {len(found)} problems{looked}"])
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
