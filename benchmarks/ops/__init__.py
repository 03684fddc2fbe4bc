"""The op table, one file per family: the same stems as thinc_core/backends/reference."""

from typing import Dict, Sequence

from ..rows import Op
from . import (
    activations,
    attention,
    dropout,
    gather,
    gemm,
    hash,
    layernorm,
    lstm,
    maxout,
    optim,
    pad,
    reduce,
    seq2col,
    softmax,
    sparse,
)

FAMILIES: Dict[str, Sequence[Op]] = {
    module.__name__.rsplit(".", 1)[-1]: module.OPS
    for module in (
        activations,
        softmax,
        maxout,
        layernorm,
        seq2col,
        gather,
        hash,
        sparse,
        reduce,
        pad,
        lstm,
        attention,
        optim,
        dropout,
        gemm,
    )
}
