"""The textcat task: a label for each text, from JSON lines, CSV, folders, or the docstrings of the standard library."""

import json
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy

from ..model import Model
from ..types import Ragged
from .batching import Split
from .errors import UserError, did_you_mean
from .features import FeatureExtractor
from .measures import LabelMeasure, Measure
from .settings import read_section, within
from .stdlib_docs import TOPICS, read_docstrings
from .stdlib_source import python_name
from .tasks import Corpus, Task, hold_out
from .texts import Text, read_csv_records, read_texts, suffix_of, tokens_of


@dataclass(frozen=True)
class TextcatTaskSettings:
    """The [task] section."""

    name: str
    features: Tuple[str, ...] = ("lower", "prefix3", "suffix3", "shape")  # one column of ids each, in this order
    max_words: int = within(1, default=400)  # of a text; the rest is not read


@dataclass(frozen=True)
class TextcatCorpus:
    """The [corpus] section. Paths of .jsonl, .csv or .tsv files, plain or .gz, or of directories of folders."""

    train: Optional[str] = None  # null: docstrings of Python's standard library
    dev: Optional[str] = None  # null: every tenth text of train is held out
    test: Optional[str] = None
    text: str = "text"  # column or key of the text
    label: str = "label"  # column or key of the label
    topics: Tuple[str, ...] = TOPICS  # of the standard library
    seed: int = within(0, default=0)  # which docstrings are held out, and which texts come first for `limit`
    limit: int = within(0, default=0)  # use so many training texts; 0: all


class TextcatTask(Task):
    """Texts with one label each."""

    name, item, unit, per_item = "textcat", "texts", "texts", True
    corpus_type = TextcatCorpus

    def __init__(self, config: Mapping[str, Any], labels: List[str], notes: Mapping[str, Any]) -> None:
        super().__init__(config, labels, notes)
        self.settings = read_section(config, "task", TextcatTaskSettings)
        self.extract = FeatureExtractor(self.settings.features)

    def measure(self) -> Measure:
        return LabelMeasure(self.labels, macro_f=True)

    def load(self) -> Corpus:
        settings: TextcatCorpus = self.corpus_settings()
        if settings.train:
            train, dev, test = self._from_files(settings)
            source = settings.train
        else:
            train, dev, test = self._from_stdlib(settings)
            source = f"docstrings of {python_name()}"
        train = train[: settings.limit] if settings.limit else train
        self.labels = self.labels or sorted({text.label for text in train})
        if len(self.labels) < 2:
            raise UserError(f"{source}: texts must have at least two different labels; got {self.labels}")
        held_out = self.to_split(test) if test else None
        return Corpus(self.to_split(train), self.to_split(dev), held_out, self.labels, source)

    def _from_files(self, settings: TextcatCorpus) -> Tuple[List[Text], List[Text], Optional[List[Text]]]:
        def read(path: str) -> List[Text]:
            return read_texts(path, settings.text, settings.label)

        assert settings.train is not None
        train, test = read(settings.train), read(settings.test) if settings.test else None
        # Files are often sorted by label: so are these, to hold out a tenth of each, then they are mixed.
        train = sorted(train, key=lambda text: text.label)
        train, dev = (train, read(settings.dev)) if settings.dev else hold_out(train, settings.train)
        return _shuffled(train, settings.seed), dev, test

    def _from_stdlib(self, settings: TextcatCorpus) -> Tuple[List[Text], List[Text], List[Text]]:
        if settings.dev or settings.test:
            raise UserError("corpus.train: a file is needed when corpus.dev or corpus.test names one; got null")
        texts = _shuffled(read_docstrings(settings.topics), settings.seed)
        if len(texts) < 20:
            raise UserError(f"corpus.topics: too few docstrings to hold some out; got {len(texts)}")
        train = [text for index, text in enumerate(texts) if index % 10 < 8]
        return train, texts[8::10], texts[9::10]

    def to_split(self, texts: Sequence[Text]) -> Split:
        """Texts as arrays of the features of their words; a label that is not among the labels becomes -1."""
        ids = {label: index for index, label in enumerate(self.labels)}
        X, lengths = self._words([text.text for text in texts])
        return Split(X, numpy.array([ids.get(text.label, -1) for text in texts], dtype="int32"), lengths, per_item=True)

    def _words(self, texts: Sequence[str]) -> Tuple[numpy.ndarray, numpy.ndarray]:
        words = [tokens_of(text)[: self.settings.max_words] for text in texts]
        return self.extract(chain.from_iterable(words)), numpy.array([len(each) for each in words], dtype="int32")

    def read_split(self, data: str) -> Split:
        settings: TextcatCorpus = self.corpus_settings()
        return self.to_split(read_texts(data, settings.text, settings.label))

    def sample_input(self) -> Ragged:
        X: Any = numpy.arange(2 * len(self.extract.names), dtype="uint64").reshape(2, -1)
        lengths: Any = numpy.array([2], dtype="int32")
        return Ragged(X, lengths)

    def read_inputs(self, lines: IO[str], name: str) -> Iterator[str]:
        """Texts: of JSON lines (a text, or an object with it), of the column of a CSV file, or one a line."""
        key = self.corpus_settings().text
        if suffix_of(name) in (".csv", ".tsv"):
            yield from (str(record[key]) for _, record in read_csv_records(lines, name, [key]))
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                is_json = line.lstrip().startswith(("{", '"')) if name == "-" else suffix_of(name) == ".jsonl"
                yield _from_json(line, key, f"{name}:{number}") if is_json else line.strip()

    def predict(self, model: Model, inputs: List[str]) -> List[Dict[str, Any]]:
        ops: Any = model.ops
        X, lengths = self._words(inputs)
        rows = ops.to_numpy(model.predict(Ragged(ops.asarray(X), ops.asarray(lengths))))
        return [
            {"text": text, "label": self.labels[k], "probability": round(float(row[k]), 4)}
            for text, row, k in zip(inputs, rows, rows.argmax(axis=1))
        ]

    def to_text(self, record: Mapping[str, Any]) -> str:
        return f"{record['label']}  {record['probability']:.1%}  {' '.join(record['text'].split())[:80]}"


def _shuffled(texts: Sequence[Text], seed: int) -> List[Text]:
    return [texts[i] for i in numpy.random.default_rng(seed).permutation(len(texts))]


def _from_json(line: str, key: str, where: str) -> str:
    try:
        value = json.loads(line)
    except ValueError as err:
        raise UserError(f"{where}: not valid JSON: {err}") from None
    if isinstance(value, dict) and key not in value:
        raise UserError(f'{where}: there is no "{key}"{did_you_mean(key, value)}')
    value = value[key] if isinstance(value, dict) else value
    if not isinstance(value, str):
        raise UserError(f'{where}: must be a text, or an object with it as "{key}"; got {json.dumps(value)[:40]}')
    return value
