"""`thinc-core show`: the layers of a model as a tree, with their dimensions and parameters."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, List, Set, Tuple

from ._shared import count

if TYPE_CHECKING:
    from ..model import Model

HELP = "show the layers of a saved model or of a config"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "thinc-core show MODEL|CONFIG [--section.key VALUE ...]"
    parser.add_argument("model", metavar="MODEL|CONFIG", help="a saved model, the output of a run, or a config file")
    parser.set_defaults(takes_overrides=True)


def run(arguments: argparse.Namespace) -> int:
    from ..training.saved import load_model
    from ..training.settings import load_config, parse_overrides, resolve
    from ..training.tasks import get_task

    overrides = parse_overrides(arguments.overrides)
    if Path(arguments.model).is_dir():
        saved = load_model(arguments.model)
        scores = ", ".join(f"{name} {value:.4f}" for name, value in saved.meta.get("scores", {}).items())
        labels = saved.task.labels
        print(f"{saved.path}: {saved.task.name}, {count(len(labels), saved.task.outputs)}: {' '.join(labels)}")
        print(f"trained on {saved.meta.get('trained_on')}: {scores}\n")
        print(draw_tree(saved.model))
        return 0
    config = load_config(arguments.model, overrides)
    model: Model = resolve(config, ["model"])["model"]
    try:
        get_task(config).initialize(model, 0)
    except (ValueError, KeyError):
        pass  # the number of labels is known only with the data; what depends on it is shown as ?
    print(draw_tree(model))
    return 0


def draw_tree(model: "Model") -> str:
    """One line per layer: its kind, its dimensions, its parameters and how many numbers are in them."""
    from ..training.instruments import kind_of

    rows = [(prefix + kind_of(node), _dims(node), *_parameters(node)) for prefix, node in _walk(model, "", "", set())]
    header = ("layer", "dimensions", "parameters", "numbers")
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(4)]
    lines = [
        f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}".rstrip()
        for a, b, c, d in [header, *rows]
    ]
    total = f"{count_parameters(model):,}"
    is_known = all(node.has_param(name) for node in model.walk() for name in node.param_names)
    note = "numbers in all" if is_known else "numbers so far; ? is known only with the data"
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], "", f"{total} {note}"])


def count_parameters(model: "Model") -> int:
    """How many numbers the parameters of a model hold, each shared layer counted once."""
    return sum(node.get_param(name).size for node in model.walk() for name in node.param_names if node.has_param(name))


def _walk(node: "Model", first: str, rest: str, seen: Set[int]) -> Iterator[Tuple[str, "Model"]]:
    yield first, node
    if node.id in seen:  # a layer used twice is drawn in full once
        return
    seen.add(node.id)
    for index, child in enumerate(node.layers):
        is_last = index == len(node.layers) - 1
        yield from _walk(child, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "), seen)


def _dims(node: "Model") -> str:
    values = [(name, node.maybe_get_dim(name)) for name in node.dim_names]
    return " ".join(f"{name}={'?' if value is None else value}" for name, value in values)


def _parameters(node: "Model") -> Tuple[str, str]:
    texts: List[str] = []
    for name in node.param_names:
        value = node.maybe_get_param(name)
        texts.append(f"{name} ?" if value is None else f"{name} {'x'.join(map(str, value.shape))}")
    sizes = [node.get_param(name).size for name in node.param_names if node.has_param(name)]
    return ", ".join(texts), f"{sum(sizes):,}" if sizes else ""
