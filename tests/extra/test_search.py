"""Beam: what it keeps, compared with a plain-Python search and with trying everything; what it refuses; its memory."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
from typing import Any, List

import numpy
import pytest
from beam_oracle import Numbers, OracleBeam, softmax
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy import float32

from thinc_core.extra.search import Beam

FEW = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])  # so that scores are often equal
MANY = st.floats(-20, 20, width=32)
Example = Any


@st.composite
def searches(draw: Any) -> Example:
    """Sizes, a transition system, and the three tables of a few steps."""
    nr_class, width, steps = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 6))
    shape = steps * width * nr_class
    system = {
        "modulus": draw(st.sampled_from([2, 5, 20, 1000])),
        "limit": draw(st.integers(1, 6)),
        "stop": draw(st.sampled_from([0, 0, 3, 4])),
    }
    scores = draw(st.lists(draw(st.sampled_from([FEW, MANY])), min_size=shape, max_size=shape))
    valid = draw(st.lists(st.sampled_from([0, 1, 1, 1]), min_size=shape, max_size=shape))
    costs = draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 0.5, -1.0]), min_size=shape, max_size=shape))
    tables = [
        numpy.array(values, dtype).reshape(steps, width, nr_class)
        for values, dtype in ((scores, "f"), (valid, "i"), (costs, "f"))
    ]
    density = draw(st.sampled_from([0.0, 0.0, 0.001, 0.1, 0.5, 1.0]))
    return nr_class, width, density, system, tables, draw(st.booleans())


def assert_same(beam: Beam, oracle: OracleBeam, toy: Any) -> None:
    states = oracle.states
    assert toy.states(beam) == [state.seen() for state in states]
    assert beam.histories == [state.history for state in states] + [[]] * (oracle.width - len(states))
    assert beam.scores == [float(state.score) for state in states]
    assert (beam.score, beam.min_score) == (float(states[0].score), float(states[-1].score))
    assert beam.loss == float(states[0].loss)
    assert beam.probs == pytest.approx(softmax([state.score for state in states]), rel=1e-12)
    assert (len(beam), beam.is_done, toy.step_count(beam)) == (len(states), oracle.is_done, oracle.t)


@given(example=searches())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_like_the_plain_search(toy: Any, example: Example) -> None:
    nr_class, width, density, system, (scores, valid, costs), hashing = example
    numbers, arithmetic = Numbers(**system), toy.Toy(**system)
    beam, oracle = Beam(nr_class, width, density), OracleBeam(numbers, nr_class, width, density)
    toy.initialize(beam, arithmetic)
    toy.check_done(beam, arithmetic)
    oracle.check_done()
    for step in range(len(scores)):
        toy.set_table(beam, scores[step], valid[step], costs[step])
        assert toy.steps(beam) == [(float(score), index) for score, index in oracle.steps(scores[step], valid[step])]
        if not oracle.advance(scores[step], valid[step], costs[step], hashing):
            with pytest.raises(AssertionError, match=r"Beam\.advance: a state must have a valid class; got none"):
                toy.advance(beam, arithmetic)
            return
        toy.advance(beam, arithmetic, "value" if hashing else "none")
        toy.check_done(beam, arithmetic)
        oracle.check_done()
        assert_same(beam, oracle, toy)
        assert not numpy.any(toy.tables(beam))


def test_wide_beam_finds_what_trying_everything_finds(toy: Any) -> None:
    nr_class, steps = 3, 4
    arithmetic, beam = toy.Toy(modulus=10**6), Beam(nr_class, nr_class**steps)
    toy.initialize(beam, arithmetic)
    scores = numpy.random.RandomState(0).uniform(-1, 1, (steps, nr_class)).astype("f")
    for row in scores:
        for place, clas in itertools.product(range(len(beam)), range(nr_class)):
            toy.set_cell(beam, place, clas, row[clas], 1, 0)
        toy.advance(beam, arithmetic)
    paths = sorted(itertools.product(range(nr_class), repeat=steps), key=lambda path: -path_score(scores, path))
    assert beam.histories[0] == list(paths[0])
    assert beam.scores == pytest.approx([path_score(scores, path) for path in paths], abs=1e-6)


def path_score(scores: Any, path: Any) -> float:
    return float(sum(float(scores[step, clas]) for step, clas in enumerate(path)))


def test_finished_state_goes_on_at_its_average_pace(toy: Any) -> None:
    beam, arithmetic = Beam(2, 2), toy.Toy(limit=2)
    toy.initialize(beam, arithmetic)
    for _ in range(2):
        toy.set_row(beam, 0, float32([3, 0]), numpy.int32([1, 0]), float32([0, 0]))
        toy.advance(beam, arithmetic)
        toy.check_done(beam, arithmetic)
    assert (beam.score, beam.is_done) == (6.0, True)
    toy.advance(beam, arithmetic)
    assert (beam.scores, beam.histories) == ([9.0], [[0, 0], []])


def test_reused_place_is_not_finished(toy: Any) -> None:
    """A finished state that is overtaken leaves its place to one that is not finished."""
    beam, arithmetic = Beam(2, 2), toy.Toy(stop=156)  # 5 becomes 156 by class 0, 157 by class 1
    toy.initialize(beam, arithmetic)
    tables = numpy.array([[0, 5], [0, 0]], "f"), numpy.ones((2, 2), "i"), numpy.zeros((2, 2), "f")
    toy.set_table(beam, *tables)
    toy.advance(beam, arithmetic)
    toy.check_done(beam, arithmetic)
    assert [state[2] for state in toy.states(beam)] == [False, True]
    for _ in range(2):
        toy.set_table(beam, *tables)
        toy.advance(beam, arithmetic)
        assert [state[2] for state in toy.states(beam)] == [False, False]


@pytest.mark.parametrize("hashing, kept", [("none", 3), ("zero", 3), ("value", 2)])
def test_states_of_equal_hash_are_one(toy: Any, hashing: str, kept: int) -> None:
    beam, arithmetic = Beam(3, 3), toy.Toy(modulus=2, start=4)  # values 1, 0, 1: hashes 2, 1, 2
    toy.initialize(beam, arithmetic)
    toy.set_row(beam, 0, float32([3, 2, 1]), numpy.int32([1, 1, 1]), float32([0, 0, 0]))
    toy.advance(beam, arithmetic, hashing)
    assert (len(beam), beam.scores) == (kept, [3.0, 2.0, 1.0][:kept])


def test_hash_1_is_equal_to_none(toy: Any) -> None:
    beam, arithmetic = Beam(3, 3), toy.Toy(modulus=1)
    toy.initialize(beam, arithmetic)
    toy.set_row(beam, 0, float32([3, 2, 1]), numpy.int32([1, 1, 1]), float32([0, 0, 0]))
    toy.advance(beam, arithmetic)
    assert len(beam) == 3


def test_new_beam() -> None:
    beam = Beam(3, 2, min_density=0.5)
    assert (len(beam), beam.score, beam.min_score, beam.loss, beam.is_done) == (1, 0.0, 0.0, 0.0, False)
    assert (beam.scores, beam.probs, beam.histories, beam.min_density) == ([0.0], [1.0], [[], []], 0.5)
    beam.min_density = 0.25
    assert beam.min_density == 0.25


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0)])
def test_sizes_of_zero(sizes: Any) -> None:
    with pytest.raises(AssertionError, match="nr_class and width must be >= 1; got"):
        Beam(*sizes)


@pytest.mark.parametrize("sizes", [(2**62, 8), (8, 2**62), (2**33, 2**33), (2**63, 2**63), (2**64 - 1, 1)])
def test_sizes_that_cannot_fit(sizes: Any) -> None:
    with pytest.raises(MemoryError):
        Beam(*sizes)


@pytest.mark.parametrize("sizes, error", [((-1, 3), OverflowError), (("a", 3), TypeError), ((3,), TypeError)])
def test_sizes_that_are_none(sizes: Any, error: Any) -> None:
    with pytest.raises(error):
        Beam(*sizes)


def test_collected_without_states() -> None:
    """In a process of its own: what is wrong here ends the process."""
    script = """
