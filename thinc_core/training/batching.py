"""Corpora as arrays, and batches of them: by count or by words, in an order that depends only on seed and epoch.

With buckets, items of like length come into one batch; the order of the batches is drawn too.
"""

from dataclasses import dataclass, field
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy

from ..types import Ragged
from .errors import UserError

BATCH_UNITS = ("items", "words")


class Batch(NamedTuple):
    """What one training step consumes. X: array or Ragged of rows; Y: the truths; n_rows: how many those are."""

    X: Any
    Y: Any
    n_rows: int


@dataclass(frozen=True)
class Split:
    """One part of a corpus (train, dev or test): all feature rows in one array, with a truth per row or per item.

    X: (N, F) array of any dtype.
    Y: (N,) int32 label ids, or (N, K) float32 amounts; of as many items as there are with per_item.
    lengths: rows per item (the words of each sentence), sums to N; None when every row is an item of its own.
    per_item: whether Y is of items (the topic of a text) and not of rows (the tags of its words).
    """

    X: numpy.ndarray
    Y: numpy.ndarray
    lengths: Optional[numpy.ndarray] = None
    per_item: bool = False
    starts: numpy.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        lengths = numpy.ones(len(self.X), dtype="int32") if self.lengths is None else self.lengths
        wanted = len(lengths) if self.per_item else len(self.X)
        if wanted != len(self.Y):
            what = "Y must have a row per item" if self.per_item else "X and Y must have as many rows"
            raise ValueError(f"split: {what}; got {wanted} and {len(self.Y)}")
        if int(lengths.sum()) != len(self.X):
            raise ValueError(f"split: lengths must sum to the rows of X; got {int(lengths.sum())} and {len(self.X)}")
        object.__setattr__(self, "starts", numpy.concatenate([[0], numpy.cumsum(lengths, dtype="int64")]))

    def __len__(self) -> int:
        """How many items (images, sentences) there are."""
        return len(self.starts) - 1

    @property
    def n_rows(self) -> int:
        """How many rows of Y (images, words, texts) there are."""
        return len(self.Y)

    def head(self, n: int) -> "Split":
        """The first n items; 0 keeps everything."""
        if n <= 0 or n >= len(self):
            return self
        rows, lengths = int(self.starts[n]), None if self.lengths is None else self.lengths[:n]
        return Split(self.X[:rows], self.Y[: n if self.per_item else rows], lengths, self.per_item)

    def take(self, items: numpy.ndarray, ops: Any = None) -> Batch:
        """Gather some items into one batch.

        items: (B,) indices of items, in the order wanted.
        ops: backend to move the arrays to; None leaves them in NumPy.
        """
        rows, lengths = self._rows(items)
        X: Any = self.X[rows]
        Y: Any = self.Y[items if self.per_item else rows]
        if ops is not None and ops.device_type != "cpu":
            X, Y, lengths = ops.asarray(X), ops.asarray(Y), lengths if lengths is None else ops.asarray(lengths)
        return Batch(X if lengths is None else Ragged(X, lengths), Y, len(Y))

    def _rows(self, items: numpy.ndarray) -> Tuple[numpy.ndarray, Any]:
        if self.lengths is None:
            return items, None
        lengths = self.lengths[items]
        # Row k of the batch is row (k - where its item starts in the batch) of the item.
        offsets = self.starts[items] - numpy.concatenate([[0], numpy.cumsum(lengths[:-1], dtype="int64")])
        return numpy.repeat(offsets, lengths) + numpy.arange(int(lengths.sum())), lengths


def epoch_order(n: int, seed: int, epoch: int) -> numpy.ndarray:
    """The order in which epoch number `epoch` visits n items: the same on every machine and after every restart."""
    return numpy.random.default_rng((seed, epoch)).permutation(n)


def batches_by_items(order: numpy.ndarray, size: int) -> List[numpy.ndarray]:
    """Cut an order of items into batches of `size` items; the last one may be smaller."""
    return [order[i : i + size] for i in range(0, len(order), size)]


def batches_by_words(
    order: numpy.ndarray, lengths: Union[Sequence[int], numpy.ndarray], size: int
) -> List[numpy.ndarray]:
    """Cut an order of items into batches of at most `size` rows; an item longer than that is a batch of its own.

    order: (B,) indices of items.
    lengths: rows of every item of the corpus, indexed by item.
    """
    batches, start, total = [], 0, 0
    for position, item in enumerate(order):
        n = int(lengths[item])
        if position > start and total + n > size:
            batches.append(order[start:position])
            start, total = position, 0
        total += n
    return batches + [order[start:]] if start < len(order) else batches


def make_batches(split: Split, order: numpy.ndarray, size: int, unit: str = "items") -> List[numpy.ndarray]:
    """Batches of item indices. size: items or words per batch, as `unit` says ("items" or "words")."""
    if size < 1:
        raise UserError(f"training.batch_size: must be >= 1; got {size}")
    if unit == "items":
        return batches_by_items(order, size)
    if unit == "words":
        return batches_by_words(order, numpy.diff(split.starts), size)
    raise UserError(f'training.batch_unit: must be one of {", ".join(BATCH_UNITS)}; got "{unit}"')


def sorted_by_length(
    order: numpy.ndarray, lengths: Union[Sequence[int], numpy.ndarray], bucket_size: int
) -> numpy.ndarray:
    """The order with every bucket_size items in a row sorted by length, so that batches hold items of like length."""
    by_item = numpy.asarray(lengths)
    buckets = batches_by_items(order, bucket_size)
    return numpy.concatenate([bucket[numpy.argsort(by_item[bucket], kind="stable")] for bucket in buckets] or [order])


def epoch_batches(
    split: Split, size: int, unit: str = "items", *, seed: int, epoch: int, bucket_size: int = 0
) -> List[numpy.ndarray]:
    """The batches of one epoch, shuffled: the same for equal arguments on every machine and after every restart.

    bucket_size: items that are sorted by length together before they are cut into batches, whose order is then drawn
        anew; 0 or 1: none.
    """
    order = epoch_order(len(split), seed, epoch)
    if bucket_size <= 1:
        return make_batches(split, order, size, unit)
    batches = make_batches(split, sorted_by_length(order, numpy.diff(split.starts), bucket_size), size, unit)
    return [batches[i] for i in numpy.random.default_rng((seed, epoch, 1)).permutation(len(batches))]
