"""Scoring a model on a split: its answers, the scores of its task, with the averaged weights when there are any."""

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional

import numpy

from ..model import Model
from ..types import Ragged
from .batching import Split, batches_by_words
from .measures import LabelMeasure, Measure

ROWS_PER_BATCH = 2048  # enough to keep the matrix products busy, small enough to stay in the cache


@dataclass(frozen=True)
class Scores:
    """What came out of an evaluation.

    values: the scores of the task; the first decides which model is the best.
    loss: mean per row: cross-entropy in nats, or squared error. n_rows, seconds: what was predicted, and how long.
    answers: of the model, row by row.
    """

    values: Mapping[str, float]
    loss: float
    n_rows: int
    seconds: float
    answers: numpy.ndarray = field(repr=False)
    formats: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def main_name(self) -> str:
        """The name of the score that decides."""
        return next(iter(self.values))

    @property
    def main(self) -> float:
        """The score that decides; more is better."""
        return self.values[self.main_name]

    @property
    def accuracy(self) -> float:
        """Fraction of rows labelled right. RAISES: KeyError where the task has no labels."""
        return self.values["accuracy"]

    @property
    def rows_per_second(self) -> float:
        return self.n_rows / max(self.seconds, 1e-9)

    def texts(self) -> Dict[str, str]:
        """The scores as people read them."""
        return {name: self.formats.get(name, "{:.5g}").format(value) for name, value in self.values.items()}


def rows_of(Y: Any) -> Any:
    """The (N, nO) array inside a model's output, be it an array or a Ragged."""
    return Y.dataXd if isinstance(Y, Ragged) else Y


@contextmanager
def averaged(model: Model, optimizer: Any) -> Iterator[Model]:
    """The model with the optimizer's running averages as its parameters, for as long as the block lasts."""
    averages = getattr(optimizer, "averages", None)
    if not averages:
        yield model
    else:
        with model.use_params(averages):
            yield model


def predict_rows(model: Model, split: Split) -> Iterator[numpy.ndarray]:
    """The model's output for all rows of a split, batch by batch in order, as NumPy arrays."""
    lengths = numpy.diff(split.starts)
    for items in batches_by_words(numpy.arange(len(split)), lengths, ROWS_PER_BATCH):
        yield model.ops.to_numpy(rows_of(model.predict(split.take(items, model.ops).X)))


def predict_labels(model: Model, split: Split) -> numpy.ndarray:
    """The most likely label id of every row. RETURNS: (N,) int64."""
    found: List[numpy.ndarray] = [probabilities.argmax(axis=1) for probabilities in predict_rows(model, split)]
    return numpy.concatenate(found) if found else numpy.zeros(0, dtype="int64")


def evaluate(model: Model, split: Split, measure: Optional[Measure] = None) -> Scores:
    """Scores and loss over a split. A label the model does not know (-1) counts as wrong and not to the loss.

    measure: how answers are scored; None: as labels.
    """
    measure = LabelMeasure() if measure is None else measure
    began = time.perf_counter()
    loss, done, known_rows = 0.0, 0, 0
    answers: List[numpy.ndarray] = []
    for outputs in predict_rows(model, split):
        truths = split.Y[done : done + len(outputs)]
        done += len(outputs)
        answers.append(measure.answers(outputs))
        known = measure.known(truths)
        known_rows += int(known.sum())
        loss += float(measure.loss(outputs[known], truths[known]))
    seconds = time.perf_counter() - began
    found = numpy.concatenate(answers) if answers else numpy.zeros(split.Y.shape, dtype=split.Y.dtype)
    values = measure.values(split, found)
    return Scores(values, loss / max(known_rows, 1), done, seconds, found, measure.formats)


def score_baseline(measure: Measure, train: Split, other: Split) -> "tuple[str, Scores]":
    """The name and the scores of what needs no model."""
    name, answers = measure.baseline(train, other)
    return name, Scores(measure.values(other, answers), 0.0, other.n_rows, 0.0, answers, measure.formats)
