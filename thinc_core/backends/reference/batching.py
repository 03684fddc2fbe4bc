"""Minibatches of one sequence or of several in step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, List, Optional, Union

import numpy

from .. import checks
from .arrays import Arrays

if TYPE_CHECKING:
    from ...types import Batchable, SizedGenerator


MOST_EMPTY = 10_000  # batches of size 0: more of them never end


class Batching(Arrays):
    def minibatch(
        self,
        size: Union[int, Iterable[int]],
        sequence: Batchable,
        *,
        shuffle: bool = False,
        buffer: int = 1,
        rng: Optional[numpy.random.Generator] = None,
    ) -> SizedGenerator:
        """Batches of a sequence, which can be iterated over again for each epoch.

        size: items per batch; one number for all, or an iterable, iterator or schedule that gives one after the other.
        sequence: anything with a length: list, tuple, array, Ragged, Padded, Pairs.
        shuffle: in a new order each time.  rng: where orders are drawn from; None is NumPy's global generator.
        buffer: batches to prepare before the first of them is handed out.
        RETURNS: an iterable with a length, the number of batches. Lists give lists, tuples tuples, arrays new arrays.
        RAISES: ValueError at once when the sequence has no length, the size is not positive, or the sizes run out.
        """
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"minibatch: sequence must have a length; got {type(sequence).__name__} (make it a list)")
        sizes = _batch_sizes("minibatch", size, len(sequence))
        orders = self._orders("minibatch", len(sequence), shuffle, rng)
        buffer = checks.integer("minibatch", "buffer", buffer)
        return self._batches(sizes, orders, lambda rows: self._take("minibatch", sequence, rows), buffer)

    def multibatch(
        self,
        size: Union[int, Iterable[int]],
        sequence: Batchable,
        *others: Batchable,
        shuffle: bool = False,
        buffer: int = 1,
        rng: Optional[numpy.random.Generator] = None,
    ) -> SizedGenerator:
        """Batches of several sequences in step: each is a list with one batch per sequence, of the same items.

        size, shuffle, buffer, rng: as in minibatch.  sequence, others: the length is that of the first.
        RETURNS: an iterable with a length, the number of batches.
        RAISES: ValueError at once as minibatch does; IndexError during iteration when another sequence is shorter.
        """
        sequences = (sequence,) + tuple(others)
        for each in sequences:
            if not hasattr(each, "__len__"):
                raise ValueError(
                    f"multibatch: every sequence must have a length; got {type(each).__name__} (make it a list)"
                )
        sizes = _batch_sizes("multibatch", size, len(sequence))

        def take_all(rows: Any) -> List[Any]:
            return [self._take("multibatch", each, rows) for each in sequences]

        orders = self._orders("multibatch", len(sequence), shuffle, rng)
        return self._batches(sizes, orders, take_all, checks.integer("multibatch", "buffer", buffer))

    def _orders(self, op: str, n_items: int, shuffle: bool, rng: Any) -> Callable[[], Any]:
        """What gives the order of the items, anew for each epoch."""
        checks.rng(op, rng)
        shuffle = checks.flag(op, "shuffle", shuffle)
        order = numpy.arange(n_items)

        def draw() -> Any:
            if shuffle:
                (rng or numpy.random).shuffle(order)  # in place: one epoch shuffles the order of the last
            return order

        return draw

    def _batches(
        self, sizes: List[int], orders: Callable[[], Any], take: Callable[[Any], Any], buffer: int
    ) -> SizedGenerator:
        from ...types import SizedGenerator

        def iterate() -> Iterator[Any]:
            order = orders()
            waiting = []
            start = 0
            for n in sizes:
                waiting.append(take(order[start : start + n]))
                start += n
                if len(waiting) >= buffer:
                    yield from waiting
                    waiting = []
            yield from waiting

        return SizedGenerator(iterate, len(sizes))

    def _take(self, op: str, sequence: Any, rows: Any) -> Any:
        """The items at the given rows (int64, on the host), as a container of the same kind."""
        if isinstance(sequence, list):
            return [sequence[i] for i in rows]
        if isinstance(sequence, tuple):
            return tuple(sequence[i] for i in rows)
        try:
            batch = sequence[rows]
        except TypeError:
            found = checks.kind_of(sequence)
            raise checks.KindError(
                f"{op}: a sequence must be a list, tuple, array or batch of them; got {found}"
            ) from None
        return self.as_contig(self.asarray(batch)) if hasattr(batch, "dtype") else batch


def _batch_sizes(op: str, size: Any, n_items: int) -> List[int]:
    """Sizes drawn until they cover all items."""
    if not hasattr(size, "__iter__") and not hasattr(size, "__next__") and not hasattr(size, "to_generator"):
        if int(size) < 1:
            raise ValueError(f"{op}: size must be >= 1; got {size}")
        return [int(size)] * -(-n_items // int(size))
    drawn: Iterator[Any] = iter(size.to_generator() if hasattr(size, "to_generator") else size)
    sizes: List[int] = []
    covered = 0
    while covered < n_items:
        try:
            sizes.append(int(next(drawn)))
        except StopIteration:
            raise ValueError(
                f"{op}: the sizes must cover the {n_items} items; got {covered} in {len(sizes)} batches"
            ) from None
        covered += sizes[-1]
        if len(sizes) > covered + MOST_EMPTY:
            raise ValueError(f"{op}: the sizes must cover the {n_items} items; got {covered} in {len(sizes)} batches")
        if sizes[-1] < 0:
            raise ValueError(f"{op}: every size must be >= 0; got {sizes[-1]} in batch {len(sizes) - 1}")
    return sizes
