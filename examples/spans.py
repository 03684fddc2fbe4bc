"""Train a model that finds spans (names, terms, parts of code) in plain Python: BIO tags, and F of whole spans.

    python examples/spans.py                        # parts of statements in Python's own standard library
    python examples/spans.py train.conll test.conll

`thinc-core train examples/spans.cfg` does the same from a config, with checkpoints, plots and more.
"""

import argparse
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
    clone,
    concatenate,
    expand_window,
    fix_random_seed,
    residual,
    with_array,
)
from thinc_core.training import (
    Event,
    FeatureExtractor,
    Sentence,
    SpanMeasure,
    Split,
    TrainingSettings,
    averaged,
    evaluate,
    fit,
    read_columns,
    spans_of,
)
from thinc_core.training.stdlib_source import read_stdlib
from thinc_core.training.stdlib_spans import spans_of_file

FEATURES = ["lower", "prefix1", "suffix3", "shape"]


def make_model(n_tags: int, width: int = 64, depth: int = 3) -> Model[Ragged, Ragged]:
    """Hash embeddings of four features, `depth` windows of one word to each side, a softmax over the tags."""
    tables = [HashEmbed(width, 2000, column=i, seed=i) for i in range(len(FEATURES))]
    embed = chain(concatenate(*tables), Maxout(width, nP=3, normalize=True))
    window = residual(chain(expand_window(1), with_array(Maxout(width, nP=3, normalize=True))))
    return chain(with_array(embed), clone(window, depth), with_array(Softmax(n_tags)))


def load(paths: List[str], n_words: int) -> Tuple[List[Sentence], List[Sentence]]:
    """Sentences to train on and to test with, from two files or from the standard library."""
    if len(paths) == 2:
        return read_columns(paths[0]), read_columns(paths[1])
    files = read_stdlib(n_words, tag=spans_of_file)
    return [s for i, file in enumerate(files) if i % 8 for s in file], [s for file in files[::8] for s in file]


def report(event: Event) -> None:
    """Print a line after each epoch."""
    if event.scores:
        print(f"epoch {event.state.epoch:>2}  loss {event.loss:.4f}  F of spans {event.scores.main:.1%}")


def main(argv: Optional[Sequence[str]] = None) -> float:
    """Train, print scores and a sentence. RETURNS: F of the spans in the held-out sentences."""
    parser = argparse.ArgumentParser(description="Train a model that finds spans.")
    parser.add_argument("files", nargs="*", metavar="FILE", help="two column files: to train on, to test with")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--words", type=int, default=100_000, help="of the standard library")
    arguments = parser.parse_args(argv)

    train, test = load(arguments.files, arguments.words)
    tags = sorted({tag for sentence in train for tag in sentence.tags})
    ids = {tag: i for i, tag in enumerate(tags)}
    extract = FeatureExtractor(FEATURES)

    def to_split(sentences: Sequence[Sentence]) -> Split:
        lengths = numpy.array([len(sentence.words) for sentence in sentences], dtype="int32")
        Y = numpy.array([ids.get(tag, -1) for s in sentences for tag in s.tags], dtype="int32")
        return Split(extract(word for s in sentences for word in s.words), Y, lengths)

    settings = TrainingSettings(epochs=arguments.epochs, batch_size=400, batch_unit="words")
    fix_random_seed(settings.seed)
    train_split, test_split = to_split(train), to_split(test)
    model, optimizer, measure = make_model(len(tags)), Adam(0.002), SpanMeasure(tags)
    model.initialize(X=train_split.take(numpy.arange(2)).X)
    fit(
        model, optimizer, CategoricalCrossentropy(), train_split, test_split, settings,
        callbacks=[report], measure=measure,
    )  # fmt: skip
    with averaged(model, optimizer):
        scores = evaluate(model, test_split, measure)
    shown = max(range(len(test)), key=lambda i: len(set(test[i].tags)) - len(test[i].words) // 16)
    start, end = test_split.starts[shown : shown + 2]
    found = spans_of(tags[i] for i in scores.answers[start:end])
    print(" ".join(test[shown].words))
    print("  " + ", ".join(f"{' '.join(test[shown].words[a:b])} = {label}" for a, b, label in found))
    print(f"F {scores.main:.1%} (precision {scores.values['precision']:.1%}, recall {scores.values['recall']:.1%})")
    return scores.main


if __name__ == "__main__":
    main()
