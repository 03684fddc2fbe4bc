"""Loggers: where the rows of metrics go. metrics.jsonl is always written; CSV and TensorBoard when a config says so."""

import csv
import io
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Union

from .checkpoints import write_atomic
from .errors import UserError, did_you_mean

METRICS, TABLE, EVENTS = "metrics.jsonl", "metrics.csv", "tensorboard"
TENSORBOARD_HINT = "training.loggers: tensorboard needs a package: pip install 'thinc_core[tensorboard]'"
Row = Dict[str, Any]


class Logger:
    """Base class. A row is a flat dict with "kind" ("step" or "evaluation"), "epoch", "step" and numbers by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def open(self, rows: Sequence[Row]) -> None:
        """Begin anew, after the rows of the run so far: what was logged later than its checkpoint has to go."""

    def log(self, row: Row) -> None:
        """One more row."""
        raise NotImplementedError

    def close(self) -> None:
        """The run has ended; everything must be on disk."""


class JsonLinesLogger(Logger):
    """metrics.jsonl: every row as a line of JSON."""

    def open(self, rows: Sequence[Row]) -> None:
        write_atomic(self.directory / METRICS, "".join(json.dumps(row) + "\n" for row in rows))

    def log(self, row: Row) -> None:
        with (self.directory / METRICS).open("a", encoding="utf8") as file:
            file.write(json.dumps(row) + "\n")


class CsvLogger(Logger):
    """metrics.csv: a line per evaluation, for spreadsheets."""

    def open(self, rows: Sequence[Row]) -> None:
        self.rows = [row for row in rows if row["kind"] == "evaluation"]
        self._write()

    def log(self, row: Row) -> None:
        if row["kind"] == "evaluation":
            self.rows.append(row)
            self._write()

    def _write(self) -> None:
        names = list(dict.fromkeys(name for row in self.rows for name in row if name != "kind"))
        text = io.StringIO()
        table = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write_atomic(self.directory / TABLE, text.getvalue())


class TensorBoardLogger(Logger):
    """tensorboard/: event files, to be looked at with `tensorboard --logdir`. Written by tensorboardX."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise UserError(TENSORBOARD_HINT) from None
        self._make: Callable[..., Any] = SummaryWriter
        self._writer: Any = None

    def open(self, rows: Sequence[Row]) -> None:
        last = max((row["step"] for row in rows), default=0)
        files = list((self.directory / EVENTS).glob("events.out.tfevents.*"))
        if not rows:  # a new run in the place of an old one
            for old in files:
                old.unlink()
        # The name of a file says the second in which it was made: that alone, a quick resume would write over another.
        self._writer = self._make(
            str(self.directory / EVENTS), purge_step=last + 1 if rows else None, filename_suffix=f".{len(files)}"
        )

    def log(self, row: Row) -> None:
        for name, value in row.items():
            if name not in ("kind", "step", "best") and isinstance(value, (int, float)):
                self._writer.add_scalar(f"{row['kind']}/{name}", value, row["step"])
        if row["kind"] == "evaluation":
            self._writer.flush()

    def close(self) -> None:
        self._writer.close()


LOGGERS: Mapping[str, Callable[[Path], Logger]] = {"csv": CsvLogger, "tensorboard": TensorBoardLogger}


def make_loggers(names: Sequence[str], directory: Union[str, Path]) -> List[Logger]:
    """The loggers of a run, metrics.jsonl first. RAISES: UserError for unknown names and missing packages."""
    for name in names:
        if name not in LOGGERS:
            raise UserError(f'training.loggers: there is no logger "{name}"{did_you_mean(name, LOGGERS)}')
    return [JsonLinesLogger(Path(directory)), *(LOGGERS[name](Path(directory)) for name in dict.fromkeys(names))]


def read_metrics(path: Union[str, Path]) -> List[Row]:
    """The rows of a metrics.jsonl; a last line cut off by a crash is left out."""
    path = Path(path)
    rows = []
    for line in path.read_text(encoding="utf8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows
