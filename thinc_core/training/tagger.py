"""The tagger task: a label for each word of a sentence, from CoNLL-U files or Python's own standard library."""

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type

import numpy

from ..model import Model
from ..types import Ragged
from .batching import Split
from .conllu import Sentence, parse_conllu, read_conllu
from .errors import UserError
from .features import FeatureExtractor
from .settings import read_section, within
from .stdlib_source import python_name, read_stdlib, tag_file, tokenize_lines
from .tasks import Corpus, Task, existing_file, hold_out

DEFAULT_FEATURES = ("lower", "prefix1", "suffix3", "shape")


@dataclass(frozen=True)
class TaggerTaskSettings:
    """The [task] section."""

    name: str
    features: Tuple[str, ...] = DEFAULT_FEATURES  # one column of ids each, in this order


@dataclass(frozen=True)
class TaggerCorpus:
    """The [corpus] section. Paths of CoNLL-U files, plain or .gz."""

    train: Optional[str] = None  # null: the source of Python's standard library
    dev: Optional[str] = None  # null: every tenth sentence of train is held out
    test: Optional[str] = None
    words: int = within(1, default=250_000)  # of the standard library to use
    seed: int = within(0, default=0)  # which files of the standard library
    limit: int = within(0, default=0)  # use so many training sentences; 0: all


class Parts(NamedTuple):
    """A corpus before it becomes arrays."""

    train: List[Sentence]
    dev: List[Sentence]
    test: Optional[List[Sentence]]


class TaggerTask(Task):
    """Words with one tag each."""

    name, item, unit = "tagger", "sentences", "words"
    corpus_type: Type[Any] = TaggerCorpus

    def __init__(self, config: Mapping[str, Any], labels: List[str], notes: Mapping[str, Any]) -> None:
        super().__init__(config, labels, notes)
        settings = read_section(config, "task", TaggerTaskSettings)
        self.extract = FeatureExtractor(settings.features)

    def load(self) -> Corpus:
        settings: TaggerCorpus = self.corpus_settings()
        parts, source = _from_files(settings) if settings.train else from_stdlib(settings, tag_file)
        return self.to_corpus(parts, source, settings.limit, "conllu" if settings.train else "python")

    def to_corpus(self, parts: Parts, source: str, limit: int, tokens: str) -> Corpus:
        """Sentences as a corpus. limit: of those to train on, 0: all. tokens: what they were read from."""
        train = parts.train[:limit] if limit > 0 else parts.train
        # A saved model keeps its own labels, also when the files have changed since.
        self.labels = self.labels or sorted({tag for sentence in train for tag in sentence.tags})
        test = None if parts.test is None else self.to_split(parts.test)
        return Corpus(self.to_split(train), self.to_split(parts.dev), test, self.labels, source, {"tokens": tokens})

    def to_split(self, sentences: Sequence[Sentence]) -> Split:
        """Sentences as arrays; a tag that is not among the labels becomes -1."""
        ids = {label: index for index, label in enumerate(self.labels)}
        Y = numpy.array([ids.get(tag, -1) for sentence in sentences for tag in sentence.tags], dtype="int32")
        lengths = numpy.array([len(sentence.words) for sentence in sentences], dtype="int32")
        return Split(self.extract(chain.from_iterable(sentence.words for sentence in sentences)), Y, lengths)

    def read_split(self, data: str) -> Split:
        if data.endswith(".py"):
            sentences = tag_file(existing_file(data))
            if not sentences:
                raise UserError(f"{data}: not Python source that this interpreter can parse")
        else:
            sentences = read_conllu(data)
        return self.to_split(sentences)

    def sample_input(self) -> Ragged:
        X: Any = numpy.arange(2 * len(self.extract.names), dtype="uint64").reshape(2, -1)
        lengths: Any = numpy.array([2], dtype="int32")
        return Ragged(X, lengths)

    def read_inputs(self, lines: IO[str], name: str) -> Iterator[List[str]]:
        """Sentences as lists of words: from CoNLL-U, JSON lines, Python source or lines of words divided by spaces.

        The file's ending decides; without one, a model trained on Python source reads Python source.
        """
        stem = name[:-3] if name.endswith(".gz") else name
        if stem.endswith(".conllu"):
            yield from (sentence.words for sentence in parse_conllu(lines, name, need_tags=False))
        elif stem.endswith(".jsonl"):
            yield from (_words_of_json(line, f"{name}:{n}") for n, line in enumerate(lines, 1) if line.strip())
        elif stem.endswith(".py") or (name == "-" and self.notes.get("tokens") == "python"):
            yield from tokenize_lines(lines.read())
        else:
            yield from (line.split() for line in lines if line.strip())

    def predict(self, model: Model, inputs: List[List[str]]) -> List[Dict[str, Any]]:
        lengths = numpy.array([len(words) for words in inputs], dtype="int32")
        ops: Any = model.ops
        X = Ragged(ops.asarray(self.extract(chain.from_iterable(inputs))), ops.asarray(lengths))
        Y = ops.to_numpy(model.predict(X).dataXd)
        best, top = Y.argmax(axis=1), Y.max(axis=1)
        records, start = [], 0
        for words in inputs:
            rows = slice(start, start + len(words))
            tags = [self.labels[k] for k in best[rows]]
            records.append({"words": words, "tags": tags, "probabilities": [round(float(p), 4) for p in top[rows]]})
            start += len(words)
        return records

    def to_text(self, record: Mapping[str, Any]) -> str:
        return " ".join(f"{word}/{tag}" for word, tag in zip(record["words"], record["tags"]))


def _words_of_json(line: str, where: str) -> List[str]:
    try:
        value = json.loads(line)
    except ValueError as err:
        raise UserError(f"{where}: not valid JSON: {err}") from None
    words = value.get("words") if isinstance(value, dict) else value
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise UserError(f'{where}: a line of JSON is a list of words, or an object with it as "words"')
    return words


def _from_files(settings: TaggerCorpus) -> Tuple[Parts, str]:
    assert settings.train is not None
    train, test = read_conllu(settings.train), read_conllu(settings.test) if settings.test else None
    if settings.dev:
        return Parts(train, read_conllu(settings.dev), test), settings.train
    return Parts(*hold_out(train, settings.train), test), settings.train


def from_stdlib(settings: Any, tag: Callable[[Path], List[Sentence]]) -> Tuple[Parts, str]:
    """Sentences of the standard library. Whole files are held out: every tenth for dev, every tenth for test.

    settings: with train, dev, test, words and seed, as TaggerCorpus has them. tag: of read_stdlib.
    """
    if settings.dev or settings.test:
        raise UserError("corpus.train: a file is needed when corpus.dev or corpus.test names one; got null")
    files = read_stdlib(settings.words, seed=settings.seed, tag=tag)
    if len(files) < 10:
        raise UserError(f"corpus.words: too few to hold out whole files; got {settings.words} (use at least 20000)")
    dev, test = files[8::10], files[9::10]
    train = [file for index, file in enumerate(files) if index % 10 < 8]
    parts = Parts(*(list(chain.from_iterable(group)) for group in (train, dev, test)))
    return parts, f"standard library of {python_name()}, {len(files)} files"
