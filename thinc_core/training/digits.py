"""The digits task: which of the ten digits an image of 8 x 8 pixels shows. Data ships with the package."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy

from ..model import Model
from .batching import Split
from .conllu import open_text
from .errors import UserError
from .settings import read_section, within
from .tasks import Corpus, Task

DATA = Path(__file__).parent / "data" / "digits.csv.gz"
N_PIXELS, MAX_PIXEL = 64, 16
SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class DigitsTaskSettings:
    """The [task] section."""

    name: str


@dataclass(frozen=True)
class DigitsCorpus:
    """The [corpus] section. CSV files of 64 pixels (0 to 16) and the digit per line; null: the data of the package."""

    train: Optional[str] = None
    dev: Optional[str] = None
    test: Optional[str] = None
    limit: int = within(0, default=0)  # use so many training images; 0: all


class DigitsTask(Task):
    """Images of handwritten digits."""

    name, item, unit = "digits", "images", "images"
    corpus_type = DigitsCorpus

    def load(self) -> Corpus:
        read_section(self.config, "task", DigitsTaskSettings)
        settings: DigitsCorpus = self.corpus_settings()
        self.labels = labels = [str(digit) for digit in range(10)]
        if not settings.train:
            train, dev, test = load_digits()
            return Corpus(train.head(settings.limit), dev, test, labels, "handwritten digits of the UCI repository")
        if not settings.dev:
            raise UserError("corpus.dev: a file is needed when corpus.train names one; got null")
        train, dev = read_csv(settings.train), read_csv(settings.dev)
        held_out = read_csv(settings.test) if settings.test else None
        return Corpus(train.head(settings.limit), dev, held_out, labels, settings.train)

    def read_split(self, data: str) -> Split:
        return read_csv(data)

    def sample_input(self) -> numpy.ndarray:
        return numpy.zeros((2, N_PIXELS), dtype="float32")

    def read_inputs(self, lines: IO[str], name: str) -> Iterator[numpy.ndarray]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                values = (
                    _from_json(line, f"{name}:{number}") if line.lstrip().startswith(("{", "[")) else line.split(",")
                )
                yield _pixels(values[:N_PIXELS] if len(values) == N_PIXELS + 1 else values, f"{name}:{number}")

    def predict(self, model: Model, inputs: List[numpy.ndarray]) -> List[Dict[str, Any]]:
        X = model.ops.asarray(numpy.stack(inputs))
        probabilities = model.ops.to_numpy(model.predict(X))
        best = probabilities.argmax(axis=1)
        return [
            {"label": self.labels[k], "probability": round(float(row[k]), 4)} for row, k in zip(probabilities, best)
        ]

    def to_text(self, record: Mapping[str, Any]) -> str:
        return f"{record['label']}  {record['probability']:.1%}"


def load_digits() -> Tuple[Split, Split, Split]:
    """The packaged data, always divided in the same way: of ten images seven train, one is for dev, two for test."""
    everything = read_csv(str(DATA))
    last_digit = numpy.arange(len(everything)) % 10
    parts = last_digit < 7, last_digit == 7, last_digit > 7
    train, dev, test = (Split(everything.X[part], everything.Y[part]) for part in parts)
    return train, dev, test


def read_csv(path: str) -> Split:
    """Images and digits from a CSV file, plain or gzipped. RAISES: UserError with file and line."""
    images, digits = [], []
    with open_text(path) as file:
        text = file.read()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            where, row = f"{path}:{number}", line.split(",")
            if len(row) != N_PIXELS + 1:
                raise UserError(f"{where}: a line has {N_PIXELS} pixels and the digit; got {len(row)} values")
            if row[-1].strip() not in set("0123456789"):
                raise UserError(f'{where}: the last value must be a digit from 0 to 9; got "{row[-1]}"')
            images.append(_pixels(row[:-1], where))
            digits.append(int(row[-1]))
    if not images:
        raise UserError(f"{path}: no images found in the file")
    return Split(numpy.stack(images), numpy.array(digits, dtype="int32"))


def draw(pixels: numpy.ndarray) -> List[str]:
    """An image as eight lines of text, two characters per pixel."""
    shades = (numpy.clip(pixels, 0, 1) * (len(SHADES) - 1)).round().astype(int).reshape(8, 8)
    return ["".join(SHADES[shade] * 2 for shade in row) for row in shades]


def _from_json(line: str, where: str) -> List[Any]:
    try:
        value = json.loads(line)
    except ValueError as err:
        raise UserError(f"{where}: not valid JSON: {err}") from None
    value = value.get("pixels") if isinstance(value, dict) else value
    if not isinstance(value, list):
        raise UserError(f'{where}: a line of JSON is a list of {N_PIXELS} numbers, or an object with it as "pixels"')
    return value


def _pixels(values: List[Any], where: str) -> numpy.ndarray:
    if len(values) != N_PIXELS:
        raise UserError(f"{where}: an image has {N_PIXELS} pixels; got {len(values)} values")
    try:
        pixels = numpy.array([float(value) for value in values], dtype="float32")
    except (TypeError, ValueError):
        raise UserError(f"{where}: pixels must be numbers; got {values[:4]}...") from None
    if not ((pixels >= 0) & (pixels <= MAX_PIXEL)).all():
        raise UserError(f"{where}: pixels must be from 0 to {MAX_PIXEL}; got {pixels.min():g} to {pixels.max():g}")
    return pixels / MAX_PIXEL
