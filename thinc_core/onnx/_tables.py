"""Rules for tables of vectors and of ids."""

from typing import Any, Tuple

import numpy

from ..layers._vectors_file import mapped
from ..model import Model
from ._rules import rule


@rule("embed")
def embed(graph: Any, model: Model, X: Any) -> str:
    return graph.op("Gather", graph.param(model, "E"), graph.cast(graph.array(X), "int64"), axis=0)


@rule("hashembed")
def hash_embed(graph: Any, model: Model, X: Any) -> str:
    E = graph.param(model, "E")
    keys = graph.cast(graph.reshape(graph.array(X), -1), "uint64")
    table = graph.constant(E)
    rows = [
        graph.op("Gather", table, graph.op("Mod", graph.cast(word, "int64"), len(E)), axis=0)
        for word in hash_words(graph, keys, model.attrs["seed"])
    ]
    return graph.op("Sum", *rows)


def hash_words(graph: Any, keys: str, seed: int) -> Tuple[str, str, str, str]:
    """The four 32-bit hashes of each key, as uint64: MurmurHash3_x64_128 of its 8 bytes, as Ops.hash has it.

    Products and sums are those of int64, which wrap round to the same bits: older runtimes have none of uint64.
    """

    def signed(kind: str, x: str, y: Any) -> str:
        y = numpy.uint64(y).astype("int64") if isinstance(y, int) else graph.cast(y, "int64")
        return graph.cast(graph.op(kind, graph.cast(x, "int64"), y), "uint64")

    def bits(kind: str, x: str, y: Any) -> str:
        return graph.op(kind, x, numpy.uint64(y) if isinstance(y, int) else y)

    def shift(x: str, count: int, direction: str) -> str:
        return graph.op("BitShift", x, numpy.uint64(count), direction=direction)

    def mix(x: str) -> str:
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
            x = signed("Mul", bits("BitwiseXor", x, shift(x, 33, "RIGHT")), factor)
        return bits("BitwiseXor", x, shift(x, 33, "RIGHT"))

    k = signed("Mul", keys, 0x87C37B91114253D5)
    k = bits("BitwiseOr", shift(k, 31, "LEFT"), shift(k, 33, "RIGHT"))
    h1 = bits("BitwiseXor", signed("Mul", k, 0x4CF5AD432745937F), seed ^ 8)
    h1 = signed("Add", h1, seed ^ 8)
    h2 = signed("Add", h1, seed ^ 8)
    h1, h2 = mix(h1), mix(h2)
    h1 = signed("Add", h1, h2)
    h2 = signed("Add", h2, h1)
    low, high = ((bits("BitwiseAnd", h, 0xFFFFFFFF), shift(h, 32, "RIGHT")) for h in (h1, h2))
    return (*low, *high)


@rule("static_vectors")
def static_vectors(graph: Any, model: Model, X: Any) -> str:
    path, keys, column = (model.attrs[name] for name in ("path", "keys", "column"))
    vectors = numpy.asarray(mapped(path))
    ids = graph.cast(graph.array(X), "int64")
    if column is not None:
        ids = graph.op("Gather", ids, int(column), axis=1)
    ids = graph.reshape(ids, -1)
    if keys is None:
        valid = graph.op("And", graph.op("GreaterOrEqual", ids, 0), graph.op("Less", ids, len(vectors)))
        ids = graph.op("Where", valid, ids, len(vectors))
    else:
        known = numpy.load(keys, allow_pickle=False).astype("uint64").view("int64")
        ids = graph.add_labels(ids, known.tolist(), list(range(len(known))), len(vectors))
    zero = numpy.zeros((1, vectors.shape[1]), dtype=vectors.dtype)
    V = graph.op("Gather", numpy.concatenate([vectors, zero]), ids, axis=0)
    return graph.op("MatMul", V, graph.param(model, "W").T) if model.param_names else V


@rule("remap_ids")
def remap_ids(graph: Any, model: Model, X: Any) -> str:
    table = model.attrs["mapping_table"] or {}
    strange = next((key for key in table if not isinstance(key, int)), None)
    if strange is not None:
        raise ValueError(f"the keys of mapping_table must be ints; got {strange!r}")
    Y = _mapped(graph, model, X, table, model.attrs.get("column"))
    return graph.cast(Y, model.attrs.get("dtype", "int32"))


@rule("premap_ids")
def premap_ids(graph: Any, model: Model, X: Any) -> str:
    return graph.cast(_mapped(graph, model, X, model.attrs["table"], model.attrs["column"]), "int32")


def _mapped(graph: Any, model: Model, X: Any, table: Any, column: Any) -> str:
    """(N, 1) int64: ids replaced by what a table has for them, or the default. Ids from 2^63 on are negative here."""
    ids = graph.cast(graph.array(X), "int64")
    if column is not None:
        ids = graph.op("Gather", ids, int(column), axis=1)
    keys = numpy.asarray(list(table), dtype="uint64" if min(table, default=0) >= 0 else "int64").view("int64")
    found = graph.add_labels(ids, keys.tolist(), [int(value) for value in table.values()], int(model.attrs["default"]))
    return graph.column(found)
