"""The regression task: numbers from the other columns of a table, CSV or the functions of the standard library."""

from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy

from ..model import Model
from .batching import Split
from .errors import UserError, did_you_mean
from .measures import AmountMeasure
from .settings import read_section, within
from .stdlib_functions import TARGET, read_functions
from .stdlib_source import python_name
from .tables import Encoder, numbers_of, read_rows, read_table
from .tasks import Corpus, Task, hold_out
from .texts import Located


@dataclass(frozen=True)
class RegressionTaskSettings:
    """The [task] section."""

    name: str
    targets: Tuple[str, ...] = (TARGET,)  # columns to be predicted
    ignore: Tuple[str, ...] = ()  # columns that the model must not see


@dataclass(frozen=True)
class RegressionCorpus:
    """The [corpus] section. Paths of .csv or .tsv files with a header, plain or .gz."""

    train: Optional[str] = None  # null: functions of Python's standard library and the size of their bytecode
    dev: Optional[str] = None  # null: every tenth row of train is held out
    test: Optional[str] = None
    rows: int = within(1, default=3000)  # of the standard library to use
    seed: int = within(0, default=0)  # which files of the standard library, and which rows are held out
    limit: int = within(0, default=0)  # use so many training rows; 0: all


Rows = List[Located]


class RegressionTask(Task):
    """Rows of a table, with one or more numbers to be predicted from the rest."""

    name, item, unit, loss_name, outputs = "regression", "rows", "rows", "squared error", "numbers"
    gives_probabilities = False
    corpus_type = RegressionCorpus

    def __init__(self, config: Mapping[str, Any], labels: List[str], notes: Mapping[str, Any]) -> None:
        super().__init__(config, labels, notes)
        self.settings = read_section(config, "task", RegressionTaskSettings)
        if not self.settings.targets:
            raise UserError("task.targets: at least one column must be named; got none")
        self.labels = list(self.settings.targets)
        self.encoder = Encoder.from_notes(notes.get("columns", ()))
        self.mean = numpy.array(notes.get("mean", [0.0] * len(self.labels)), dtype="float64")
        self.scale = numpy.array(notes.get("scale", [1.0] * len(self.labels)), dtype="float64")

    def measure(self) -> AmountMeasure:
        return AmountMeasure(self.mean, self.scale)

    def load(self) -> Corpus:
        settings: RegressionCorpus = self.corpus_settings()
        train, dev, test = self._from_files(settings) if settings.train else _from_stdlib(settings)
        train = train[: settings.limit] if settings.limit else train
        source = settings.train or f"functions of {python_name()}"
        if not self.notes:  # a saved model keeps its own scales
            self._fit(train, source)
        held_out = self.to_split(test) if test else None
        notes = {"columns": self.encoder.to_notes(), "mean": self.mean.tolist(), "scale": self.scale.tolist()}
        return Corpus(self.to_split(train), self.to_split(dev), held_out, self.labels, source, notes)

    def _from_files(self, settings: RegressionCorpus) -> Tuple[Rows, Rows, Optional[Rows]]:
        assert settings.train is not None
        train = read_table(settings.train, self.labels)
        test = read_table(settings.test, self.labels) if settings.test else None
        if settings.dev:
            return train, read_table(settings.dev, self.labels), test
        order = numpy.random.default_rng(settings.seed).permutation(len(train))
        return *hold_out([train[i] for i in order], settings.train), test

    def _fit(self, train: Rows, source: str) -> None:
        names = list(train[0].record)
        for column in self.settings.ignore:
            if column not in names:
                raise UserError(f'task.ignore: {source} has no column "{column}"{did_you_mean(column, names)}')
        inputs = [name for name in names if name not in (*self.labels, *self.settings.ignore)]
        if not inputs:
            raise UserError(f"{source}: there must be columns beside {', '.join(self.labels)} to predict it from")
        self.encoder = Encoder.fit(train, inputs)
        truths = numbers_of(train, self.labels)
        self.mean, deviation = truths.mean(axis=0), truths.std(axis=0)
        self.scale = numpy.where(deviation > 0, deviation, 1.0)

    def to_split(self, rows: Rows) -> Split:
        """Rows as arrays, scaled as the training rows."""
        Y = (numbers_of(rows, self.labels) - self.mean) / self.scale
        return Split(self.encoder(rows), Y.astype("float32"))

    def read_split(self, data: str) -> Split:
        return self.to_split(read_table(data, self.labels))

    def sample_input(self) -> numpy.ndarray:
        if not self.encoder.width:
            raise UserError("regression: how wide a row is can be told only with the data")
        return numpy.zeros((2, self.encoder.width), dtype="float32")

    def read_inputs(self, lines: IO[str], name: str) -> Iterator[Located]:
        """Rows of CSV with a header, or of JSON lines; columns that the model does not need may be there."""
        return read_rows(lines, name, self.encoder.names)

    def predict(self, model: Model, inputs: Sequence[Located]) -> List[Dict[str, Any]]:
        outputs = model.ops.to_numpy(model.predict(model.ops.asarray(self.encoder(inputs))))
        amounts = self.measure().restore(outputs)
        return [{name: float(f"{value:.7g}") for name, value in zip(self.labels, row)} for row in amounts.tolist()]

    def to_text(self, record: Mapping[str, Any]) -> str:
        return "  ".join(f"{value:g}" for value in record.values())


def _from_stdlib(settings: RegressionCorpus) -> Tuple[Rows, Rows, Rows]:
    """Whole files are held out: every tenth for dev, every tenth for test."""
    if settings.dev or settings.test:
        raise UserError("corpus.train: a file is needed when corpus.dev or corpus.test names one; got null")
    files = read_functions(settings.rows, seed=settings.seed)
    if len(files) < 10:
        raise UserError(f"corpus.rows: too few to hold out whole files; got {settings.rows} (use at least 500)")
    train, dev, test = (
        list(chain.from_iterable(file for index, file in enumerate(files) if index % 10 in places))
        for places in (range(8), (8,), (9,))
    )
    return train, dev, test
