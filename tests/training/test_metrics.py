"""Scores against figures worked out by hand and against plain loops; tags and spans."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinc_core.training.batching import Split
from thinc_core.training.bio import bio_tags, spans_of, to_bio
from thinc_core.training.evaluation import score_baseline
from thinc_core.training.measures import AmountMeasure, LabelMeasure, SpanMeasure
from thinc_core.training.metrics import (
    Counts,
    confusion_matrix,
    counts_of_labels,
    counts_of_spans,
    macro,
    micro,
    regression_scores,
)

LABELS = ["a", "b", "c"]
IDS = st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 2)), max_size=40)


def test_precision_recall_and_f() -> None:
    counts = Counts(right=3, guessed=4, true=6)
    assert (counts.precision, counts.recall, counts.f1) == (0.75, 0.5, pytest.approx(0.6))
    assert (Counts(0, 0, 0).precision, Counts(0, 0, 0).recall, Counts(0, 0, 0).f1) == (0, 0, 0)


def test_averages_weigh_labels_by_number_or_not() -> None:
    counts = {"a": Counts(8, 10, 8), "b": Counts(0, 0, 2), "never": Counts(0, 0, 0)}
    assert micro(counts) == Counts(8, 10, 10)
    assert macro(counts) == pytest.approx((0.4, 0.5, 8 / 9 / 2))
    assert (micro({}), macro({})) == (Counts(0, 0, 0), (0.0, 0.0, 0.0))


@given(IDS)
def test_counts_and_confusion_are_those_of_a_loop(pairs: list[tuple[int, int]]) -> None:
    truths, guesses = (numpy.array([pair[i] for pair in pairs], dtype="int64") for i in range(2))
    matrix = confusion_matrix(truths, guesses, 3)
    counts = counts_of_labels(truths, guesses, LABELS)
    for i, label in enumerate(LABELS):
        right = sum(pair == (i, i) for pair in pairs)
        assert counts[label] == (right, sum(g == i for _, g in pairs), sum(t == i for t, _ in pairs))
        for j in range(3):
            assert matrix[i, j] == sum(pair == (i, j) for pair in pairs)


def test_confusion_refuses_what_are_no_labels() -> None:
    with pytest.raises(ValueError, match="below n_labels = 2; got 2"):
        confusion_matrix(numpy.array([0, 2]), numpy.array([0, 0]), 2)
    with pytest.raises(ValueError, match="a guess per truth; got 1 and 2"):
        confusion_matrix(numpy.array([0, 1]), numpy.array([0]), 2)


def test_regression_scores() -> None:
    truths, guesses = numpy.array([[1.0], [2.0], [6.0]]), numpy.array([[1.0], [3.0], [4.0]])
    assert regression_scores(truths, guesses) == pytest.approx({"r2": 1 - 5 / 14, "mae": 1.0, "rmse": (5 / 3) ** 0.5})
    assert regression_scores(truths[:1], guesses[:1])["r2"] == 0
    assert regression_scores(truths, truths)["r2"] == 1


@pytest.mark.parametrize(
    "tags, spans",
    [
        ("O B-X I-X O", [(1, 3, "X")]),
        ("B-X B-X I-Y", [(0, 1, "X"), (1, 2, "X"), (2, 3, "Y")]),
        ("I-X I-X O I-X", [(0, 2, "X"), (3, 4, "X")]),  # IOB, as in CoNLL-2000
        ("S-X B-Y I-Y E-Y E-X", [(0, 1, "X"), (1, 4, "Y"), (4, 5, "X")]),  # BIOES
        ("U-X B-Y L-Y", [(0, 1, "X"), (1, 3, "Y")]),  # BILOU
        ("B-X O I-X", [(0, 1, "X"), (2, 3, "X")]),
        ("", []),
    ],
)
def test_spans_of_every_kind_of_tags(tags: str, spans: list[tuple[int, int, str]]) -> None:
    assert spans_of(tags.split()) == spans
    assert spans_of(to_bio(tags.split())) == spans


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.sampled_from("XY-")), max_size=8))
def test_bio_tags_are_read_back(parts: list[tuple[int, int, str]]) -> None:
    spans, end = [], 0
    for gap, length, label in parts:
        spans.append((end + gap, end + gap + length, label))
        end += gap + length
    assert spans_of(bio_tags(spans, end)) == spans


def test_bad_tags_and_spans() -> None:
    for tag in ("X", "B-", "BX", "Q-X", ""):
        with pytest.raises(ValueError, match="a tag must be O or a letter"):
            spans_of([tag])
    with pytest.raises(ValueError, match="must not overlap"):
        bio_tags([(0, 2, "X"), (1, 3, "Y")], 3)
    with pytest.raises(ValueError, match="within the 2 words"):
        bio_tags([(1, 3, "X")], 2)


def test_spans_count_as_wholes() -> None:
    true = [[(0, 2, "X"), (3, 4, "Y")], [(0, 1, "X")]]
    guessed = [[(0, 2, "X"), (3, 5, "Y")], [(0, 1, "Y")]]
    assert counts_of_spans(true, guessed) == {"X": (1, 1, 2), "Y": (0, 2, 1)}


def spans_split(tags: list[list[int]]) -> Split:
    lengths = numpy.array([len(each) for each in tags], dtype="int32")
    ids = numpy.array([tag for each in tags for tag in each], dtype="int32")
    return Split(numpy.zeros((len(ids), 1)), ids, lengths)


def test_the_span_measure_ends_spans_with_the_sentence() -> None:
    measure = SpanMeasure(["B-X", "I-X", "O"])
    split = spans_split([[2, 0], [1, 1]])  # the span of the first sentence does not go on in the second
    perfect = measure.values(split, split.Y)
    assert perfect == {"span_f": 1, "precision": 1, "recall": 1, "accuracy": 1}
    assert measure.values(split, numpy.array([2, 0, 1, 2])) == {
        "span_f": 0.5, "precision": 0.5, "recall": 0.5, "accuracy": 0.75,
    }  # fmt: skip
    assert score_baseline(measure, split, split)[0] == "no spans"
    assert score_baseline(measure, split, split)[1].main == 0
    unknown = spans_split([[-1, 2]])
    assert measure.values(unknown, numpy.array([2, 2]))["recall"] == 0
    assert measure.counts(unknown, numpy.array([2, 2]))["?"] == (0, 0, 1)


def test_amounts_are_scored_in_the_units_of_the_data() -> None:
    measure = AmountMeasure([10.0], [2.0])
    split = Split(numpy.zeros((3, 1)), numpy.array([[-1.0], [0.0], [1.0]], dtype="float32"))
    values = measure.values(split, split.Y + numpy.array([[0.5], [0.0], [0.0]]))
    assert values["mae"] == pytest.approx(1 / 3)
    assert float(measure.loss(split.Y + 2, split.Y)) == pytest.approx(12)
    name, scores = score_baseline(measure, split, split)
    assert (name, scores.main) == ("always the mean", pytest.approx(0))
    assert scores.texts()["r2"] == "0.0000"


def test_mean_f_of_labels_and_labels_without_names() -> None:
    split = Split(numpy.zeros((4, 1)), numpy.array([0, 0, 0, 1]))
    values = LabelMeasure(macro_f=True).values(split, numpy.zeros(4, dtype="int64"))
    assert values == pytest.approx({"accuracy": 0.75, "macro_f": (6 / 7 + 0) / 2})
