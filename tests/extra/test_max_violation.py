"""MaxViolation: check and check_crf over random searches, compared with plain Python."""

from __future__ import annotations

import copy
import pickle
from typing import Any, List, Tuple

import pytest
from beam_oracle import Numbers, OracleBeam, OracleViolation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy import float32, int32

from thinc_core.extra.search import Beam, MaxViolation

Pair = Tuple[Beam, OracleBeam]


def one_step(toy: Any, scores: List[float], costs: List[float], valid: List[int]) -> Pair:
    """A beam and its oracle after one step that takes every valid class."""
    size = len(scores)
    beam, arithmetic, oracle = Beam(size, size), toy.Toy(), OracleBeam(Numbers(), size, size)
    toy.initialize(beam, arithmetic)
    toy.set_row(beam, 0, float32(scores), int32(valid), float32(costs))
    toy.advance(beam, arithmetic)
    oracle.advance([float32(scores)], [valid], [float32(costs)], True)
    return beam, oracle


@st.composite
def rows(draw: Any) -> Any:
    size = draw(st.integers(1, 5))
    scores = draw(st.lists(st.floats(-9, 9, width=32), min_size=size, max_size=size))
    costs = draw(st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 0.5, -1.0]), min_size=size, max_size=size))
    valid = draw(st.lists(st.sampled_from([0, 1, 1]), min_size=size, max_size=size).filter(any))
    return scores, costs, valid


def assert_equal(toy: Any, worst: MaxViolation, oracle: OracleViolation) -> None:
    assert toy.violation(worst) == (float(oracle.cost), float(oracle.delta))
    assert (worst.p_score, worst.g_score) == (oracle.p_score, oracle.g_score)
    assert (worst.p_hist, worst.g_hist) == (oracle.p_hist, oracle.g_hist)
    assert (worst.Z, worst.gZ) == pytest.approx((oracle.Z, oracle.gZ), rel=1e-12)
    assert worst.p_probs == pytest.approx(oracle.p_probs, abs=1e-12)
    assert worst.g_probs == pytest.approx(oracle.g_probs, abs=1e-12)


@pytest.mark.parametrize("method", ["check", "check_crf"])
@given(steps=st.lists(st.tuples(rows(), rows()), min_size=1, max_size=4))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_like_plain_python(toy: Any, method: str, steps: Any) -> None:
    worst, oracle = MaxViolation(), OracleViolation()
    for pred, gold in steps:
        (pred_beam, pred_oracle), (gold_beam, gold_oracle) = one_step(toy, *pred), one_step(toy, *gold)
        assert toy.check(worst, method, pred_beam, gold_beam) == 0
        getattr(oracle, method)(pred_oracle.states, gold_oracle.states)
        assert_equal(toy, worst, oracle)


def test_crf_example(toy: Any) -> None:
    """Class 0 is wrong, 1 and 3 are right but unknown to gold, 2 is in gold with a loss, and so counts nowhere."""
    pred, _ = one_step(toy, [0.0, 1.0, 2.0, 3.0], [2, 0, 0, -1], [1, 1, 1, 1])
    gold, _ = one_step(toy, [4.0, 9.0, 5.0, 9.0], [0, 1, 1, 1], [1, 0, 1, 0])
    worst = MaxViolation()
    worst.check_crf(pred, gold)
    assert worst.p_hist == []  # the best predicted state has no loss
    pred, _ = one_step(toy, [8.0, 1.0, 2.0, 3.0], [2, 0, 0, -1], [1, 1, 1, 1])
    worst.check_crf(pred, gold)
    assert (worst.p_hist, worst.g_hist) == ([[0]], [[3], [1], [0]])
    assert sum(worst.p_probs) + sum(worst.g_probs) == pytest.approx(0, abs=1e-12)


def test_gradients_of_far_scores_are_finite(toy: Any) -> None:
    pred, _ = one_step(toy, [3000.0, 7.0], [2, 1], [1, 1])
    gold, _ = one_step(toy, [2900.0, 0.0], [0, 1], [1, 1])
    worst = MaxViolation()
    worst.check_crf(pred, gold)
    assert (worst.p_probs, worst.g_probs) == ([1.0, 0.0], [-1.0])


def test_new_and_pickled() -> None:
    worst = MaxViolation()
    for same in (worst, pickle.loads(pickle.dumps(worst)), copy.copy(worst)):
        assert (same.p_score, same.g_score, same.Z, same.gZ) == (0.0, 0.0, 0.0, 0.0)
        assert (same.p_hist, same.g_hist, same.p_probs, same.g_probs) == ([], [], [], [])


@pytest.mark.parametrize("method", ["check", "check_crf"])
def test_needs_beams(method: str) -> None:
    check, beam = getattr(MaxViolation(), method), Beam(1, 1)
    for pair in ((None, beam), (beam, None), (3, beam)):
        with pytest.raises(TypeError):
            check(*pair)
    with pytest.raises(IndexError, match="there must be a state; got none"):
        check(Beam.__new__(Beam), beam)
    assert check(pred=beam, gold=beam) == 0


def test_histories_are_copies(toy: Any) -> None:
    pred, _ = one_step(toy, [1.0, 0.0], [1, 0], [1, 1])
    worst = MaxViolation()
    worst.check(pred, pred)
    pred.histories[0].append(5)
    assert worst.p_hist == [0]
