"""Train a text classifier in plain Python: reading texts, a model, the loop of the library, scores of each label.

    python examples/textcat.py                      # docstrings of Python's standard library, by module
    python examples/textcat.py train.jsonl test.jsonl
    python examples/textcat.py mail/train mail/test    # a folder of files for each label

`thinc-core train examples/textcat.cfg` does the same from a config, with checkpoints, plots and more.
"""

import argparse
from itertools import chain as joined
from typing import List, Optional, Sequence, Tuple

import numpy

from thinc_core.api import (
    Adam,
    CategoricalCrossentropy,
    HashEmbed,
    Maxout,
    Model,
    Ragged,
    Softmax,
    chain,
    concatenate,
    fix_random_seed,
    reduce_mean,
    with_array,
)
from thinc_core.training import (
    Event,
    FeatureExtractor,
    LabelMeasure,
    Split,
    Text,
    TrainingSettings,
    averaged,
    evaluate,
    fit,
    read_texts,
    tokens_of,
)
from thinc_core.training.stdlib_docs import TOPICS, read_docstrings

FEATURES = ["lower", "prefix3", "suffix3"]


def make_model(n_labels: int, width: int = 64) -> Model[Ragged, numpy.ndarray]:
    """Three hash embeddings of each word, mixed; their mean over the text; a softmax over the labels."""
    tables = [HashEmbed(width, 3000, column=i, seed=i) for i in range(len(FEATURES))]
    words = chain(concatenate(*tables), Maxout(width, nP=3, normalize=True, dropout=0.3))
    return chain(with_array(words), reduce_mean(), Maxout(width, nP=3, normalize=True), Softmax(n_labels))


def load(paths: List[str], topics: Sequence[str]) -> Tuple[List[Text], List[Text]]:
    """Texts to train on and to test with, from two files or folders, or from the standard library."""
    if len(paths) == 2:
        return read_texts(paths[0]), read_texts(paths[1])
    texts = read_docstrings(topics)
    order = numpy.random.default_rng(0).permutation(len(texts))
    return [texts[i] for i in order[len(texts) // 5 :]], [texts[i] for i in order[: len(texts) // 5]]


def report(event: Event) -> None:
    """Print a line after each epoch."""
    if event.scores:
        print(f"epoch {event.state.epoch:>2}  loss {event.loss:.3f}  accuracy {event.scores.accuracy:.1%}")


def main(argv: Optional[Sequence[str]] = None) -> float:
    """Train, print scores. RETURNS: accuracy on the held-out texts."""
    parser = argparse.ArgumentParser(description="Train a text classifier.")
    parser.add_argument("files", nargs="*", metavar="FILE", help="two files or folders: to train on, to test with")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--topics", nargs="+", default=TOPICS, metavar="MODULE", help="of the standard library")
    arguments = parser.parse_args(argv)

    train, test = load(arguments.files, arguments.topics)
    labels = sorted({text.label for text in train})
    ids = {label: i for i, label in enumerate(labels)}
    extract = FeatureExtractor(FEATURES)

    def to_split(texts: Sequence[Text]) -> Split:
        words = [tokens_of(text.text) for text in texts]
        lengths = numpy.array([len(each) for each in words], dtype="int32")
        Y = numpy.array([ids.get(text.label, -1) for text in texts], dtype="int32")
        return Split(extract(joined.from_iterable(words)), Y, lengths, per_item=True)

    settings = TrainingSettings(epochs=arguments.epochs, batch_size=16, bucket_size=256)
    fix_random_seed(settings.seed)
    train_split, test_split = to_split(train), to_split(test)
    model, optimizer, measure = make_model(len(labels)), Adam(0.003), LabelMeasure(labels)
    model.initialize(X=train_split.take(numpy.arange(2)).X)
    fit(
        model, optimizer, CategoricalCrossentropy(), train_split, test_split, settings,
        callbacks=[report], measure=measure,
    )  # fmt: skip
    with averaged(model, optimizer):
        scores = evaluate(model, test_split, measure)
    for label, counts in measure.counts(test_split, scores.answers).items():
        print(f"{label:>16}  precision {counts.precision:.1%}  recall {counts.recall:.1%}  of {counts.true}")
    print(f"accuracy {scores.accuracy:.1%} on {len(test)} texts")
    return scores.accuracy


if __name__ == "__main__":
    main()
