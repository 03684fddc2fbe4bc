"""Races between the threads of a kernel, which ThreadSanitizer finds: there are none, and each barrier is needed."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest
from cuda_emulation import races, sources

from thinc_core.backends.cuda import _device

pytestmark = pytest.mark.skipif(races.problem() is not None, reason=str(races.problem()))

STEMS = sorted(path.stem for path in _device.SOURCES.glob("*.cu"))
SHARING = [stem for stem in STEMS if sources.sharing_kernels(stem)]
COMMON = "common.cuh"
BARRIERS = [(barrier.line, COMMON) for barrier in sources.barriers(SHARING[0], COMMON)]
BARRIERS += [(barrier.line, f"{stem}.cu") for stem in STEMS for barrier in sources.barriers(stem, f"{stem}.cu")]
# Whose teams of threads meet so often that a run with threads of the system takes many minutes.
LONG = {"attention"}
NOT_NEEDED: Dict[Tuple[str, int], str] = {}  # (file, line): why kernels are right without the barrier there


def _marked(stem: str, *values: Any) -> Any:
    return pytest.param(*values, marks=[pytest.mark.slow] if stem in LONG else [])


@pytest.mark.parametrize("stem", [_marked(stem, stem) for stem in STEMS])
def test_threads_do_not_race(stem: str) -> None:
    """Also the threads of different blocks, which run at once."""
    (job,) = races.found([races.Job(stem, str(races.library()), [stem])])
    assert job.reports == []
    assert job.wrong == ""
    undone = [start for start in sources.sharing_kernels(stem) if not any(k.startswith(start) for k in job.launched)]
    assert undone == [], "kernels with barriers or shared memory that no row of cases.py launches"


@pytest.mark.parametrize(
    "line, file",
    [_marked(file[: -len(".cu")], line, file) for line, file in BARRIERS if (file, line) not in NOT_NEEDED],
)
def test_a_missing_barrier_is_a_race(line: int, file: str) -> None:
    """Of each barrier that is removed, at the lines that it was between, in some file that it is compiled into."""
    seen: List[Any] = []
    for stem in sorted(set(SHARING) - LONG) if file == COMMON else [file[: -len(".cu")]]:
        barrier = next(each for each in sources.barriers(stem, file) if each.line == line)
        (job,) = races.found([races.Job(stem, str(races.library({stem: barrier.text})), [stem])])
        seen += job.reports
        if job.reports:
            break
    near = [report for report in seen if any(_near(place, file, line) for place in report.split())]
    assert near, f"the barrier in line {line} of {file} seems not to be needed; reports: {seen}"


def _near(place: str, file: str, line: int) -> bool:
    name, _, number = place.partition(":")
    return name == file and abs(int(number) - line) < 100
