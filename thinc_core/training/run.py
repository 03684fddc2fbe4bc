"""A whole training job from a config: data, model, loop, output directory, resuming. The commands are thin on it."""

import json
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy

from ..config import Config
from ..errors import describe
from ..model import Model
from ..util import fix_random_seed
from .checkpoints import (
    check_writable,
    make_directory,
    read_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    write_atomic,
)
from .errors import UserError
from .evaluation import Scores, averaged, evaluate, majority_accuracy, rows_of
from .loop import Callback, Event, TrainState, fit
from .plots import can_plot, plot_learning_curve
from .saved import META_NAME, WEIGHTS_NAME, read_weights, save_model
from .settings import MAY_CHANGE_ON_RESUME, TrainingSettings, differing_keys, read_section, resolve
from .tasks import Corpus, Task, get_task

BEST, LAST, CHECKPOINT, METRICS, CURVE = (
    "model-best",
    "model-last",
    "checkpoint.bin",
    "metrics.jsonl",
    "learning-curve.png",
)
SECONDS_PER_CURVE = 30  # between two drawings of the learning curve while training goes on
STEPS_PER_METRIC = 20  # updates between two "step" lines of metrics.jsonl


@dataclass
class Run:
    """Everything a config describes, built and ready to train."""

    config: Config
    settings: TrainingSettings
    task: Task
    corpus: Corpus
    model: Model
    optimizer: Any
    loss: Any

    @classmethod
    def from_config(cls, config: Config) -> "Run":
        """Check the config, seed the random generators, read the corpus, build and initialise the model."""
        settings = read_section(config, "training", TrainingSettings)
        task = get_task(config)
        fix_random_seed(settings.seed)
        built = resolve(config, ["model", "optimizer", "loss"])
        corpus = task.load()
        for name, split in (("training", corpus.train), ("dev", corpus.dev)):
            if not len(split):
                raise UserError(f"corpus: there are no {name} {task.item}")
        with naming_section("model", f"does not fit {len(corpus.labels)} labels and the task's input"):
            task.initialize(built["model"], len(corpus.labels))
        try_out(built["model"], built["loss"], corpus)
        return cls(config, settings, task, corpus, built["model"], built["optimizer"], built["loss"])

    @property
    def meta(self) -> Dict[str, Any]:
        """What travels with the weights in meta.json."""
        return {
            "task": self.task.name,
            "labels": self.corpus.labels,
            "notes": self.corpus.notes,
            "trained_on": self.corpus.source,
        }

    def train(
        self,
        output: Optional["OutputDirectory"] = None,
        callbacks: Sequence[Callback] = (),
        should_stop: Callable[[], bool] = lambda: False,
    ) -> "Result":
        """Train from the start, or from where `output` left off; the model ends up with its best averaged weights."""
        fix_random_seed(self.settings.seed)  # whatever was drawn since the model was built; resuming sets its own
        state = output.open(self) if output else TrainState()
        keeper = BestWeights(self, output)
        state = fit(
            self.model,
            self.optimizer,
            self.loss,
            self.corpus.train,
            self.corpus.dev,
            self.settings,
            state=state,
            callbacks=[*callbacks, keeper, *([output] if output else [])],
            should_stop=should_stop,
        )
        keeper.restore()
        return Result(self, state, keeper.reason)


def try_out(model: Model, loss: Any, corpus: Corpus) -> None:
    """Run model and loss once on the first items, so that a config they cannot work with fails before anything is made.

    RAISES: UserError naming the section at fault.
    """
    batch = corpus.train.take(numpy.arange(min(len(corpus.train), 32)), model.ops)
    with naming_section("model", "fails on the training data"):
        guesses = rows_of(model.begin_update(batch.X)[0])
        want, got = (batch.n_rows, len(corpus.labels)), getattr(guesses, "shape", None)
        if got != want:
            raise ValueError(f"output must have shape {want}, a column per label; got {got}")
    with naming_section("loss", "cannot be used for labels and this model"):
        loss.get_grad(guesses, batch.Y)


