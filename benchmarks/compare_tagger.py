"""The tagger on a treebank, side by side with the original in one process: accuracy after each epoch, words per second.

    python -m benchmarks.compare_tagger --epochs 3
    python -m benchmarks.compare_tagger --train a.conllu --dev b.conllu --batches 100

Both sides get the same arrays of features, the same network (the [model] section of examples/tagger.cfg, resolved by
each library's own registry), the same hyperparameters, the same order of batches and the same first weights. They take
turns, one batch each, so that whatever slows the machine down slows both. A side's rate counts the time of its own
updates alone. Run it with OMP_NUM_THREADS=1 where the original is installed.
"""

import argparse
import importlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy

from thinc_core.config import Config
from thinc_core.training.batching import Split, epoch_order, make_batches
from thinc_core.training.starters import starter_config
from thinc_core.training.tagger import TaggerTask

from .machine import ROOT

DATA = ROOT.parent / "shared" / "data" / "ud_english_ewt"
PACKAGES = {"ours": "thinc_core", "original": "thinc"}


@dataclass
class Side:
    """One library with its model; api is its module of public names."""

    name: str
    api: Any
    model: Any
    optimizer: Any
    loss: Any
    seconds: float = 0.0
    words: int = 0

    def ragged(self, split: Split, items: numpy.ndarray) -> Any:
        """A batch in this library's own container."""
        X = split.take(items).X
        return self.api.Ragged(X.data, X.lengths)

    def update(self, split: Split, items: numpy.ndarray) -> None:
        """One training step, timed."""
        X, Y = self.ragged(split, items), split.take(items).Y
        began = time.perf_counter()
        guesses, backprop = self.model.begin_update(X)
        backprop(self.api.Ragged(self.loss.get_grad(guesses.data, Y), guesses.lengths))
        self.model.finish_update(self.optimizer)
        self.seconds += time.perf_counter() - began
        self.words += len(Y)

    def evaluate(self, split: Split) -> Dict[str, float]:
        """Accuracy with averaged weights, and words per second of predicting alone."""
        correct, seconds = 0, 0.0
        with self.model.use_params(self.optimizer.averages):
            for items in make_batches(split, numpy.arange(len(split)), 32):
                X = self.ragged(split, items)
                began = time.perf_counter()
                guesses = self.model.predict(X).data
                seconds += time.perf_counter() - began
                correct += int((guesses.argmax(axis=1) == split.take(items).Y).sum())
        return {"accuracy": correct / split.n_rows, "predict": split.n_rows / seconds}


def make_side(name: str, config: Config, split: Split, n_labels: int, seed: int) -> Side:
    """The tagger as this library builds it from the config; random draws start from the same seed."""
    api = importlib.import_module(f"{PACKAGES[name]}.api")
    api.fix_random_seed(seed)
    built = api.registry.resolve({key: config[key] for key in ("model", "optimizer", "loss")})
    side = Side(name, api, built["model"], built["optimizer"], built["loss"])
    X = side.ragged(split, numpy.arange(2))
    Y = numpy.zeros((len(X.data), n_labels), dtype="float32")
    side.model.initialize(X=X, Y=api.Ragged(Y, X.lengths))
    return side


def share_weights(sides: Sequence[Side]) -> None:
    """Start every side from the first one's weights: they save and load each other's files."""
    saved = sides[0].model.to_bytes()
    for side in sides[1:]:
        side.model.from_bytes(saved)


def run(sides: Sequence[Side], train: Split, dev: Split, config: Config, epochs: int, max_batches: int) -> List[Any]:
    """Train all sides batch by batch in turn. RETURNS: one row per side and epoch."""
    rows = []
    for epoch in range(epochs):
        order = epoch_order(len(train), config["training"]["seed"], epoch)
        batches = make_batches(train, order, config["training"]["batch_size"])
        for index, items in enumerate(batches[: max_batches or None]):
            for side in sides[::-1] if index % 2 else sides:
                side.update(train, items)
        for side in sides:
            row = {"side": side.name, "epoch": epoch + 1, "train": side.words / side.seconds, **side.evaluate(dev)}
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def report(rows: Sequence[Dict[str, Any]]) -> None:
    """The last epoch as a table, with the ratios that the targets speak of."""
    last = {row["side"]: row for row in rows}
    print(f"\n{'':<10}{'dev accuracy':>14}{'train words/s':>16}{'predict words/s':>18}")
    for name, row in last.items():
        print(f"{name:<10}{row['accuracy']:>14.2%}{row['train']:>16,.0f}{row['predict']:>18,.0f}")
    if len(last) == 2:
        ours, original = last["ours"], last["original"]
        difference = 100 * (ours["accuracy"] - original["accuracy"])
        ratios = [f"{ours[phase] / original[phase]:.2f}x" for phase in ("train", "predict")]
        print(f"{'ours':<10}{difference:>+13.2f} {ratios[0]:>16}{ratios[1]:>18}")


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description="Compare the tagger with the original.")
    parser.add_argument("--train", type=Path, default=DATA / "en_ewt-train.conllu.gz")
    parser.add_argument("--dev", type=Path, default=DATA / "en_ewt-dev.conllu.gz")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batches", type=int, default=0, help="use so many batches of each epoch (default: all)")
    parser.add_argument("--sides", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    arguments = parser.parse_args(argv)

    overrides = {"corpus.train": str(arguments.train), "corpus.dev": str(arguments.dev)}
    config = Config().from_str(starter_config("tagger", overrides))
    corpus = TaggerTask(config, [], {}).load()
    seed = config["training"]["seed"]
    sides = [make_side(name, config, corpus.train, len(corpus.labels), seed) for name in arguments.sides]
    share_weights(sides)
    report(run(sides, corpus.train, corpus.dev, config, arguments.epochs, arguments.batches))


if __name__ == "__main__":
    main()
