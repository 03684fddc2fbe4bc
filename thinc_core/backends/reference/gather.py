"""Lookups in a table of vectors, and the scatter that is their gradient."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index,arg-type"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Sequence

import numpy

from .. import checks
from ._lines import check_marks, mark_places
from ._out import takes_out
from .hash import Hash

if TYPE_CHECKING:
    from ...types import ArrayXd, Floats2d, FloatsXd, Ints1d, Ints2d, IntsXd


class Gather(Hash):
    @takes_out()
    def gather_add(self, table: Floats2d, indices: Ints2d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """Y[b] = sum over k of table[indices[b, k]].

        table: (V, O).  indices: (B, K) integers in [0, V); repeats are allowed.
        RETURNS: (B, O) in table's dtype.
        RAISES: IndexError when an index is outside [0, V); ValueError when a rank is not 2.
        NUMERICS: summed from k = 0 on, in table's dtype.
        """
        self._arrays("gather_add", table=table, indices=indices)
        checks.ndim("gather_add", "table", table, 2)
        checks.ndim("gather_add", "indices", indices, 2)
        checks.integers("gather_add", "indices", indices)
        checks.indices("gather_add", "indices", indices, table.shape[0])
        return self._sum_rows(table, indices)

    def _sum_rows(self, table: Any, indices: Any) -> Any:
        wide = self._wide(table)
        Y = self.xp.zeros((indices.shape[0], table.shape[1]), dtype=wide.dtype)
        for k in range(indices.shape[1]):
            Y += wide[indices[:, k]]
        return Y.astype(table.dtype, copy=False)

    def scatter_add(self, table: FloatsXd, indices: IntsXd, values: FloatsXd) -> FloatsXd:
        """table[i] += v for each pair of indices and values, in place; repeats add up.

        table: (V, ...), any dtype, changed in place.  indices: integers of any shape; a negative one is skipped.
        values: broadcasts to indices.shape + table.shape[1:].
        RETURNS: table itself.
        RAISES: IndexError when an index is V or more; ValueError when values does not fit.
        NUMERICS: added in the order of the indices, in table's dtype.
        """
        self._arrays("scatter_add", table=table, indices=indices)
        checks.at_least("scatter_add", "the number of dimensions of table", table.ndim, 1)
        checks.integers("scatter_add", "indices", indices)
        checks.writable("scatter_add", "table", table)
        checks.indices("scatter_add", "indices", self.xp.where(indices < 0, 0, indices), max(table.shape[0], 1))
        values = self._fitting(values, indices, table)
        keep = indices >= 0
        if table.shape[0] == 0 and keep.any():
            checks.indices("scatter_add", "indices", self.xp.where(keep, indices, -1), 0)
        self.xp.add.at(table, indices[keep].astype("int64"), values[keep])
        return table

    def _fitting(self, values: Any, indices: Any, table: Any) -> Any:
        """values, broadcast to one block per index."""
        if isinstance(values, (numpy.ndarray, self.xp.ndarray)) or checks.is_cupy(values):
            self._arrays("scatter_add", values=values)
        try:
            values = self.xp.asarray(values, dtype=table.dtype)
        except (TypeError, ValueError):
            found = checks.kind_of(values)
            raise checks.KindError(f"scatter_add: values must be numbers of {table.dtype}; got {found}") from None
        want = tuple(indices.shape) + tuple(table.shape[1:])
        try:
            return self.xp.broadcast_to(values, want)
        except ValueError:
            raise checks.ShapeError(
                f"scatter_add: values must broadcast to indices.shape + table.shape[1:] = {want}; got {values.shape}"
            ) from None

    @takes_out()
    def hash_embed(self, table: Floats2d, ids: Ints1d, seed: int, *, out: Optional[Floats2d] = None) -> Floats2d:
        """Y[n] = sum over k of table[hash(ids, seed)[n, k] mod V]: four rows for each id.

        table: (V, O), V >= 1.  ids: (N,) integers, hashed as uint64.  seed: in [0, 2^32).
        RETURNS: (N, O) in table's dtype.
        RAISES: ValueError when a rank is wrong or V is 0; OverflowError when seed is out of range.
        NUMERICS: the four rows are added in order, in table's dtype.
        SOURCE: Svenstrup et al. 2017, arXiv:1709.03933.
        """
        rows = self._hash_rows("hash_embed", "table", table, ids, seed)
        return self._sum_rows(table, rows)

    def backprop_hash_embed(
        self, dY: Floats2d, ids: Ints1d, seed: int, dtable: Floats2d, *, touched: Optional[Ints1d] = None
    ) -> None:
        """dtable[row] += dY[n] for the four rows of each id, in place.

        dY: (N, O).  ids, seed: as given to hash_embed.  dtable: (V, O) gradient buffer of the table.
        touched: marks of dtable as apply_gradients takes them; those of rows that ids chose are set.
        RAISES: ValueError when shapes differ or V is 0; OverflowError when seed is out of range.
        """
        self._arrays("backprop_hash_embed", dY=dY)
        rows = self._hash_rows("backprop_hash_embed", "dtable", dtable, ids, seed)
        checks.writable("backprop_hash_embed", "dtable", dtable)
        checks.shape("backprop_hash_embed", "dY", dY, (len(ids), dtable.shape[1]))
        check_marks("backprop_hash_embed", "touched", touched, dtable, self.xp)
        if touched is not None:
            mark_places(self.xp, touched, rows[:, :, None] * dtable.shape[1] + self.xp.arange(dtable.shape[1]))
        self.scatter_add(dtable, rows, dY[:, None, :])

    @takes_out()
    def hash_embeds(
        self,
        tables: Sequence[Floats2d],
        ids: Ints2d,
        columns: Sequence[int],
        seeds: Sequence[int],
        *,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """Y = hash_embed(tables[k], ids[:, columns[k]], seeds[k]) for each k, side by side.

        tables: at least one (V_k, O_k) of one float dtype, V_k >= 1.  ids: (N, C) integers, hashed as uint64.
        columns, seeds: one for each table; columns in [0, C), seeds in [0, 2^32).
        RETURNS: (N, sum of O_k) in the tables' dtype.
        RAISES: ValueError when there are not as many columns and seeds as tables, a rank is wrong or V_k is 0;
            IndexError when a column and OverflowError when a seed is out of range.
        NUMERICS: as hash_embed.
        """
        self._hash_tables("hash_embeds", "tables", tables, ids, columns, seeds)
        parts = [self.hash_embed(table, ids[:, c], seed) for table, c, seed in zip(tables, columns, seeds)]
        return self.xp.concatenate(parts, axis=1)

    def backprop_hash_embeds(
        self,
        dY: Floats2d,
        ids: Ints2d,
        columns: Sequence[int],
        seeds: Sequence[int],
        dtables: Sequence[Floats2d],
        *,
        touched: Optional[Sequence[Optional[Ints1d]]] = None,
    ) -> None:
        """dtables[k][row] += dY[n, columns of table k] for the four rows of each id, in place.

        dY: (N, sum of O_k).  ids, columns, seeds: as given to hash_embeds.  dtables: (V_k, O_k) gradient buffers.
        touched: marks of each buffer, as backprop_hash_embed takes them, or None.
        RAISES: as hash_embeds, and ValueError when a buffer is read-only or shapes differ.
        """
        op = "backprop_hash_embeds"
        self._arrays(op, dY=dY)
        self._hash_tables(op, "dtables", dtables, ids, columns, seeds)
        marks = [None] * len(dtables) if touched is None else touched
        checks.lists(op, dtables=dtables, touched=marks)
        for k, dtable in enumerate(dtables):
            checks.writable(op, f"dtables[{k}]", dtable)
            check_marks(op, f"touched[{k}]", marks[k], dtable, self.xp)
        ends = numpy.cumsum([dtable.shape[1] for dtable in dtables]).tolist()
        checks.shape(op, "dY", dY, (ids.shape[0], ends[-1]))
        for dtable, c, seed, end, each in zip(dtables, columns, seeds, ends, marks):
            self.backprop_hash_embed(dY[:, end - dtable.shape[1] : end], ids[:, c], seed, dtable, touched=each)

    def _hash_tables(self, op: str, name: str, tables: Any, ids: Any, columns: Any, seeds: Any) -> None:
        """Check what the ops on several tables are given."""
        checks.lists(op, 1, **{name: tables, "columns": columns, "seeds": seeds})
        for k, table in enumerate(tables):
            self._arrays(op, **{f"{name}[{k}]": table})
            checks.ndim(op, f"{name}[{k}]", table, 2)
            checks.floats(op, f"{name}[{k}]", table)
            checks.at_least(op, f"the number of rows of {name}[{k}]", table.shape[0], 1)
        checks.same_dtype(op, name, *tables)
        self._arrays(op, ids=ids)
        checks.ndim(op, "ids", ids, 2)
        checks.integers(op, "ids", ids)
        checks.indices(op, "columns", checks.whole_numbers(op, "columns", columns), ids.shape[1])
        for seed in checks.whole_numbers(op, "seeds", seeds).tolist():
            checks.seed(op, seed)

    def _hash_rows(self, op: str, name: str, table: Any, ids: Any, seed: int) -> Any:
        """Check the arguments; (N, 4) rows of the table."""
        self._arrays(op, **{name: table})
        checks.ndim(op, name, table, 2)
        checks.at_least(op, f"the number of rows of {name}", table.shape[0], 1)
        self._keys(op, "ids", ids)
        checks.seed(op, seed)
        return (self.hash(ids, seed) % table.shape[0]).astype("int64")

    @takes_out()
    def insert_into(self, shape: tuple, Xs: list, *, out: Optional[ArrayXd] = None) -> ArrayXd:
        """Zeros of the given shape with Xs[i] written at the start of row i.

        shape: of the result.  Xs: non-empty list of arrays.
        RETURNS: shape, in the dtype of Xs[0].
        """
        if not isinstance(Xs, (list, tuple)) or len(Xs) == 0:
            raise checks.KindError(f"insert_into: Xs must be a list with at least one array; got {checks.kind_of(Xs)}")
        checks.arrays("insert_into", "Xs", Xs, self.xp)
        out = self.xp.zeros(shape, dtype=Xs[0].dtype)
        for i, X in enumerate(Xs):
            out[i, : X.shape[0]] = X
        return out
