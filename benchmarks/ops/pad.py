"""Lists of sequences to one array and back."""

from typing import Any, Callable, List, Tuple

import numpy as np

from ..result import Target
from ..rows import At, Op

COPY = (Target("copy", 1.5),)


def cuts(lengths: np.ndarray) -> np.ndarray:
    """Where numpy.split cuts."""
    return np.cumsum(lengths)[:-1]


def sequences(at: At) -> List[np.ndarray]:
    """Sentences, each an array of its own."""
    return [np.array(part) for part in np.split(at.normal(), cuts(at.lengths()))]


def own_ops() -> Any:
    """Ours, to make what the inverse ops take."""
    from thinc_core.api import NumpyOps

    return NumpyOps()


def padded_args(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """Sequences side by side, and their lengths."""
    return own_ops().pad(sequences(at)), at.lengths()


def by_step(at: At) -> Tuple[Any]:
    """Sequences step by step."""
    return (own_ops().list2padded(sequences(at)),)


def original_padded(api: Any, padded: Any) -> Callable[[], Any]:
    """The original wants a container of its own."""
    ops = api.NumpyOps()
    own = api.Padded(padded.data, padded.size_at_t, padded.lengths, padded.indices)
    return lambda: ops.padded2list(own)


def live_bytes(padded: Any) -> float:
    """Rows that sequences have, read and written; the filling is no output."""
    return 2.0 * int(padded.lengths.sum()) * padded.data[0, 0].nbytes


def live_rows(padded: np.ndarray, lengths: np.ndarray) -> float:
    """The same of sequences side by side."""
    return 2.0 * int(lengths.sum()) * padded[0, 0].nbytes


def torch_unpad(t: Any, padded: Any, lengths: Any) -> Callable[[], Any]:
    """Views of the rows."""
    counts = lengths.tolist()
    return lambda: [row[:n] for row, n in zip(padded, counts)]


def pad_sequence(t: Any, seqs: Any, **options: Any) -> Callable[[], Any]:
    """PyTorch's padding of a list."""
    return lambda: t.nn.utils.rnn.pad_sequence(seqs, **options)


def one_list(at: At) -> Tuple[List[np.ndarray]]:
    """The only argument."""
    return (sequences(at),)


OPS = (
    Op("flatten", one_list, lambda t, seqs: lambda: t.cat(seqs), np.concatenate, COPY),
    Op(
        "unflatten",
        lambda at: (at.normal(), at.lengths()),
        lambda t, x, lengths: lambda: t.split(x, lengths.tolist()),
        lambda X, lengths: np.split(X, cuts(lengths)),
        COPY,
    ),
    Op("pad", one_list, lambda t, seqs: pad_sequence(t, seqs, batch_first=True), targets=COPY),
    Op(
        "unpad",
        padded_args,
        torch_unpad,
        lambda padded, lengths: [row[:n] for row, n in zip(padded, lengths)],
        COPY,
        traffic=live_rows,
    ),
    Op("list2padded", one_list, pad_sequence, targets=COPY),
    Op("padded2list", by_step, targets=COPY, original=original_padded, traffic=live_bytes),
)
