"""`thinc-core evaluate`: score a saved model on labelled data."""

import argparse
import json

from ._shared import add_gpu_argument, label_table, result_table, use_device

HELP = "score a saved model on labelled data"
SPLITS = ("train", "dev", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a saved model, or the output directory of a run")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="labelled data as the task reads it, or train, dev, test for what the config names",
    )
    parser.add_argument("--labels", action="store_true", help="also precision, recall and F of each label")
    parser.add_argument("--confusion", metavar="FILE", help="draw which labels are taken for which into a PNG file")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    add_gpu_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from ..training.batching import Split
    from ..training.errors import UserError
    from ..training.evaluation import evaluate
    from ..training.output import describe_labels
    from ..training.plots import INSTALL_HINT, can_plot, plot_confusion
    from ..training.saved import load_model

    use_device(arguments.gpu_id)
    saved = load_model(arguments.model)
    if arguments.data in SPLITS and not Path(arguments.data).exists():
        split = getattr(saved.task.load(), arguments.data)
        if not isinstance(split, Split):
            raise UserError(f"{arguments.data}: the config of this model names no {arguments.data} data")
    else:
        split = saved.task.read_split(arguments.data)
    measure = saved.task.measure()
    if not measure.known(split.Y).any():
        known = ", ".join(saved.task.labels)
        raise UserError(f"{arguments.data}: none of its labels is among those the model was trained with ({known})")
    if arguments.confusion and not can_plot():
        raise UserError(f"--confusion: {INSTALL_HINT}")
    scores = evaluate(saved.model, split, measure)
    if arguments.confusion:
        matrix = measure.confusion(split, scores.answers)
        if matrix is None:
            raise UserError(f"--confusion: the labels of {saved.path} are too many, or none")
        title = f"{saved.task.name}: {arguments.data}, {scores.n_rows:,} {saved.task.unit}"
        plot_confusion(arguments.confusion, matrix, saved.task.labels, title)
    counts = measure.counts(split, scores.answers) if arguments.labels else {}
    if arguments.json:
        record = {**scores.values, "loss": scores.loss, saved.task.unit: scores.n_rows}
        labels = describe_labels(measure, split, scores) if counts else {}
        print(json.dumps({"model": str(saved.path), "data": arguments.data, **record, **labels}))
        return 0
    print(result_table(str(saved.path), [(arguments.data, scores)], saved.task.unit, ""))
    if counts:
        print("\n" + label_table(counts, ""))
    return 0