import gc
from thinc_core.extra.search import Beam
for make in (lambda: Beam(3, 2), lambda: Beam.__new__(Beam)):
    beam = make()
    del beam
beam = Beam(3, 2)
beam.histories.append(beam)
del beam
gc.collect()
beam = Beam.__new__(Beam)
for name in ("score", "min_score", "loss"):
    try:
        getattr(beam, name)
    except IndexError as error:
        assert "must be a state" in str(error)
assert (len(beam), beam.scores, beam.probs) == (0, [], [])
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr


def test_steps_need_states(toy: Any) -> None:
    for beam in (Beam(3, 2), Beam.__new__(Beam)):
        assert toy.has_state(beam, 0) is False
        for step in (toy.advance, toy.check_done):
            with pytest.raises(RuntimeError, match=f"Beam.{step.__name__}: .*call initialize first"):
                step(beam, toy.Toy())
    with pytest.raises(RuntimeError, match="must be called once, after __init__"):
        toy.initialize(Beam.__new__(Beam), toy.Toy())


def test_only_once(toy: Any) -> None:
    beam = Beam(3, 2)
    with pytest.raises(RuntimeError, match="__init__ must be called once"):
        beam.__init__(3, 2)  # type: ignore[misc]
    toy.initialize(beam, toy.Toy())
    with pytest.raises(RuntimeError, match=r"Beam\.initialize: must be called once"):
        toy.initialize(beam, toy.Toy())


