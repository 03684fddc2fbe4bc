"""How long it takes to compile and load the kernels: run by probe.py in a process of its own, prints JSON."""

import json
import sys
import time
from typing import Dict, List, Optional

from .card import use_tests

# A kernel of each file.
FIRST: Dict[str, str] = {
    "activations": "relu_f32",
    "attention": "attention_f32",
    "dropout": "get_dropout_mask",
    "gather": "gather_add_f32_i32",
    "gemm": "add_bias_f32",
    "hash": "hash",
    "layernorm": "layernorm_8_f32",
    "lstm": "lstm_step_f32",
    "maxout": "maxout_f32",
    "optim": "adam_f32",
    "pad": "join_16",
    "reduce": "reduce_sum_f32",
    "seq2col": "seq2col_f32",
    "softmax": "softmax_f32",
}


def measure() -> Dict[str, float]:
    """Seconds until the first kernel of each file is there; `total` includes making the context."""
    from thinc_core.api import get_current_ops, require_gpu
    from thinc_core.backends import cuda

    begun = time.perf_counter()
    require_gpu()
    get_current_ops().asarray([1.0])
    seconds = {"context": time.perf_counter() - begun}
    for stem, name in FIRST.items():
        started = time.perf_counter()
        cuda.kernel(stem, name)
        seconds[stem] = time.perf_counter() - started
    return {**seconds, "total": time.perf_counter() - begun}


def main(arguments: Optional[List[str]] = None) -> int:
    """Entry point. arguments: `emulated` for the emulator."""
    given = sys.argv[1:] if arguments is None else arguments
    if given == ["emulated"]:
        use_tests()
        import emulated_gpu

        with emulated_gpu.installed():
            print(json.dumps(measure()))
    else:
        print(json.dumps(measure()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
