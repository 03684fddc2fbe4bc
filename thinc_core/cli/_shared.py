"""What several commands share: choosing the device, and printing results."""

import argparse
from typing import TYPE_CHECKING, List, Mapping, Sequence, Tuple

if TYPE_CHECKING:
    from ..training.evaluation import Scores
    from ..training.metrics import Counts


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


def count(n: int, things: str) -> str:
    """ "3 labels", "1 label"."""
    return f"{n:,} {things.removesuffix('s') if n == 1 else things}"


def result_table(first: str, scores: "Sequence[Tuple[str, Scores]]", unit: str, indent: str = "  ") -> str:
    """A table of (name, Scores): the scores of the task, loss, how many, how fast. first: heading of the names."""
    from ..training.progress import table

    rows = []
    for name, each in scores:
        measured = [f"{each.loss:.4f}", f"{each.n_rows:,}", f"{each.rows_per_second:,.0f}"]
        rows.append([name, *each.texts().values(), *(measured if each.seconds else ["", "", ""])])
    return table([first, *scores[0][1].values, "loss", unit, f"{unit}/s"], rows, indent)


def label_table(counts: "Mapping[str, Counts]", indent: str = "  ") -> str:
    """Precision, recall and F of each label, most frequent first, then of all together and on average."""
    from ..training.metrics import macro, micro
    from ..training.progress import table

    def row(name: str, figures: Sequence[float], true: str) -> List[str]:
        return [name, *(f"{figure:.2%}" for figure in figures), true]

    order = sorted(counts.items(), key=lambda item: -item[1].true)
    rows = [row(label, (each.precision, each.recall, each.f1), f"{each.true:,}") for label, each in order]
    total = micro(counts)
    rows.append(row("micro average", (total.precision, total.recall, total.f1), f"{total.true:,}"))
    rows.append(row("macro average", macro(counts), ""))
    return table(["label", "precision", "recall", "F", "true"], rows, indent)