@pytest.mark.parametrize("i, j", [(-1, 0), (2, 0), (0, -1), (0, 3), (2**31 - 1, 2**31 - 1)])
def test_cell_outside(toy: Any, i: int, j: int) -> None:
    with pytest.raises(IndexError, match=rf"Beam\.set_cell: i, j must be below 2, 3; got {i}, {j}"):
        toy.set_cell(Beam(3, 2), i, j, 0, 1, 0)


@pytest.mark.parametrize("i", [-1, 2])
def test_row_outside(toy: Any, i: int) -> None:
    with pytest.raises(IndexError, match=rf"Beam\.set_row: i must be in \[0, 2\); got {i}"):
        toy.set_row(Beam(3, 2), i, numpy.zeros(3, "f"), numpy.zeros(3, "i"), numpy.zeros(3, "f"))


def test_state_outside(toy: Any) -> None:
    beam = Beam(3, 2)
    toy.initialize(beam, toy.Toy())
    assert [toy.has_state(beam, i) for i in (-1, 0, 1, 2)] == [False, True, True, False]


def test_tables_are_copied(toy: Any) -> None:
    """Each of the three has values of its own: costs were once copied as if they were integers."""
    beam = Beam(3, 2)
    scores, costs = numpy.arange(6, dtype="f").reshape(2, 3) + 0.5, numpy.full((2, 3), 0.1, "f")
    valid = numpy.array([[1, 0, 7], [0, -1, 1]], "i")
    toy.set_table(beam, scores, valid, costs)
    assert toy.tables(beam) == (scores.tolist(), valid.tolist(), costs.tolist())
    toy.set_row(beam, 1, scores[0], valid[0], costs[0] * 2)
    expected = [scores[0].tolist()] * 2, [valid[0].tolist()] * 2, [costs[0].tolist(), (costs[0] * 2).tolist()]
    assert toy.tables(beam) == expected
    toy.set_cell(beam, 1, 2, -1.5, 3, 0.25)
    assert [table[1][2] for table in toy.tables(beam)] == [-1.5, 3, 0.25]


