"""Train a digits classifier in plain Python: the model, the loop and a callback, without a config file.

    python examples/digits.py --epochs 20

`thinc-core train examples/digits.cfg` does the same from a config, with checkpoints, plots and more.
"""

import argparse
from typing import Optional, Sequence

from thinc_core.api import Adam, CategoricalCrossentropy, Relu, Softmax, chain, fix_random_seed
from thinc_core.training import Event, TrainingSettings, averaged, evaluate, fit
from thinc_core.training.digits import load_digits


def report(event: Event) -> None:
    """Print a line after each epoch."""
    if event.scores:
        print(f"epoch {event.state.epoch:>2}  loss {event.loss:.3f}  dev accuracy {event.scores.accuracy:.1%}")


def main(argv: Optional[Sequence[str]] = None) -> float:
    """Train, print scores. RETURNS: accuracy on the test images."""
    parser = argparse.ArgumentParser(description="Train a digits classifier.")
    parser.add_argument("--epochs", type=int, default=20)
    settings = TrainingSettings(epochs=parser.parse_args(argv).epochs)

    fix_random_seed(settings.seed)
    train, dev, test = load_digits()
    model = chain(Relu(256, dropout=0.4, normalize=True), Relu(256, dropout=0.4, normalize=True), Softmax(10))
    model.initialize(X=train.X[:5])
    optimizer = Adam(0.002, L2=0.001)

    fit(model, optimizer, CategoricalCrossentropy(), train, dev, settings, callbacks=[report])
    with averaged(model, optimizer):
        accuracy = evaluate(model, test).accuracy
    print(f"test accuracy {accuracy:.1%} on {len(test)} images")
    return accuracy


if __name__ == "__main__":
    main()
