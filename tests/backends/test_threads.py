"""Any number of threads gives the same bits; forks, exits, interrupts and other Python threads do no harm."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List

import numpy
import pytest
from cases import CASES, Case, Draw
from running import call, check, copied, drawn, outputs

from thinc_core.backends import NumpyOps, get_num_threads, set_num_threads

OPS = NumpyOps()
# Rows and width: enough work for several parts along either axis.
TALL, WIDE = (3000, 150), (9, 40_000)
MOST_THREADS = 3
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads in /proc")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


def results(case: Case, rows: int, width: int, dtype: str, threads: int) -> Dict[str, Any]:
    set_num_threads(threads)
    args = copied(case.make(Draw(rows, width, dtype)))
    return outputs(OPS, case, args, call(OPS, case, args))


def assert_same_bits(case: Case, rows: int, width: int, dtype: str) -> None:
    alone = results(case, rows, width, dtype, 1)
    for threads in (2, MOST_THREADS):
        for name, array in results(case, rows, width, dtype, threads).items():
            numpy.testing.assert_array_equal(array, alone[name], err_msg=f"{name} with {threads} threads")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_bits_for_any_number_of_threads(case: Case, dtype: str) -> None:
    assert_same_bits(case, *TALL, dtype)


# A product of a wide matrix with itself, or steps of so many units, would take minutes.
NARROW_ONLY = re.compile("gemm|affine|lstm|position_encode|tile")


@pytest.mark.parametrize("case", [c for c in CASES if not NARROW_ONLY.search(c.op)], ids=lambda case: case.name)
def test_same_bits_when_there_are_few_rows(case: Case) -> None:
    assert_same_bits(case, *WIDE, "float32")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_values_of_parts(case: Case) -> None:
    """Against the reference, at a size that is divided."""
    set_num_threads(MOST_THREADS)
    check(OPS, case, drawn(case, 1500, 140, "float32"))


def test_the_setting_is_read_back() -> None:
    for n in (1, 3, 2):
        set_num_threads(n)
        assert get_num_threads() == n


@pytest.mark.parametrize("wrong", [0, -1, 1025, 2**70])
def test_a_number_that_makes_no_sense(wrong: int) -> None:
    set_num_threads(2)
    with pytest.raises(ValueError, match=rf"^set_num_threads: n must be in \[1, 1024\]; got {wrong}$"):
        set_num_threads(wrong)
    assert get_num_threads() == 2


@pytest.mark.parametrize("wrong", ["2", 2.0, None])
def test_no_number(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"^set_num_threads: n must be an integer; got "):
        set_num_threads(wrong)


# What follows needs a process of its own.

START = """
import os, signal, sys, threading, time
import numpy
from thinc_core.backends import NumpyOps, get_num_threads, set_num_threads
ops = NumpyOps()
X = numpy.random.default_rng(0).standard_normal((4000, 96)).astype("f")
W = numpy.ones((96, 96), "f")
alone = [ops.mish(X), ops.gemm(X, W)]

def works():
    return all((a == b).all() for a, b in zip(alone, [ops.mish(X), ops.gemm(X, W)]))

def tasks():
    return os.listdir("/proc/self/task")
"""


def run(code: str, timeout: float = 60, **variables: str) -> List[str]:
    """Words that a program prints; it must end well, and in time."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", START + code],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()


def test_environment_variable() -> None:
    assert run("print(get_num_threads())", THINC_CORE_NUM_THREADS="3") == ["3"]


