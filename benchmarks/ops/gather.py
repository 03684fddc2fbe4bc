"""Sums of table rows and their gradient, with ids that are spread evenly and ids that repeat as words do."""

from typing import Any, Callable, Tuple

import numpy as np

from .. import inputs
from ..result import Target
from ..rows import At, Op

TABLE, K = 5000, 4
Ids = Callable[..., np.ndarray]


def gather_args(ids: Ids) -> Callable[[At], Tuple[np.ndarray, ...]]:
    """A table and K of its rows per output."""
    return lambda at: (at.array(TABLE, at.width), ids(TABLE, at.rows, K))


def gather_bytes(table: np.ndarray, indices: np.ndarray) -> float:
    """The K rows that are read, the sum that is written, the indices."""
    return (K + 1) * len(indices) * table[0].nbytes + indices.nbytes


def torch_bag(t: Any, table: Any, indices: Any) -> Callable[[], Any]:
    """Its fused gather and sum."""
    index = indices.long()
    return lambda: t.nn.functional.embedding_bag(index, table, mode="sum")


def scatter_args(ids: Ids, dtype: str) -> Callable[[At], Tuple[np.ndarray, ...]]:
    """A table, one row of it per value, the values."""
    return lambda at: (at.array(TABLE, at.width), ids(TABLE, at.rows, dtype=dtype), at.normal(seed=1))


def scatter_bytes(table: np.ndarray, indices: np.ndarray, values: np.ndarray) -> float:
    """Values read, table rows read and written, indices."""
    return 3 * values.nbytes + indices.nbytes


def torch_add(t: Any, table: Any, indices: Any, values: Any) -> Callable[[], Any]:
    """In place, as ours."""
    index = indices.long()
    return lambda: table.index_add_(0, index, values)


def add_at(table: np.ndarray, indices: np.ndarray, values: np.ndarray) -> Any:
    """The plain expression."""
    np.add.at(table, indices, values)
    return table


def gather(kind: str, ids: Ids) -> Op:
    """One kind of ids."""
    numpy = lambda table, indices: table[indices].sum(axis=1)  # noqa: E731
    call = lambda ops, *args: ops.gather_add(*args)  # noqa: E731
    targets, name = (Target("copy", 1.5),), f"gather_add K={K}{kind}"
    return Op(name, gather_args(ids), torch_bag, numpy, targets, call, traffic=gather_bytes)


def scatter(kind: str, ids: Ids, dtype: str = "int32") -> Op:
    """One kind of ids in one type."""
    call = lambda ops, *args: ops.scatter_add(*args)  # noqa: E731
    targets, args = (Target("copy", 1.3),), scatter_args(ids, dtype)
    return Op(f"scatter_add{kind}", args, torch_add, add_at, targets, call, traffic=scatter_bytes)


def original_embed(api: Any, table: np.ndarray, ids: np.ndarray, seed: int) -> Callable[[], Any]:
    """What its HashEmbed layer does in two ops."""
    ops = api.NumpyOps()
    return lambda: ops.gather_add(table, ops.hash(ids, seed) % len(table))


def hash_embed_args(at: At) -> Tuple[Any, ...]:
    """A table, ids of words, a seed."""
    return at.array(TABLE, at.width), inputs.word_ids(at.rows), 7


TAGGER_TABLES, COLUMNS, SEEDS = (5000, 1000, 2500, 2500), (0, 1, 2, 3), (0, 1, 2, 3)


def tables(at: At) -> list:
    """The four tables of a tagger."""
    return [at.array(rows, at.width, seed=k) for k, rows in enumerate(TAGGER_TABLES)]


def features(at: At) -> np.ndarray:
    """Four ids per word, of which some repeat as words do."""
    return np.stack([inputs.word_ids(20_000)[inputs.zipf_ids(rows, at.rows)] for rows in TAGGER_TABLES], axis=1)


def embeds_bytes(tables: list, ids: np.ndarray, *others: Any) -> float:
    """Four rows of each table read and one written per word."""
    return 5.0 * len(ids) * sum(table[0].nbytes for table in tables) + ids.nbytes


def original_embeds(api: Any, tables: list, ids: np.ndarray, columns: Any, seeds: Any) -> Callable[[], Any]:
    """What its layers do: two ops per table, then one array of all."""
    ops = api.NumpyOps()

    def call() -> Any:
        rows = [ops.hash(np.ascontiguousarray(ids[:, c]), seed) for c, seed in zip(columns, seeds)]
        return np.concatenate([ops.gather_add(t, r % len(t)) for t, r in zip(tables, rows)], axis=1)

    return call


OPS = (
    gather("", inputs.uniform_ids),
    gather(" zipf", inputs.zipf_ids),
    scatter("", inputs.uniform_ids),
    scatter(" zipf", inputs.zipf_ids),
    scatter(" int64", inputs.uniform_ids, "int64"),
    scatter(" zipf int64", inputs.zipf_ids, "int64"),
    scatter(" uint64", inputs.uniform_ids, "uint64"),
    Op(
        "hash_embed",
        hash_embed_args,
        original=original_embed,
        traffic=lambda table, ids, seed: 5 * len(ids) * table[0].nbytes,
    ),
    Op(
        "backprop_hash_embed",
        lambda at: (at.normal(seed=1), inputs.word_ids(at.rows), 7, np.zeros((TABLE, at.width), at.dtype)),
        original=False,
        traffic=lambda dY, ids, seed, dtable: 9 * dY.nbytes,
    ),
    Op(
        "hash_embeds",
        lambda at: (tables(at), features(at), COLUMNS, SEEDS),
        original=original_embeds,
        traffic=embeds_bytes,
    ),
    Op(
        "backprop_hash_embeds",
        lambda at: (at.array(at.rows, 4 * at.width, seed=1), features(at), COLUMNS, SEEDS, tables(at)),
        original=False,
        traffic=lambda dY, *others: 9.0 * dY.nbytes,
    ),
)
