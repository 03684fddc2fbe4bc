"""What several commands share: choosing the device, and printing results."""

import argparse
from typing import Any, List, Sequence, Tuple


def add_gpu_argument(parser: argparse.ArgumentParser) -> None:
    """The option --gpu-id."""
    parser.add_argument("--gpu-id", type=int, default=-1, metavar="N", help="number of the GPU to use (default: CPU)")


def use_device(gpu_id: int) -> None:
    """Switch to a GPU; a negative number stays on the CPU. RAISES: UserError with the cause when there is none."""
    if gpu_id < 0:
        return
    from ..api import require_gpu
    from ..training.errors import UserError

    try:
        require_gpu(gpu_id)
    except (ValueError, RuntimeError, ImportError, OSError) as err:
        raise UserError(f"--gpu-id {gpu_id}: {err}") from err


def result_rows(scores: Sequence[Tuple[str, Any]]) -> List[List[str]]:
    """Table rows for (name, Scores): accuracy, loss, how many, how fast."""
    return [
        [name, f"{s.accuracy:.2%}", f"{s.loss:.4f}", f"{s.n_rows:,}", f"{s.rows_per_second:,.0f}"] for name, s in scores
    ]
