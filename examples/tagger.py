"""Train a tagger in plain Python, with the loop written out: every step from words to updated weights.

    python examples/tagger.py                       # the source of Python's own standard library
    python examples/tagger.py train.conllu dev.conllu

`thinc-core train examples/tagger.cfg` does the same from a config, with checkpoints, plots and more.
"""

import argparse
from typing import List, Optional, Sequence, Tuple

import numpy

from thinc_core.api import (
    Adam,
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
from thinc_core.training import FeatureExtractor, Sentence, read_conllu
from thinc_core.training.stdlib_source import read_stdlib

FEATURES = [("lower", 5000), ("prefix1", 1000), ("suffix3", 2500), ("shape", 2500)]  # name, rows of the table
BATCH = 32


def make_model(n_tags: int, width: int = 96, depth: int = 4) -> Model[Ragged, Ragged]:
    """Hash embeddings of four features, `depth` windows of one word to each side, a softmax over the tags."""
    with Model.define_operators({">>": chain, "**": clone}):
        tables = [HashEmbed(width, rows, column=i, seed=i + 1) for i, (_, rows) in enumerate(FEATURES)]
        embed = concatenate(*tables) >> Maxout(width, nP=3, normalize=True)
        window = residual(expand_window(1) >> with_array(Maxout(width, nP=3, normalize=True)))
        return with_array(embed) >> window**depth >> with_array(Softmax(n_tags))


def load(paths: List[str], n_words: int) -> Tuple[List[Sentence], List[Sentence]]:
    """Sentences to train on and to test with, from two files or from the standard library."""
    if len(paths) == 2:
        return read_conllu(paths[0]), read_conllu(paths[1])
    files = read_stdlib(n_words)
    held_out = files[::8]
    return [s for i, file in enumerate(files) if i % 8 for s in file], [s for file in held_out for s in file]


def main(argv: Optional[Sequence[str]] = None) -> float:
    """Train, print scores. RETURNS: accuracy on the held-out sentences."""
    parser = argparse.ArgumentParser(description="Train a tagger.")
    parser.add_argument("files", nargs="*", metavar="FILE", help="two CoNLL-U files: to train on, to test with")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--words", type=int, default=100_000, help="of the standard library")
    arguments = parser.parse_args(argv)

    train, test = load(arguments.files, arguments.words)
    tags = sorted({tag for sentence in train for tag in sentence.tags})
    ids = {tag: i for i, tag in enumerate(tags)}
    extract = FeatureExtractor([name for name, _ in FEATURES])

    def batch(sentences: Sequence[Sentence]) -> Tuple[Ragged, numpy.ndarray]:
        lengths = numpy.array([len(sentence.words) for sentence in sentences], dtype="int32")
        words = extract(word for sentence in sentences for word in sentence.words)
        return Ragged(words, lengths), numpy.array([ids.get(tag, -1) for s in sentences for tag in s.tags])

    fix_random_seed(0)
    model, optimizer = make_model(len(tags)), Adam(0.001)
    model.initialize(X=batch(train[:2])[0])
    X_test, Y_test = batch(test)
    accuracy = 0.0
    for epoch in range(arguments.epochs):
        order = numpy.random.default_rng(epoch).permutation(len(train))
        for start in range(0, len(order), BATCH):
            X, Y = batch([train[i] for i in order[start : start + BATCH]])
            guesses, backprop = model.begin_update(X)
            gradient = guesses.data - numpy.eye(len(tags), dtype="float32")[Y]
            backprop(Ragged(gradient / len(Y), guesses.lengths))
            model.finish_update(optimizer)
        with model.use_params(optimizer.averages):
            accuracy = float((model.predict(X_test).data.argmax(axis=1) == Y_test).mean())
        print(f"epoch {epoch + 1}: {accuracy:.2%} of {len(Y_test):,} held-out words")
    return accuracy


if __name__ == "__main__":
    main()
