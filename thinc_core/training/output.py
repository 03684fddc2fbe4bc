"""The --output directory of a run: models, metrics, plots, and the checkpoints to go on from."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple, Union

from ..config import Config
from .batching import Split
from .checkpoints import (
    KeptCheckpoints,
    check_writable,
    make_directory,
    read_checkpoint,
    restore_checkpoint,
    save_checkpoint,
    write_atomic,
)
from .errors import UserError
from .evaluation import Scores, averaged
from .instruments import Both
from .layer_statistics import STATISTICS, LayerStatistics
from .loggers import EVENTS, METRICS, TABLE, Logger, make_loggers, read_metrics
from .loop import Around, Event, TrainState, no_instrument
from .measures import Measure
from .plots import can_plot, plot_confusion, plot_learning_curve
from .saved import META_NAME, MODEL_FILES, save_model
from .settings import MAY_CHANGE_ON_RESUME, differing_keys

if TYPE_CHECKING:
    from .run import Run

BEST, LAST, CHECKPOINT, SCORES = "model-best", "model-last", "checkpoint.bin", "scores.json"
CURVE, CONFUSION = "learning-curve.png", "confusion.png"
SECONDS_PER_CURVE = 30  # between two drawings of the learning curve while training goes on
STEPS_PER_METRIC = 20  # updates between two "step" rows of the metrics


class OutputDirectory:
    """A callback that keeps the files of a run."""

    def __init__(
        self,
        path: Union[str, Path],
        *,
        resume: bool = False,
        overwrite: bool = False,
        checkpoint: Optional[Union[str, Path]] = None,
    ) -> None:
        """resume: go on with the run that is there. overwrite: replace it. With neither, a run there is an error.

        checkpoint: the file to go on from; None: the newest of the run.
        """
        self.path = Path(path)
        self.resume = resume
        self.metrics: List[Dict[str, Any]] = []
        self.run: Optional[Run] = None
        self.loggers: List[Logger] = []
        self._kept = KeptCheckpoints(self.path, 0)
        self._drawn = time.monotonic()
        check_writable(self.path)
        if resume:
            self.checkpoint = read_checkpoint(checkpoint or self.path / CHECKPOINT)
        elif (self.path / CHECKPOINT).exists() and not overwrite:
            raise UserError(f"{path}: holds a training run already (--resume goes on with it, --overwrite replaces it)")

    def check_config(self, config: Config) -> None:
        """Fail when a resumed run would not be the same run. RAISES: UserError naming the keys that differ."""
        keys = set(differing_keys(self.checkpoint["config"], config)) - MAY_CHANGE_ON_RESUME
        if keys:
            shown = ", ".join(sorted(keys)[:5])
            raise UserError(f"{self.path}: cannot resume with another config; different: {shown}")

    def open(self, run: "Run") -> TrainState:
        """Create the directory, or restore the run from it. RETURNS: the state to start from."""
        self.run = run
        self.loggers = make_loggers(run.settings.loggers, self.path)
        self._kept = KeptCheckpoints(self.path, run.settings.keep_checkpoints)
        make_directory(self.path)
        state = TrainState()
        if self.resume:
            self.check_config(run.config)
            state = restore_checkpoint(self.checkpoint, run.model, run.optimizer)
            self._restore_best()
            self.metrics = [row for row in read_metrics(self.path / METRICS) if row["step"] <= state.step]
        else:
            leftovers = [CHECKPOINT, CURVE, CONFUSION, SCORES, TABLE, STATISTICS]
            for leftover in (*leftovers, *(f"{name}/{META_NAME}" for name in (BEST, LAST))):
                (self.path / leftover).unlink(missing_ok=True)
        self._kept.forget_after(state.step)
        write_atomic(self.path / "config.cfg", run.config.to_str())
        for logger in self.loggers:
            logger.open(self.metrics)
        return state

    def watching(self, around: Around) -> Around:
        """Also keep the statistics of the layers, when the config asks for them."""
        every = self._run.settings.statistics_every
        if not every:
            return around
        statistics = LayerStatistics(every, self.path / STATISTICS, resume=self.resume)
        return statistics if around is no_instrument else Both(around, statistics)

    def __call__(self, event: Event) -> None:
        if event.kind == "step":
            if event.state.step % STEPS_PER_METRIC == 0:
                self._log(event, {"loss": round(event.state.recent_loss, 6)})
        elif event.kind == "evaluation":
            self._on_evaluation(event)
        else:
            if event.reason == "interrupted":
                self._save(LAST, event.state, {})
            self._save_checkpoint(event.state)
            for logger in self.loggers:
                logger.close()
            self._draw()

    def _on_evaluation(self, event: Event) -> None:
        scores, state = event.scores, event.state
        assert scores is not None
        saved = {f"dev_{name}": round(value, 6) for name, value in scores.values.items()}
        saved["dev_loss"] = round(scores.loss, 6)
        row: Dict[str, Any] = {"loss": round(event.loss, 6), **saved, "best": event.is_best}
        row["rows"], row["seconds"] = state.rows, round(state.seconds, 3)
        row["rows_per_second"] = round(state.rows_per_second, 1)
        if hasattr(self._run.optimizer, "learn_rate"):
            row["learn_rate"] = float(self._run.optimizer.learn_rate)
        self._log(event, row)
        for name in (BEST, LAST) if event.is_best else (LAST,):
            self._save(name, state, saved)
        self._save_checkpoint(state)
        if self._run.settings.keep_checkpoints and (self.path / BEST / META_NAME).is_file():
            best = {name: (self.path / BEST / name).read_bytes() for name in MODEL_FILES}
            self._kept.keep(self.path / CHECKPOINT, state.step, best)
        if time.monotonic() - self._drawn > SECONDS_PER_CURVE:
            self._draw()

    def finish(self, scores: Sequence[Tuple[str, Scores]], run: "Run") -> None:
        """Write the scores of the best model, label by label, and draw which labels it takes for which."""
        corpus, content = run.corpus, {}
        for name, each in scores:
            split = corpus.dev if name == "dev" or corpus.test is None else corpus.test
            content[name] = {"loss": each.loss, **each.values, **describe_labels(run.measure, split, each)}
        write_atomic(self.path / SCORES, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        matrix = run.measure.confusion(split, each.answers)
        if matrix is not None and can_plot():
            title = f"{run.task.name}: {name}, {each.n_rows:,} {run.task.unit}"
            plot_confusion(self.path / CONFUSION, matrix, corpus.labels, title)

    @property
    def _run(self) -> "Run":
        assert self.run is not None
        return self.run

    def _log(self, event: Event, row: Dict[str, Any]) -> None:
        state = event.state
        done = state.batch / event.n_batches if event.n_batches else 0.0
        row = {"kind": event.kind, "epoch": round(state.epoch + done, 4), "step": state.step, **row}
        self.metrics.append(row)
        for logger in self.loggers:
            logger.log(row)

    def _save(self, name: str, state: TrainState, scores: Dict[str, Any]) -> None:
        run = self._run
        meta = {**run.meta, "epoch": state.epoch, "step": state.step, "scores": scores}
        with averaged(run.model, run.optimizer):
            save_model(self.path / name, run.model, run.config, meta)

    def _save_checkpoint(self, state: TrainState) -> None:
        run = self._run
        save_checkpoint(self.path / CHECKPOINT, run.model, run.optimizer, state, run.config)

    def _restore_best(self) -> None:
        """Going on from an older checkpoint, the best model is the one of that time."""
        for name, data in self.checkpoint.get("best", {}).items():
            write_atomic(make_directory(self.path / BEST) / name, data)

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if can_plot() and any(row["kind"] == "evaluation" for row in self.metrics):
            run = self._run
            title, score = f"{run.task.name}: {run.corpus.source}", next(iter(run.measure.formats))
            plot_learning_curve(self.path / CURVE, self.metrics, title, run.task.unit, score, run.task.loss_name)


def describe_labels(measure: Measure, split: Split, scores: Scores) -> Dict[str, Any]:
    """{"labels": {label: precision, recall, ...}}, or nothing for a task without labels."""
    counts = measure.counts(split, scores.answers)
    rows = {
        label: {"precision": each.precision, "recall": each.recall, "f1": each.f1, "true": each.true}
        for label, each in counts.items()
    }
    return {"labels": rows} if rows else {}


__all__ = ["BEST", "CHECKPOINT", "CONFUSION", "CURVE", "EVENTS", "LAST", "METRICS", "OutputDirectory", "read_metrics"]
