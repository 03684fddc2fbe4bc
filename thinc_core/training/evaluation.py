"""Scores of a classifier: accuracy and cross-entropy over a split, with the averaged weights when there are any."""

import time
from contextlib import contextmanager
from typing import Any, Iterator, List, NamedTuple

import numpy

from ..model import Model
from ..types import Ragged
from .batching import Split, batches_by_words

ROWS_PER_BATCH = 2048  # enough to keep the matrix products busy, small enough to stay in the cache
TINY = 1e-12  # keeps the logarithm of a probability of zero finite


class Scores(NamedTuple):
    """accuracy: fraction of rows labelled right. loss: mean cross-entropy in nats per row. rows_per_second: predict."""

    accuracy: float
    loss: float
    n_rows: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        return self.n_rows / max(self.seconds, 1e-9)


def rows_of(Y: Any) -> Any:
    """The (N, nO) array inside a model's output, be it an array or a Ragged."""
    return Y.dataXd if isinstance(Y, Ragged) else Y


def cross_entropy(guesses: Any, truths: Any, xp: Any = numpy) -> Any:
    """Sum over rows of -log(probability of the true label). truths: (N,) label ids. RETURNS: 0-d array."""
    picked = guesses[xp.arange(len(truths)), truths]
    return -xp.log(xp.maximum(picked, TINY)).sum()


@contextmanager
def averaged(model: Model, optimizer: Any) -> Iterator[Model]:
    """The model with the optimizer's running averages as its parameters, for as long as the block lasts."""
    averages = getattr(optimizer, "averages", None)
    if not averages:
        yield model
    else:
        with model.use_params(averages):
            yield model


def predict_probabilities(model: Model, split: Split) -> Iterator[Any]:
    """The model's output for all rows of a split, batch by batch in order, as NumPy arrays."""
    lengths = numpy.diff(split.starts)
    for items in batches_by_words(numpy.arange(len(split)), lengths, ROWS_PER_BATCH):
        yield model.ops.to_numpy(rows_of(model.predict(split.take(items, model.ops).X)))


def predict_labels(model: Model, split: Split) -> numpy.ndarray:
    """The most likely label id of every row. RETURNS: (N,) int64."""
    found: List[numpy.ndarray] = [probabilities.argmax(axis=1) for probabilities in predict_probabilities(model, split)]
    return numpy.concatenate(found) if found else numpy.zeros(0, dtype="int64")


def evaluate(model: Model, split: Split) -> Scores:
    """Accuracy and loss over a split. A label the model does not know (-1) counts as wrong and not to the loss."""
    began = time.perf_counter()
    correct, loss, done, known_rows = 0, 0.0, 0, 0
    for probabilities in predict_probabilities(model, split):
        truths = split.Y[done : done + len(probabilities)]
        done += len(probabilities)
        correct += int((probabilities.argmax(axis=1) == truths).sum())
        known = truths >= 0
        known_rows += int(known.sum())
        loss += float(cross_entropy(probabilities[known], truths[known]))
    seconds = time.perf_counter() - began
    return Scores(correct / max(done, 1), loss / max(known_rows, 1), done, seconds)


def majority_accuracy(train: Split, other: Split) -> "tuple[int, float]":
    """The most frequent label of `train`, and the accuracy of always guessing it on `other`: the score to beat."""
    label = int(numpy.bincount(train.Y[train.Y >= 0]).argmax())
    return label, float((other.Y == label).mean())
