"""Races between the threads of a kernel, which ThreadSanitizer finds: there are none, and each barrier is needed."""

from __future__ import annotations

from typing import Any, List

import pytest
from cuda_emulation import races, sources

from thinc_core.backends.cuda import _device

pytestmark = pytest.mark.skipif(races.problem() is not None, reason=str(races.problem()))

STEMS = sorted(path.stem for path in _device.SOURCES.glob("*.cu"))
SHARING = [stem for stem in STEMS if sources.sharing_kernels(stem)]
COMMON = "common.cuh"
BARRIERS = [(barrier.line, COMMON) for barrier in sources.barriers(SHARING[0], COMMON)]
BARRIERS += [(barrier.line, f"{stem}.cu") for stem in STEMS for barrier in sources.barriers(stem, f"{stem}.cu")]
# Why kernels are right without the barrier in that line.
NOT_NEEDED = {("gemm.cu", 200): "a block has one share: there are never more shares than blocks"}
# Kernels for blocks of more threads or rows of more columns than there are here, and whose barriers they have.
OTHER_BLOCKS = {
    "backprop_affine_maxout_layernorm_wide_": "layernorm_wide",
    "affine_softmax_wide_": "softmax_wide",
}


def _barrier(line: int, file: str) -> Any:
    return pytest.param(line, file, marks=[] if file == "reduce.cu" else [pytest.mark.slow], id=f"{line}-{file}")


def _stem(stem: str) -> Any:
    """Slow without shared memory and barriers, where threads meet only by writing to the same place of an array."""
    return pytest.param(stem, marks=[] if stem in SHARING else [pytest.mark.slow])


@pytest.mark.parametrize("stem", [_stem(stem) for stem in STEMS])
def test_threads_do_not_race(stem: str) -> None:
    """Also the threads of different blocks, which run at once."""
    (job,) = races.found([races.Job(stem, str(races.library()), [stem])])
    assert job.reports == []
    assert job.wrong == ""
    wanted = [start for start in sources.sharing_kernels(stem) if start not in OTHER_BLOCKS]
    undone = [start for start in wanted if not any(name.startswith(start) for name in job.launched)]
    assert undone == [], "kernels with barriers or shared memory that no row of cases.py launches"


@pytest.mark.parametrize(
    "line, file",
    [_barrier(*each) for each in BARRIERS if each[::-1] not in NOT_NEEDED],
)
def test_a_missing_barrier_is_a_race(line: int, file: str) -> None:
    """Of each barrier that is removed, at the lines that it was between, in some file that it is compiled into."""
    seen: List[Any] = []
    for stem in SHARING if file == COMMON else [file[: -len(".cu")]]:
        barrier = next(each for each in sources.barriers(stem, file) if each.line == line)
        (job,) = races.found([races.Job(stem, str(races.library({stem: barrier.text})), [stem])], first=True)
        seen += job.reports
        if job.reports:
            break
    near = [report for report in seen if any(_near(place, file, line) for place in report.split())]
    assert near, f"the barrier in line {line} of {file} seems not to be needed; reports: {seen}"


def _near(place: str, file: str, line: int) -> bool:
    name, _, number = place.partition(":")
    return name == file and abs(int(number) - line) < 100