def test_nothing_changes_without_a_step(toy: Any) -> None:
    beam, arithmetic = Beam(2, 2), toy.Toy()
    toy.initialize(beam, arithmetic)
    with pytest.raises(AssertionError):
        toy.advance(beam, arithmetic)
    toy.set_row(beam, 0, float32([1, numpy.nan]), numpy.int32([1, 1]), float32([0, 0]))
    with pytest.raises(ValueError, match="got NaN for step 1 "):
        toy.advance(beam, arithmetic)
    assert (len(beam), beam.histories, toy.step_count(beam)) == (1, [[], []], 0)
    toy.set_cell(beam, 0, 1, 2, 1, 0)
    toy.advance(beam, arithmetic)
    assert beam.histories == [[1], [0]]


def test_infinite_scores(toy: Any) -> None:
    beam, arithmetic = Beam(2, 2, 0.1), toy.Toy()
    toy.initialize(beam, arithmetic)
    toy.set_row(beam, 0, float32([-numpy.inf, -numpy.inf]), numpy.int32([1, 1]), float32([0, 0]))
    toy.advance(beam, arithmetic)
    assert beam.histories == [[1], [0]]


FAILURES = ["transition", "transition 2", "hash", "hash 2", "finish", "finish 2"]


@pytest.mark.parametrize("fail", FAILURES)
def test_exceptions_pass_and_states_are_let_go_of(toy: Any, fail: str) -> None:
    beam, arithmetic = Beam(2, 3), toy.Toy(fail=fail)
    toy.initialize(beam, arithmetic)
    toy.set_row(beam, 0, float32([1, 2]), numpy.int32([1, 1]), float32([0, 0]))
    if fail.startswith("finish"):
        toy.advance(beam, arithmetic)
    step = toy.check_done if fail.startswith("finish") else toy.advance
    with pytest.raises(RuntimeError, match=fail.split()[0]):
        step(beam, arithmetic)
    assert len(beam.scores) == len(beam) == len(toy.states(beam))
    toy.mark(beam, 7)
    toy.deleted.clear()
    del beam
    assert toy.deleted == [7] * 6


@pytest.mark.parametrize("made", range(6))
def test_failed_initialize_lets_go_of_what_was_made(toy: Any, made: int) -> None:
    beam, arithmetic = Beam(2, 3), toy.Toy(fail=f"init {made + 1}")
    with pytest.raises(RuntimeError, match="init"):
        toy.initialize(beam, arithmetic)
    with pytest.raises(RuntimeError, match="call initialize first"):
        toy.advance(beam, arithmetic)
    toy.deleted.clear()
    del beam
    assert len(toy.deleted) == made


def test_failing_del_func_is_reported_and_the_rest_let_go_of(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reports: List[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reports.append(report.exc_value))
    beam = Beam(2, 3)
    toy.initialize(beam, toy.Toy())
    toy.mark(beam, 666)
    toy.deleted.clear()
    del beam
    assert toy.deleted == [666] * 6
    assert [str(error) for error in reports] == ["delete"] * 6


class OwnBeam(Beam):
    """A subclass has a dictionary, and with it cycles."""


def test_states_outlive_a_broken_cycle(toy: Any) -> None:
    beam = OwnBeam(2, 3)
    beam.itself = beam  # type: ignore[attr-defined]
    toy.initialize(beam, toy.Toy())
    toy.mark(beam, 11)
    toy.deleted.clear()
    del beam
    gc.collect()
    assert toy.deleted == [11] * 6


def test_a_beam_in_its_own_histories(toy: Any) -> None:
    """A collector breaks this cycle at the beam's own fields: its states must see their memory all the same."""
    beam = Beam(2, 3)
    toy.initialize(beam, toy.Toy())
    beam.histories.append(beam)  # type: ignore[arg-type]
    toy.mark(beam, 13)
    toy.deleted.clear()
    del beam
    gc.collect()
    assert toy.deleted == [13] * 6
