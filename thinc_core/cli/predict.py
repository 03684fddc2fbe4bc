"""`thinc-core predict`: label new inputs with a saved model."""

import argparse
import io
import json
import sys
from contextlib import contextmanager
from typing import IO, Any, Iterable, Iterator, List

from ._shared import add_gpu_argument, use_device

HELP = "label new inputs with a saved model"
CHUNK = 128  # inputs labelled at a time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a saved model, or the output directory of a run")
    parser.add_argument(
        "input", metavar="INPUT", nargs="?", default="-", help="a file, or - for standard input (default)"
    )
    parser.add_argument("--format", choices=("text", "jsonl"), default="text", help="what to print (default: text)")
    add_gpu_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    from ..training.saved import load_model

    use_device(arguments.gpu_id)
    saved = load_model(arguments.model)
    is_utf8 = str(sys.stdout.encoding).lower().replace("-", "") == "utf8"
    with _open(arguments.input) as lines:
        # A person who types sees the answer to each line at once.
        size = 1 if lines.isatty() else CHUNK
        for inputs in _chunks(saved.task.read_inputs(lines, arguments.input), size):
            for record in saved.task.predict(saved.model, inputs):
                as_json = arguments.format == "jsonl"
                print(json.dumps(record, ensure_ascii=not is_utf8) if as_json else saved.task.to_text(record))
            sys.stdout.flush()
    return 0


@contextmanager
def _open(name: str) -> Iterator[IO[str]]:
    from ..training.conllu import open_text, reading

    if name != "-":
        with open_text(name) as lines:
            yield lines
        return
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig")  # as files are read, whatever the locale says
    with reading(name):
        yield sys.stdin


def _chunks(items: Iterable[Any], size: int) -> Iterator[List[Any]]:
    chunk: List[Any] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
