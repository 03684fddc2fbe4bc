"""Where the parameters of a model are: tables for apply_gradients on the device, made once for the same arrays."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

from ..reference.optim import StepRates
from ._arrays import numbers, plain, suffix

# A block takes a chunk. Many chunks keep the card busy, but each adds up what all those of its parameter have found.
LEAST_VALUES, MOST_CHUNKS = 4096, 1024
Lists = Tuple[Sequence[Any], ...]


@dataclass(frozen=True)
class Table:
    """Parameters of one dtype that share their rates. kind: how kernels call the dtype.  wide: what they compute with.
    items, chunks: see optim.cu.  count: of the chunks."""

    kind: str
    wide: str
    items: Any
    chunks: Any
    count: int


@dataclass(frozen=True)
class Plan:
    """What was made for some arrays. firsts: a parameter of each table, to read its rates from.  alive: a weak
    reference to each array; when one of them goes, its id may come back as that of another, and so the plan goes."""

    tables: List[Table]
    firsts: List[int]
    alive: List[Any]


_plans: Dict[Tuple[Any, ...], Plan] = {}


def find_steps(ops: Any, lists: Lists) -> Optional[List[Tuple[Table, StepRates]]]:
    """The tables for the lists of apply_gradients and their rates, as floats; None when kernels cannot take them."""
    *arrays, rates = lists
    if not all(type(each) in (list, tuple) and len(each) == len(rates) for each in lists):
        return None
    pattern = _pattern(rates)
    key = (pattern, *map(id, chain(*arrays)))
    plan = _plans.get(key) or _make_plan(ops, key, arrays, pattern, len(rates))
    if plan is None:
        return None
    steps = [_as_floats(rates[first]) for first in plan.firsts]
    return None if None in steps else list(zip(plan.tables, steps))  # type: ignore[arg-type]


def _pattern(rates: Sequence[Any]) -> Optional[Tuple[int, ...]]:
    """Which parameters have the same rates, by a number for each; None for all of them, as is usual."""
    if all(each is rates[0] for each in rates):
        return None
    numbers_of: Dict[Any, int] = {}
    try:
        return tuple(numbers_of.setdefault(each, len(numbers_of)) for each in rates)
    except TypeError:  # what cannot be hashed is no StepRates
        return tuple(range(len(rates)))


def _as_floats(rates: Any) -> Optional[StepRates]:
    given = numbers(rates) if type(rates) is StepRates else None
    return None if given is None else StepRates(*given)  # type: ignore[arg-type]


def _make_plan(
    ops: Any, key: Tuple[Any, ...], arrays: Sequence[Sequence[Any]], pattern: Optional[Tuple[int, ...]], n: int
) -> Optional[Plan]:
    groups: Dict[Tuple[int, str], List[int]] = {}
    parameters = list(zip(*arrays))
    for i, each in enumerate(parameters):
        kind = _kind(ops, *each)
        if kind is None:
            return None
        if each[0].size:
            groups.setdefault((pattern[i] if pattern else 0, kind), []).append(i)
    given = [X for each in parameters for X in each if X is not None]
    if not _all_apart(given):
        return None
    tables = [_table(ops, kind, [parameters[i] for i in members]) for (_, kind), members in groups.items()]
    alive = [weakref.ref(X, lambda _: _plans.pop(key, None)) for X in given]
    plan = _plans[key] = Plan(tables, [members[0] for members in groups.values()], alive)
    return plan


def _kind(ops: Any, weights: Any, gradient: Any, mom1: Any, mom2: Any, average: Any) -> Optional[str]:
    """The dtype of a parameter whose arrays a kernel can take: moments are of what is computed with, and flat."""
    kind = suffix(ops, weights, gradient, *(() if average is None else (average,)))
    moments = [X for X in (mom1, mom2) if X is not None]
    if kind is None or (mom1 is None and mom2 is not None):
        return None
    if moments and suffix(ops, *moments) != ("f64" if kind == "f64" else "f32"):
        return None
    if not all(X.shape == weights.shape for X in (gradient, average) if X is not None):
        return None
    if not all(X.shape == (weights.size,) for X in moments):
        return None
    return kind if all(plain(X) for X in (weights, gradient, average, *moments) if X is not None) else None


def _all_apart(arrays: Sequence[Any]) -> bool:
    """Whether none of many arrays in C order shares memory with another."""
    ranges = sorted((X.data.ptr, X.data.ptr + X.nbytes) for X in arrays if X.size)
    return all(end <= start for (_, end), (start, _) in pairwise(ranges))


def _table(ops: Any, kind: str, parameters: Sequence[Sequence[Any]]) -> Table:
    items: List[Tuple[int, ...]] = []
    chunks: List[Tuple[int, int, int]] = []
    for arrays in parameters:
        n, first = arrays[0].size, len(chunks)
        size = LEAST_VALUES * -(-n // (MOST_CHUNKS * LEAST_VALUES))
        chunks += [(len(items), start, min(size, n - start)) for start in range(0, n, size)]
        pointers = [0 if X is None else X.data.ptr for X in arrays]
        items.append((*pointers, first, len(chunks) - first))
    wide = "float64" if kind == "f64" else "float32"
    return Table(kind, wide, _on_device(ops, items), _on_device(ops, chunks), len(chunks))


def _on_device(ops: Any, rows: Sequence[Tuple[int, ...]]) -> Any:
    return ops.xp.asarray(numpy.array(rows, dtype="int64"))
