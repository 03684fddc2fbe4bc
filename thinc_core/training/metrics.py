"""Scores as plain functions of arrays: precision, recall and F per label or kind of span, confusion, regression."""

from typing import Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

import numpy

Span = Tuple[int, int, str]  # start, end (not included), label


class Counts(NamedTuple):
    """How often a label was guessed right, guessed at all, and true. What would divide by zero is 0."""

    right: int
    guessed: int
    true: int

    @property
    def precision(self) -> float:
        return self.right / self.guessed if self.guessed else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.guessed + self.true
        return 2 * self.right / total if total else 0.0


def micro(counts: Mapping[str, Counts]) -> Counts:
    """The counts of all labels together, so that frequent ones decide."""
    columns = [sum(column) for column in zip(*counts.values())] or [0, 0, 0]
    return Counts(*columns)


def macro(counts: Mapping[str, Counts]) -> Tuple[float, float, float]:
    """Mean precision, recall and F of the labels that were true or guessed at least once: each counts the same."""
    seen = [each for each in counts.values() if each.true or each.guessed]
    if not seen:
        return 0.0, 0.0, 0.0
    rows = [(each.precision, each.recall, each.f1) for each in seen]
    precision, recall, f1 = (sum(column) / len(seen) for column in zip(*rows))
    return precision, recall, f1


def confusion_matrix(truths: numpy.ndarray, guesses: numpy.ndarray, n_labels: int) -> numpy.ndarray:
    """How often each label (row) was taken for each (column). Rows of truths that are -1, unknown, do not count.

    truths, guesses: (N,) label ids below n_labels.
    RETURNS: (n_labels, n_labels) int64.
    RAISES: ValueError for ids that are no labels.
    """
    if len(truths) != len(guesses):
        raise ValueError(f"confusion_matrix: must have a guess per truth; got {len(guesses)} and {len(truths)}")
    known = truths >= 0
    pairs = truths[known].astype("int64") * n_labels + guesses[known]
    worst = max((int(each[known].max(initial=0)) for each in (truths, guesses)), default=0)
    if worst >= n_labels and known.any():
        raise ValueError(f"confusion_matrix: ids must be below n_labels = {n_labels}; got {worst}")
    return numpy.bincount(pairs, minlength=n_labels * n_labels).reshape(n_labels, n_labels)


def counts_of_labels(truths: numpy.ndarray, guesses: numpy.ndarray, labels: Sequence[str]) -> Dict[str, Counts]:
    """Counts of each label. truths: -1 is a label that nobody can guess: the guess there is wrong."""
    n = len(labels)
    right = numpy.bincount(truths[truths == guesses], minlength=n)
    guessed, true = numpy.bincount(guesses, minlength=n), numpy.bincount(truths[truths >= 0], minlength=n)
    return {label: Counts(int(right[i]), int(guessed[i]), int(true[i])) for i, label in enumerate(labels)}


def counts_of_spans(truths: Iterable[Sequence[Span]], guesses: Iterable[Sequence[Span]]) -> Dict[str, Counts]:
    """Counts of each kind of span, over sentences. A span is right when start, end and label are."""
    found: Dict[str, List[int]] = {}
    for true, guessed in zip(truths, guesses):
        true_set, guessed_set = set(true), set(guessed)
        for column, spans in enumerate((true_set & guessed_set, guessed_set, true_set)):
            for _, _, label in spans:
                found.setdefault(label, [0, 0, 0])[column] += 1
    return {label: Counts(*found[label]) for label in sorted(found)}


def regression_scores(truths: numpy.ndarray, guesses: numpy.ndarray) -> Dict[str, float]:
    """r2: part of the variance that the guesses explain; mae, rmse: mean absolute and root mean squared error.

    truths, guesses: (N, K); r2 is the mean over the K columns, and 0 for a column of equal truths.
    """
    error = guesses.astype("float64") - truths
    around_mean = ((truths - truths.mean(axis=0, dtype="float64")) ** 2).sum(axis=0)
    explained = 1 - (error**2).sum(axis=0) / numpy.where(around_mean > 0, around_mean, 1)
    r2 = numpy.where(around_mean > 0, explained, 0.0).mean()
    return {
        "r2": float(r2),
        "mae": float(numpy.abs(error).mean()),
        "rmse": float(numpy.sqrt((error**2).mean())),
    }
