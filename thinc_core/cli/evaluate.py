"""`thinc-core evaluate`: score a saved model on labelled data."""

import argparse
import json

from ._shared import add_gpu_argument, result_rows, use_device

HELP = "score a saved model on labelled data"
SPLITS = ("train", "dev", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a saved model, or the output directory of a run")
    parser.add_argument(
        "data",
        metavar="DATA",
        help="a file of labelled data (CoNLL-U, Python source, CSV of digits), or train, dev, test",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    add_gpu_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from ..training.batching import Split
    from ..training.errors import UserError
    from ..training.evaluation import evaluate
    from ..training.progress import table
    from ..training.saved import load_model

    use_device(arguments.gpu_id)
    saved = load_model(arguments.model)
    if arguments.data in SPLITS and not Path(arguments.data).exists():
        split = getattr(saved.task.load(), arguments.data)
        if not isinstance(split, Split):
            raise UserError(f"{arguments.data}: the config of this model names no {arguments.data} data")
    else:
        split = saved.task.read_split(arguments.data)
    if (split.Y < 0).all():
        known = ", ".join(saved.task.labels)
        raise UserError(f"{arguments.data}: none of its labels is among those the model was trained with ({known})")
    scores = evaluate(saved.model, split)
    if arguments.json:
        record = {"accuracy": scores.accuracy, "loss": scores.loss, saved.task.unit: scores.n_rows}
        print(json.dumps({"model": str(saved.path), "data": arguments.data, **record}))
    else:
        unit = saved.task.unit
        print(
            table([str(saved.path), "accuracy", "loss", unit, f"{unit}/s"], result_rows([(arguments.data, scores)]), "")
        )
    return 0
