"""Kernels under ThreadSanitizer: a thread of the system for each of CUDA's, barriers as the only order between them.

`found` starts a Python with the sanitizer, in which this file runs the rows of cases.py on each of several libraries.
What it reports are accesses of two threads to the same memory, one of them a write, with no barrier between, whatever
values came of it: lines of the kernels.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from thinc_core.backends.cuda import _device

from . import build

NO_RANDOMIZE = 0x0040000  # of personality(2): the sanitizer's shadow memory has to be where it expects it
FLAGS = ("-g", "-fsanitize=thread")
DTYPES = ("f32", "none")  # synchronisation is the same for all dtypes
LONGEST = 200  # seconds; threads that wait for ever are ended
SIZES = ((200, 130), (3, 1100))  # tiles and sequences enough for a block to come round twice; a row for a block
REPORT = "WARNING: ThreadSanitizer"


@dataclass
class Job:
    """A library to look at, with the ops to run; what came of it."""

    name: str
    library: str
    stems: List[str]
    reports: List[str] = field(default_factory=list)  # the lines of kernels that accesses were in, by report
    launched: List[str] = field(default_factory=list)
    wrong: str = ""  # what was wrong with the values


def problem() -> Optional[str]:
    """Why races cannot be looked for on this machine, or None."""
    return build.problem() or (None if _sanitizer() else f"{build.compiler()} has no -fsanitize=thread (libtsan.so)")


def _sanitizer() -> str:
    """The library of ThreadSanitizer, an empty text when there is none."""
    command = [str(build.compiler()), "-print-file-name=libtsan.so"]
    path = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return path if Path(path).is_absolute() else ""


def library(changed: Optional[Dict[str, str]] = None) -> Path:
    """All kernels for threads. changed: other texts for some of the .cu files, by stem."""
    sources = {path.stem: _device.source(path.stem) for path in _device.SOURCES.glob("*.cu")} | (changed or {})
    texts = {
        f"{stem}_{dtype}": f"#define DTYPE {dtype}\n{build.translated(text)}"
        for stem, text in sources.items()
        for dtype in DTYPES
    }
    return build.build(texts, "threads", FLAGS)


def found(jobs: Sequence[Job], first: bool = False) -> Iterator[Job]:
    """The jobs, done. first: each ends at its first report, as there may be thousands."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "races"
        environment = {
            **os.environ,
            "LD_PRELOAD": _sanitizer(),
            "TSAN_OPTIONS": f"log_path={log} exitcode=0 report_signal_unsafe=0",
            "PYTHONPATH": os.pathsep.join([str(build.ROOT), str(build.HERE.parent)]),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        for job in jobs:
            command = [sys.executable, "-m", "cuda_emulation.races", str(log), json.dumps(asdict(job))]
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=_fixed_addresses,
                cwd=build.ROOT,
            )
            with process:
                reports = _reports(process, log, first)
                if reports:
                    yield replace(job, reports=reports)
                    continue
                output, errors = process.communicate()
            if process.returncode:
                raise RuntimeError(f"{job.name}: status {process.returncode}\n{errors[-3000:]}")
            yield Job(**json.loads(output.splitlines()[-1]))


def _reports(process: Any, log: Path, first: bool) -> List[str]:
    """What the log says as soon as it says something, if that is wanted; none when the process ends by itself."""
    for _ in range(LONGEST):
        try:
            process.wait(1)
            return []
        except subprocess.TimeoutExpired:
            path = log.with_name(f"{log.name}.{process.pid}")
            reports = lines_of(path.read_text(errors="replace")) if first and path.exists() else []
            if reports:
                process.kill()
                return reports
    process.kill()
    raise RuntimeError(f"{log.name}: no end after {LONGEST} seconds")


def _fixed_addresses() -> None:
    ctypes.CDLL(None).personality(NO_RANDOMIZE)


def lines_of(log: str) -> List[str]:
    """For each report of the log where its accesses are: "layernorm.cu:12 common.cuh:80"."""
    found = []
    for report in log.split(REPORT)[1:]:
        accesses = re.split(r"(?:Read|Write|read|write) of size", report)[1:3]
        places = [re.search(r"#0 .*?/?([\w.]+\.(?:cu|cuh)):(\d+)", access) for access in accesses]
        if any(places):  # not in the emulator itself
            found.append(" ".join(f"{place[1]}:{place[2]}" for place in places if place))
    return found


def _run(log: Path, job: Job) -> Job:
    """In the process with the sanitizer."""
    import pytest
    from any_backend import make_ops
    from cases import CASES
    from running import check, drawn

    from .device import EmulatedDevice

    device = EmulatedDevice(Path(job.library), blocks=2)
    launched: Dict[str, None] = {}
    for name in ("launch", "launch_blocks"):
        real = getattr(device, name)
        setattr(device, name, lambda *a, real=real, **k: (launched.setdefault(a[1]), real(*a, **k)))
    with pytest.MonkeyPatch.context() as patch:
        ops: Any = make_ops("cuda_emulated", patch, lambda: device)
        for stem in job.stems:
            text = (_device.SOURCES / f"{stem}.py").read_text(encoding="utf-8")
            for case in CASES:
                if f"def {case.op}(" in text:
                    for rows, width in SIZES:
                        try:
                            check(ops, case, drawn(case, rows, width, "float32"))
                        except AssertionError as error:
                            job.wrong = job.wrong or str(error).strip() or case.name
    job.launched = list(launched)
    logs = log.parent.glob(f"{log.name}.{os.getpid()}")
    job.reports = [line for path in logs for line in lines_of(path.read_text(errors="replace"))]
    return job


if __name__ == "__main__":
    print(json.dumps(asdict(_run(Path(sys.argv[1]), Job(**json.loads(sys.argv[2]))))))
