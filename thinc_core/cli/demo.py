"""`thinc-core demo`: train both tasks on data that every machine has, then use the saved models in a new process."""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence

if TYPE_CHECKING:
    from ..training.run import Result

HELP = "train a digits classifier and a tagger, and predict with both (about a minute)"
GOAL = 0.97  # test accuracy that each task has to reach
JOBS: Dict[str, Mapping[str, Any]] = {"digits": {}, "tagger": {"training.epochs": 2}}
SHOWN = slice(3, 350, 77)  # the test images to predict in the new process
CODE = """\
def mean(self, values, *, default=0.0):
    total = sum(float(v) for v in values)
    return total / len(values) if values else default
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", metavar="DIR", default="runs/demo", help="where everything goes (default: runs/demo)"
    )


def run(arguments: argparse.Namespace) -> int:
    began = time.perf_counter()
    output = Path(arguments.output)
    accuracies = {}
    for task, overrides in JOBS.items():
        accuracies[task] = _train(task, output / task, overrides).scores()[-1][1].accuracy
        print()
    print("Loading each saved model in a new process\n")
    _show_digits(output / "digits")
    _show_code(output / "tagger")
    seconds = time.perf_counter() - began
    failed = [task for task, accuracy in accuracies.items() if accuracy < GOAL]
    shown = ", ".join(f"{task} {accuracy:.2%}" for task, accuracy in accuracies.items())
    verdict = f"below the goal of {GOAL:.0%}: {', '.join(failed)}" if failed else f"both above the goal of {GOAL:.0%}"
    print(f"Test accuracy: {shown} ({verdict}), in {seconds:.0f} s")
    print(f"Curves: {output}/*/learning-curve.png   Models: {output}/*/model-best")
    print(f"Train one of your own: {os.path.relpath(sys.executable)} -m thinc_core init")
    return 1 if failed else 0


def _train(task: str, output: Path, overrides: Mapping[str, Any]) -> "Result":
    from ..training.run import OutputDirectory
    from ..training.settings import parse_config
    from ..training.starters import starter_config
    from .train import train

    return train(parse_config(starter_config(task, overrides), f"{task}.cfg"), OutputDirectory(output, overwrite=True))


def _show_digits(directory: Path) -> None:
    """Test images drawn side by side, with the answers of the saved model below."""
    from ..training.digits import MAX_PIXEL, draw, load_digits

    test = load_digits()[2]
    images, truths = test.X[SHOWN], test.Y[SHOWN]
    lines = [",".join(f"{pixel * MAX_PIXEL:g}" for pixel in image) for image in images]
    records = _predict(directory, "\n".join(lines))
    for row in zip(*map(draw, images)):
        print(("  " + "   ".join(row)).rstrip())
    answers = [f"{r['label']} ({r['probability']:.0%}), is {truth}" for r, truth in zip(records, truths)]
    print("  " + "   ".join(f"{answer:<16}" for answer in answers).rstrip() + "\n")


def _show_code(directory: Path) -> None:
    """A few lines of code with the tag of each token below it."""
    for record in _predict(directory, CODE):
        for line in _aligned(record["words"], record["tags"]):
            print("  " + line)
        print()


def _aligned(words: Sequence[str], tags: Sequence[str], width: int = 110) -> List[str]:
    """Two lines, each word above its tag; more where that would be too wide."""
    lines, above, below = [], "", ""
    for word, tag in zip(words, tags):
        size = max(len(word), len(tag)) + 1
        if len(above) + size > width:
            lines += [above.rstrip(), below.rstrip()]
            above, below = "", ""
        above, below = above + word.ljust(size), below + tag.ljust(size)
    return [*lines, above.rstrip(), below.rstrip()]


def _predict(directory: Path, text: str) -> List[Dict[str, Any]]:
    """What `predict` answers in a process of its own."""
    command = [sys.executable, "-m", "thinc_core", "predict", str(directory), "-", "--format", "jsonl"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf8", check=False)
    if done.returncode:
        raise RuntimeError(f"predicting with {directory} failed: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]
