"""Predict a number from the other columns of a table, in plain Python: scaling, a model, the loop of the library.

    python examples/regression.py                   # bytes of bytecode of functions in the standard library
    python examples/regression.py houses.csv price

`thinc-core train examples/regression.cfg` does the same from a config, with checkpoints, plots and more.
"""

import argparse
from typing import List, Optional, Sequence

import numpy

from thinc_core.api import Adam, L2Distance, Linear, Mish, chain, fix_random_seed
from thinc_core.training import AmountMeasure, Encoder, Split, TrainingSettings, averaged, evaluate, fit, read_table
from thinc_core.training.stdlib_functions import TARGET, read_functions
from thinc_core.training.tables import numbers_of
from thinc_core.training.texts import Located


def load(path: Optional[str], target: str, n_rows: int) -> List[Located]:
    """Rows with their column names, from a file or from the standard library."""
    if path:
        return read_table(path, [target])
    return [row for file in read_functions(n_rows) for row in file]


def main(argv: Optional[Sequence[str]] = None) -> float:
    """Train, print scores. RETURNS: the part of the variance of held-out rows that is explained."""
    parser = argparse.ArgumentParser(description="Train a regression.")
    parser.add_argument("file", nargs="?", metavar="FILE", help="a CSV file with a header")
    parser.add_argument("target", nargs="?", default=TARGET, metavar="COLUMN", help="the column to predict")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--rows", type=int, default=3000, help="of the standard library")
    arguments = parser.parse_args(argv)

    rows = load(arguments.file, arguments.target, arguments.rows)
    is_held_out = numpy.random.default_rng(0).random(len(rows)) < 0.2
    train = [row for row, out in zip(rows, is_held_out) if not out]
    encode = Encoder.fit(train, [name for name in rows[0].record if name != arguments.target])
    X, amounts = encode(rows), numbers_of(rows, [arguments.target])
    mean, scale = amounts[~is_held_out].mean(axis=0), amounts[~is_held_out].std(axis=0)
    Y = ((amounts - mean) / scale).astype("float32")
    train_split, test_split = Split(X[~is_held_out], Y[~is_held_out]), Split(X[is_held_out], Y[is_held_out])

    settings = TrainingSettings(epochs=arguments.epochs)
    fix_random_seed(settings.seed)
    model, optimizer, measure = chain(Mish(64), Mish(64), Linear(1)), Adam(0.002), AmountMeasure(mean, scale)
    model.initialize(X=X[:2], Y=Y[:2])
    fit(model, optimizer, L2Distance(), train_split, test_split, settings, measure=measure)
    with averaged(model, optimizer):
        scores = evaluate(model, test_split, measure)
    print(f"R2 {scores.main:.4f}, mean error {scores.values['mae']:.4g} on {len(test_split)} rows")
    return scores.main


if __name__ == "__main__":
    main()