@pytest.mark.parametrize("value, said", [("0", "in [1, 1024]; got 0"), ("two", "an integer; got 'two'")])
def test_environment_variable_that_makes_no_sense(value: str, said: str) -> None:
    environment = {**os.environ, "THINC_CORE_NUM_THREADS": value}
    code = [sys.executable, "-c", "import thinc_core.backends"]
    done = subprocess.run(code, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode != 0
    assert f"ValueError: THINC_CORE_NUM_THREADS: it must be {said}" in done.stderr


@needs_proc
def test_threads_are_started_when_first_needed_and_no_more() -> None:
    counts = run("""
print(len(tasks()))
set_num_threads(3)
ops.mish(X[:10])
print(len(tasks()))
works()
print(len(tasks()))
set_num_threads(1)
works()
time.sleep(0.5)
print(len(tasks()))
""")
    at_first, small_work, large_work, after = map(int, counts)
    assert (small_work - at_first, large_work - at_first, after - at_first) == (0, 2, 0)


@needs_proc
def test_signals_are_left_to_the_interpreter() -> None:
    blocked = run("""
before = set(tasks())
set_num_threads(2)
works()
(worker,) = set(tasks()) - before
status = open(f"/proc/self/task/{worker}/status").read()
print(int(status.split("SigBlk:")[1].split()[0], 16) >> (signal.SIGINT - 1) & 1)
""")
    assert blocked == ["1"]


@needs_fork
def test_a_forked_child_computes() -> None:
    """With threads that sleep, that spin, and that never were in the parent; the child forks once more."""
    said = run("""
set_num_threads(2)
for pause in (None, 0.0, 0.2):
    if pause is not None:
        assert works()
        time.sleep(pause)
    child = os.fork()
    if child == 0:
        good = works() and works()
        grandchild = os.fork()
        if grandchild == 0:
            os._exit(0 if works() else 1)
        os._exit(0 if good and os.waitpid(grandchild, 0)[1] == 0 else 1)
    print(os.waitpid(child, 0)[1], works())
""")
    assert said == ["0", "True"] * 3


@needs_fork
def test_a_fork_while_other_threads_are_computing() -> None:
    said = run(
        """
set_num_threads(2)
going = True

def work():
    while going:
        works()

others = [threading.Thread(target=work) for _ in range(2)]
for other in others:
    other.start()
states = []
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if works() else 1)
    states.append(os.waitpid(child, 0)[1])
going = False
for other in others:
    other.join()
print(sum(states), works())
""",
        THINC_CORE_BLAS="native",
    )  # the locks of BLIS do not survive a fork in the middle of a product
    assert said == ["0", "True"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing(method: str, tmp_path: Path) -> None:
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    (tmp_path / "job.py").write_text(START + "\ndef job(_):\n    return works()\n")
    said = run(
        f"""
if __name__ == "__main__":
    sys.path.insert(0, {str(tmp_path)!r})
    import job, multiprocessing
    set_num_threads(2)
    assert works()
    with multiprocessing.get_context("{method}").Pool(2) as pool:
        print(*pool.map_async(job.job, range(8)).get(timeout=50), works())
""",
        THINC_CORE_NUM_THREADS="2",
    )
    assert said == ["True"] * 9


def test_the_process_ends_whatever_the_threads_do() -> None:
    """Right after a job, while workers spin, and later, while they sleep."""
    for pause in ("0", "0.3"):
        assert run(f"set_num_threads(4); print(works()); time.sleep({pause})", timeout=30) == ["True"]


def test_python_threads_at_once() -> None:
    """Whoever finds the pool taken computes alone; nobody gets another's results."""
    rng = numpy.random.default_rng(0)
    inputs = [rng.standard_normal((1500 + 100 * i, 96)).astype("f") for i in range(4)]
    set_num_threads(1)
    wanted = [(OPS.mish(X), OPS.gemm(X, X, trans2=True)) for X in inputs]
    right: List[bool] = []

    def work(X: Any, mish: Any, product: Any) -> None:
        for _ in range(10):
            good = (OPS.mish(X) == mish).all() and (OPS.gemm(X, X, trans2=True) == product).all()
            right.append(bool(good))

    set_num_threads(2)
    threads = [threading.Thread(target=work, args=(X, *pair)) for X, pair in zip(inputs, wanted)]
    for thread in threads:
        thread.start()
    for n in (1, 3, 2, 1, 2):  # meanwhile somebody changes the setting
        set_num_threads(n)
        assert (OPS.mish(inputs[0]) == wanted[0][0]).all()
    for thread in threads:
        thread.join()
    assert right == [True] * 40


def test_the_pool_has_no_data_race(tmp_path: Path) -> None:
    """threads.cpp alone, under ThreadSanitizer, which ends a program at the first race with status 66."""
    folder = Path(__file__).resolve().parent
    program, pool = tmp_path / "stress", folder.parents[1] / "thinc_core" / "backends" / "cpu" / "threads.cpp"
    flags = ["-std=c++17", "-O1", "-g", "-pthread", "-fsanitize=thread", f"-I{pool.parent}"]
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or not pool.exists():
        pytest.skip("needs the sources and GCC or Clang")
    build = [compiler, *flags, str(pool), str(folder / "threads_stress.cpp"), "-o", str(program)]
    built = subprocess.run(build, capture_output=True, encoding="utf-8")
    if "tsan" in built.stderr and built.returncode != 0:
        pytest.skip("this compiler has no ThreadSanitizer")
    assert built.returncode == 0, built.stderr
    alone = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}  # no other sanitizer
    done = subprocess.run([str(program)], capture_output=True, encoding="utf-8", timeout=120, env=alone)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer cannot run on this kernel")
    assert (done.returncode, done.stdout) == (0, "every part once\n"), done.stderr[:4000]