@contextmanager
def naming_section(section: str, problem: str) -> Iterator[None]:
    """Within the block, errors about wrong values become a UserError that names a section of the config."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as err:
        raise UserError(f"[{section}]: {problem}: {' '.join(describe(err).split())}") from err


class BestWeights:
    """A callback that keeps the best averaged weights in memory; with an output directory its model-best has them."""

    def __init__(self, run: Run, output: Optional["OutputDirectory"]) -> None:
        self.run, self.output, self.reason = run, output, ""
        self._weights: Optional[bytes] = None

    def __call__(self, event: Event) -> None:
        if event.kind == "evaluation" and event.is_best and not self.output:
            with averaged(self.run.model, self.run.optimizer):
                self._weights = self.run.model.to_bytes()
        elif event.kind == "end":
            self.reason = event.reason

    def restore(self) -> None:
        """Put the best weights into the model; without an evaluation it keeps the last ones."""
        if self._weights is not None:
            self.run.model.from_bytes(self._weights)
        elif self.output and (self.output.path / BEST / WEIGHTS_NAME).is_file():
            read_weights(self.output.path / BEST / WEIGHTS_NAME, self.run.model)


@dataclass(frozen=True)
class Result:
    """A finished or interrupted training job; its model has the best weights."""

    run: Run
    state: TrainState
    reason: str  # "epochs", "patience" or "interrupted"

    def scores(self) -> List[Tuple[str, Scores]]:
        """(split, scores) of the best weights on dev and, where there is one, test."""
        corpus = self.run.corpus
        splits = [("dev", corpus.dev), ("test", corpus.test)]
        return [(name, evaluate(self.run.model, split)) for name, split in splits if split is not None]

    def baseline(self) -> Tuple[str, float]:
        """(most frequent label, accuracy of always guessing it) on the last split of `scores`."""
        corpus = self.run.corpus
        label, accuracy = majority_accuracy(corpus.train, corpus.test or corpus.dev)
        return corpus.labels[label], accuracy


class OutputDirectory:
    """A callback that keeps the files of a run: models, metrics, learning curve and the checkpoint to resume from."""

    def __init__(self, path: Union[str, Path], *, resume: bool = False, overwrite: bool = False) -> None:
        """resume: go on with the run that is there. overwrite: replace it. With neither, a run there is an error."""
        self.path = Path(path)
        self.resume = resume
        self.metrics: List[Dict[str, Any]] = []
        self.run: Optional[Run] = None
        self._drawn = time.monotonic()
        check_writable(self.path)
        if resume:
            self.checkpoint = read_checkpoint(self.path / CHECKPOINT)
        elif (self.path / CHECKPOINT).exists() and not overwrite:
            raise UserError(f"{path}: holds a training run already (--resume goes on with it, --overwrite replaces it)")

    def check_config(self, config: Config) -> None:
        """Fail when a resumed run would not be the same run. RAISES: UserError naming the keys that differ."""
        keys = set(differing_keys(self.checkpoint["config"], config)) - MAY_CHANGE_ON_RESUME
        if keys:
            shown = ", ".join(sorted(keys)[:5])
            raise UserError(f"{self.path}: cannot resume with another config; different: {shown}")

    def open(self, run: Run) -> TrainState:
        """Create the directory, or restore the run from it. RETURNS: the state to start from."""
        self.run = run
        make_directory(self.path)
        state = TrainState()
        if self.resume:
            self.check_config(run.config)
            state = restore_checkpoint(self.checkpoint, run.model, run.optimizer)
            self.metrics = [row for row in read_metrics(self.path / METRICS) if row["step"] <= state.step]
        else:
            for leftover in (CHECKPOINT, CURVE, *(f"{name}/{META_NAME}" for name in (BEST, LAST))):
                (self.path / leftover).unlink(missing_ok=True)
        write_atomic(self.path / "config.cfg", run.config.to_str())
        self._write_metrics()
        return state

    def __call__(self, event: Event) -> None:
        if event.kind == "step":
            if event.state.step % STEPS_PER_METRIC == 0:
                self._append(event, {"loss": round(event.state.recent_loss, 6)})
        elif event.kind == "evaluation":
            self._on_evaluation(event)
        else:
            if event.reason == "interrupted":
                self._save(LAST, event.state, {})
            self._save_checkpoint(event.state)
            self._draw()

    def _on_evaluation(self, event: Event) -> None:
        scores, state = event.scores, event.state
        assert scores is not None
        row = {
            "loss": round(event.loss, 6),
            "dev_loss": round(scores.loss, 6),
            "dev_accuracy": round(scores.accuracy, 6),
            "best": event.is_best,
            "rows": state.rows,
            "seconds": round(state.seconds, 3),
            "rows_per_second": round(state.rows_per_second, 1),
        }
        if hasattr(self._run.optimizer, "learn_rate"):
            row["learn_rate"] = float(self._run.optimizer.learn_rate)
        self._append(event, row)
        saved = {"dev_accuracy": row["dev_accuracy"], "dev_loss": row["dev_loss"]}
        for name in (BEST, LAST) if event.is_best else (LAST,):
            self._save(name, state, saved)
        self._save_checkpoint(state)
        if time.monotonic() - self._drawn > SECONDS_PER_CURVE:
            self._draw()

    @property
    def _run(self) -> Run:
        assert self.run is not None
        return self.run

    def _append(self, event: Event, row: Dict[str, Any]) -> None:
        state = event.state
        done = state.batch / event.n_batches if event.n_batches else 0.0
        row = {"kind": event.kind, "epoch": round(state.epoch + done, 4), "step": state.step, **row}
        self.metrics.append(row)
        with (self.path / METRICS).open("a", encoding="utf8") as file:
            file.write(json.dumps(row) + "\n")

    def _write_metrics(self) -> None:
        write_atomic(self.path / METRICS, "".join(json.dumps(row) + "\n" for row in self.metrics))

    def _save(self, name: str, state: TrainState, scores: Dict[str, Any]) -> None:
        run = self._run
        meta = {**run.meta, "epoch": state.epoch, "step": state.step, "scores": scores}
        with averaged(run.model, run.optimizer):
            save_model(self.path / name, run.model, run.config, meta)

    def _save_checkpoint(self, state: TrainState) -> None:
        run = self._run
        save_checkpoint(self.path / CHECKPOINT, run.model, run.optimizer, state, run.config)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if can_plot() and any(row["kind"] == "evaluation" for row in self.metrics):
            run = self._run
            plot_learning_curve(self.path / CURVE, self.metrics, f"{run.task.name}: {run.corpus.source}", run.task.unit)


def read_metrics(path: Union[str, Path]) -> List[Dict[str, Any]]:
    """The rows of a metrics.jsonl; a last line cut off by a crash is left out."""
    path = Path(path)
    rows = []
    for line in path.read_text(encoding="utf8").splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


@contextmanager
def stop_on_signals() -> Iterator[Callable[[], Optional[int]]]:
    """Within the block, Ctrl-C and SIGTERM only ask to stop; a second Ctrl-C interrupts at once.

    Stopping between two updates is what keeps weights, optimizer and random state consistent.
    YIELDS: a function that returns the number of the signal that came, or None.
    """
    received: List[int] = []

    def handler(number: int, frame: Optional[FrameType]) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, handler) for number in numbers]
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, old in zip(numbers, previous):
            signal.signal(number, old)
