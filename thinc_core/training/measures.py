"""How the answers of a task are scored: labels, spans or amounts. The first score decides which model is the best."""

from itertools import pairwise
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy

from .batching import Split
from .bio import OUTSIDE, spans_of
from .metrics import Counts, Span, confusion_matrix, counts_of_labels, counts_of_spans, macro, micro, regression_scores

TINY = 1e-12  # keeps the logarithm of a probability of zero finite
MOST_IN_MATRIX = 200  # labels of a confusion matrix


class Measure:
    """What `fit` and `evaluate` need to know of a task. Subclasses say what is in the rows of a model's output.

    formats: how each score is shown, in the order of `values`.
    """

    formats: Mapping[str, str]

    def loss(self, outputs: Any, truths: Any, xp: Any = numpy) -> Any:
        """What training makes smaller, summed over rows whose truth is known. RETURNS: 0-d array."""
        raise NotImplementedError

    def answers(self, outputs: numpy.ndarray) -> numpy.ndarray:
        """What is kept of the outputs (N, nO) of a batch: one answer per row."""
        raise NotImplementedError

    def known(self, truths: numpy.ndarray) -> numpy.ndarray:
        """Which rows have a truth that the model could give as an answer. RETURNS: (N,) bool."""
        return numpy.ones(len(truths), dtype=bool)

    def values(self, split: Split, answers: numpy.ndarray) -> Dict[str, float]:
        """The scores of answers to all rows of a split."""
        raise NotImplementedError

    def baseline(self, train: Split, other: Split) -> Tuple[str, numpy.ndarray]:
        """What needs no model: its name and its answers to `other`. The scores to beat."""
        raise NotImplementedError

    def counts(self, split: Split, answers: numpy.ndarray) -> Dict[str, Counts]:
        """Precision, recall and F of each label; empty where there are no labels."""
        return {}

    def confusion(self, split: Split, answers: numpy.ndarray) -> Optional[numpy.ndarray]:
        """How often each label was taken for each other, or None."""
        return None


class LabelMeasure(Measure):
    """A label per row. outputs: (N, number of labels) probabilities; truths: (N,) ids, -1 for a label not known."""

    formats = {"accuracy": "{:.2%}"}

    def __init__(self, labels: Sequence[str] = (), *, macro_f: bool = False) -> None:
        """macro_f: also give the mean F of the labels, for those that differ much in number."""
        self.labels = list(labels)
        if macro_f:
            self.formats = {**self.formats, "macro_f": "{:.2%}"}

    def loss(self, outputs: Any, truths: Any, xp: Any = numpy) -> Any:
        picked = outputs[xp.arange(len(truths)), truths]
        return -xp.log(xp.maximum(picked, TINY)).sum()

    def answers(self, outputs: numpy.ndarray) -> numpy.ndarray:
        return outputs.argmax(axis=1)

    def known(self, truths: numpy.ndarray) -> numpy.ndarray:
        return truths >= 0

    def values(self, split: Split, answers: numpy.ndarray) -> Dict[str, float]:
        values = {"accuracy": int((answers == split.Y).sum()) / max(len(answers), 1)}
        if "macro_f" in self.formats:
            values["macro_f"] = macro(self.counts(split, answers))[2]
        return values

    def baseline(self, train: Split, other: Split) -> Tuple[str, numpy.ndarray]:
        most = int(numpy.bincount(train.Y[train.Y >= 0]).argmax())
        return f'always "{self._names(most + 1)[most]}"', numpy.full(len(other.Y), most, dtype="int64")

    def counts(self, split: Split, answers: numpy.ndarray) -> Dict[str, Counts]:
        highest = max(int(each.max(initial=-1)) for each in (split.Y, answers))
        return counts_of_labels(split.Y, answers, self._names(highest + 1))

    def confusion(self, split: Split, answers: numpy.ndarray) -> Optional[numpy.ndarray]:
        if len(self.labels) > MOST_IN_MATRIX:
            return None
        return confusion_matrix(split.Y, answers, len(self.labels))

    def _names(self, at_least: int) -> List[str]:
        return self.labels + [str(i) for i in range(len(self.labels), at_least)]


class SpanMeasure(LabelMeasure):
    """Spans of words, marked by a tag per word. Scored are whole spans; accuracy is that of the tags."""

    formats = {"span_f": "{:.2%}", "precision": "{:.2%}", "recall": "{:.2%}", "accuracy": "{:.2%}"}

    def values(self, split: Split, answers: numpy.ndarray) -> Dict[str, float]:
        total = micro(self.counts(split, answers))
        tags = super().values(split, answers)
        return {"span_f": total.f1, "precision": total.precision, "recall": total.recall, **tags}

    def counts(self, split: Split, answers: numpy.ndarray) -> Dict[str, Counts]:
        return counts_of_spans(self._spans(split, split.Y), self._spans(split, answers))

    def _spans(self, split: Split, ids: numpy.ndarray) -> Iterator[List[Span]]:
        # An unknown tag of the truth is -1: it stands for a span that the model cannot find.
        names = [*self._names(int(ids.max(initial=-1)) + 1), "B-?"]
        tags = [names[i] for i in ids.tolist()]
        return (spans_of(tags[start:end]) for start, end in pairwise(split.starts.tolist()))

    def baseline(self, train: Split, other: Split) -> Tuple[str, numpy.ndarray]:
        if OUTSIDE not in self.labels:
            return super().baseline(train, other)
        return "no spans", numpy.full(len(other.Y), self.labels.index(OUTSIDE), dtype="int64")


class AmountMeasure(Measure):
    """Numbers. outputs and truths: (N, K), in units of `scale` from `mean`; scores are in the units of the data."""

    formats = {"r2": "{:.4f}", "mae": "{:.5g}", "rmse": "{:.5g}"}

    def __init__(self, mean: Any = 0.0, scale: Any = 1.0) -> None:
        """mean, scale: (K,) float, or one number for all columns."""
        self.mean, self.scale = numpy.asarray(mean, dtype="float64"), numpy.asarray(scale, dtype="float64")

    def loss(self, outputs: Any, truths: Any, xp: Any = numpy) -> Any:
        """Squared error, mean over the K numbers of a row."""
        return xp.square(outputs - truths).mean(axis=1).sum()

    def answers(self, outputs: numpy.ndarray) -> numpy.ndarray:
        return outputs

    def restore(self, amounts: numpy.ndarray) -> numpy.ndarray:
        """Outputs or truths in the units of the data."""
        return amounts * self.scale + self.mean

    def values(self, split: Split, answers: numpy.ndarray) -> Dict[str, float]:
        return regression_scores(self.restore(split.Y), self.restore(answers))

    def baseline(self, train: Split, other: Split) -> Tuple[str, numpy.ndarray]:
        mean = train.Y.mean(axis=0, dtype="float64")
        return "always the mean", numpy.broadcast_to(mean, other.Y.shape)
