"""The training loop: one generator of update steps, and `fit`, which adds evaluation, best score and stopping."""

import math
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from typing import Any, Callable, ContextManager, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..backends import use_matmul_precision
from ..grad_scaler import GradScaler
from ..model import Model
from ..types import Ragged
from .alarms import where_not_finite
from .batching import Batch, Split, epoch_batches
from .errors import UserError
from .evaluation import Scores, averaged, evaluate, rows_of
from .measures import LabelMeasure, Measure
from .settings import TrainingSettings

RECENT_DECAY = 0.95  # of TrainState.recent_loss: 1 / (1 - 0.95) = 20 updates
STEPS_PER_READ = 20  # updates on a GPU until their losses are copied to the host, which waits for them


@dataclass
class TrainState:
    """Where a run stands. Together with weights, optimizer and random state it determines all that follows."""

    epoch: int = 0  # epochs completed
    batch: int = 0  # batches done of the epoch under way
    step: int = 0  # updates made
    rows: int = 0  # rows trained on
    seconds: float = 0.0  # spent in updates, evaluation not counted
    loss_sum: float = 0.0  # loss summed since the last evaluation
    loss_rows: int = 0  # rows in it
    recent_loss: float = 0.0  # per row, over about the last twenty updates
    best_score: float = -math.inf  # on dev, of the scores the one that decides
    best_loss: float = math.inf  # on dev, which decides between equal scores
    best_epoch: int = 0
    best_step: int = 0
    evaluations_since_best: int = 0

    @property
    def loss(self) -> float:
        """Mean training loss per row since the last evaluation."""
        return self.loss_sum / max(self.loss_rows, 1)

    @property
    def rows_per_second(self) -> float:
        return self.rows / max(self.seconds, 1e-9)

    def count_loss(self, loss: float, n_rows: int, step: int) -> None:
        """Note the loss, summed over rows, of the update with this number, counted from 1."""
        weight = max(1 - RECENT_DECAY, 1 / step)
        self.recent_loss += weight * (loss / n_rows - self.recent_loss)
        self.loss_sum += loss
        self.loss_rows += n_rows

    def count(self, batch: Batch, n_batches: int) -> None:
        """Note one update that was made."""
        self.step += 1
        self.rows += batch.n_rows
        self.batch += 1
        if self.batch == n_batches:
            self.epoch, self.batch = self.epoch + 1, 0

    def to_dict(self) -> "dict[str, Any]":
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TrainState":
        """RAISES: TypeError when a field is missing or is none of ours."""
        missing = [each.name for each in fields(cls) if each.name not in data]
        if missing:
            raise TypeError(f"the state of a run must have {', '.join(missing)}")
        return cls(**data)


@dataclass(frozen=True)
class Event:
    """What a callback hears of. kind: "step" after each update, "evaluation", and at last "end" with the reason."""

    kind: str
    state: TrainState
    n_batches: int = 0  # of the epoch that the step belongs to
    step_rows: int = 0
    ends_epoch: bool = False
    loss: float = 0.0  # evaluation: mean training loss since the last one
    scores: Optional[Scores] = None  # evaluation: on the dev split
    is_best: bool = False
    reason: str = ""  # end: "epochs", "patience", "max_steps", "max_seconds" or "interrupted"


Callback = Callable[[Event], None]
Around = Callable[[Model, int], ContextManager[None]]
LABELS = LabelMeasure()


def no_instrument(model: Model, step: int) -> ContextManager[None]:
    """Watches nothing and costs nothing."""
    return nullcontext()


class LossNotFinite(UserError):
    """A loss that became NaN or infinite: training can not go on."""


class Losses:
    """The losses of updates that are on a GPU still. Reading each at once would make the GPU wait for the host."""

    def __init__(self, model: Model, state: TrainState) -> None:
        self.ops, self.state = model.ops, state
        self.most = 1 if self.ops.device_type == "cpu" else STEPS_PER_READ
        self._waiting: List[Tuple[Any, int, int]] = []

    def add(self, loss: Any, n_rows: int) -> None:
        """loss: 0-d array, of the last update that was counted."""
        self._waiting.append((loss, n_rows, self.state.step))

    def read(self, at_once: bool = False) -> None:
        """Tell the state, after every so many updates of the run. RAISES: LossNotFinite."""
        if not self._waiting or (self.state.step % self.most and not at_once):
            return
        stacked = self.ops.to_numpy(self.ops.xp.stack([loss for loss, _, _ in self._waiting]))
        waiting, self._waiting = self._waiting, []
        for loss, (_, n_rows, step) in zip(stacked.tolist(), waiting):
            if not math.isfinite(loss):
                hint = "the weights no longer mean anything; try a smaller optimizer.learn_rate"
                raise LossNotFinite(f"training: the loss became {loss} at step {step} ({hint})")
            self.state.count_loss(loss, n_rows, step)


def update(model: Model, optimizer: Any, loss: Any, batch: Batch, measure: Measure = LABELS) -> Any:
    """One step of gradient descent on one batch. RETURNS: the measure's loss summed over its rows, a 0-d array.

    When the optimizer has a grad_scaler, the gradient of the loss is scaled by it.
    """
    scaler = getattr(optimizer, "grad_scaler", None)
    Y, backprop = model.begin_update(batch.X, needs_dX=False)
    guesses = rows_of(Y)
    batch_loss = measure.loss(guesses, batch.Y, model.ops.xp)
    d_guesses = loss.get_grad(guesses, batch.Y)
    if scaler is not None:
        d_guesses = scaler.scale(d_guesses)
    if d_guesses.dtype != guesses.dtype:  # losses give float32
        d_guesses = d_guesses.astype(guesses.dtype)
    backprop(Ragged(d_guesses, Y.lengths) if isinstance(Y, Ragged) else d_guesses)
    model.finish_update(optimizer)
    if scaler is not None:
        scaler.update()
    optimizer.step_schedules()
    return batch_loss


def train_steps(
    model: Model,
    optimizer: Any,
    loss: Any,
    split: Split,
    settings: TrainingSettings,
    state: TrainState,
    losses: Optional[Losses] = None,
    *,
    measure: Measure = LABELS,
    around: Around = no_instrument,
) -> Iterator[Event]:
    """Make updates from where `state` stands to the last epoch, yielding after each one, when all is consistent.

    losses: of updates on a GPU; `state` may lack those of the last twenty until losses.read(at_once=True). They are
        there at the end of an epoch and when an evaluation is due.
    around: around(model, number of the step) gives a context manager that each update runs in, to watch it.
    With mixed_precision "float16" the optimizer gets a GradScaler, unless it has one.
    RAISES: UserError naming step and layer when the loss is no number any more.
    """
    losses = Losses(model, state) if losses is None else losses
    if settings.mixed_precision == "float16" and getattr(optimizer, "grad_scaler", 0) is None:
        optimizer.grad_scaler = GradScaler()
    while state.epoch < settings.epochs:
        batches = epoch_batches(
            split, settings.batch_size, settings.batch_unit,
            seed=settings.seed, epoch=state.epoch, bucket_size=settings.bucket_size,
        )  # fmt: skip
        for items in batches[state.batch :]:
            began = time.perf_counter()
            batch = split.take(items, model.ops)
            with around(model, state.step + 1), use_matmul_precision(settings.mixed_precision):
                batch_loss = update(model, optimizer, loss, batch, measure)
            state.count(batch, len(batches))
            losses.add(batch_loss, batch.n_rows)
            step = Event("step", state, len(batches), batch.n_rows, ends_epoch=state.batch == 0)
            try:
                losses.read(at_once=step.ends_epoch or _is_evaluation_due(step, settings))
            except LossNotFinite as err:
                raise LossNotFinite(f"{err}{where_not_finite(model, batch.X, loss, batch.Y)}") from None
            state.seconds += time.perf_counter() - began
            yield step


def fit(
    model: Model,
    optimizer: Any,
    loss: Any,
    train: Split,
    dev: Split,
    settings: TrainingSettings,
    *,
    state: Optional[TrainState] = None,
    callbacks: Sequence[Callback] = (),
    should_stop: Callable[[], bool] = lambda: False,
    measure: Measure = LABELS,
    around: Around = no_instrument,
) -> TrainState:
    """Train an initialised model until the epochs are done, patience or a limit is reached, or `should_stop` says so.

    loss: anything with get_grad(guesses, truths), such as CategoricalCrossentropy().
    state: where to go on; None starts anew. It is changed in place and returned.
    callbacks: each is called with every Event.
    should_stop: asked after every update.
    measure: how the task is scored; its first score says what is best.
    around: a context manager for every update, see train_steps.
    """
    state = TrainState() if state is None else state
    if reason := _reason_to_stop(state, settings):
        return _end(state, reason, callbacks)
    losses = Losses(model, state)
    for step in train_steps(model, optimizer, loss, train, settings, state, losses, measure=measure, around=around):
        _tell(callbacks, step)
        if _is_evaluation_due(step, settings):
            losses.read(at_once=True)
            _evaluate(model, optimizer, dev, step, callbacks, measure)
            if reason := _reason_to_stop(state, settings):
                return _end(state, reason, callbacks)
        if should_stop():
            losses.read(at_once=True)
            return _end(state, "interrupted", callbacks)
    return _end(state, "epochs", callbacks)


def _reached_limit(state: TrainState, settings: TrainingSettings) -> str:
    """The setting that ends the run after this update, or ""."""
    if settings.max_steps and state.step >= settings.max_steps:
        return "max_steps"
    return "max_seconds" if settings.max_seconds and state.seconds >= settings.max_seconds else ""


def _reason_to_stop(state: TrainState, settings: TrainingSettings) -> str:
    """Why a run does not go on after an evaluation, or ""."""
    if settings.patience and state.evaluations_since_best >= settings.patience:
        return "patience"
    return _reached_limit(state, settings)


def _is_evaluation_due(step: Event, settings: TrainingSettings) -> bool:
    if step.state.epoch == settings.epochs or _reached_limit(step.state, settings):
        return True
    return step.state.step % settings.eval_every == 0 if settings.eval_every else step.ends_epoch


def _evaluate(
    model: Model, optimizer: Any, dev: Split, step: Event, callbacks: Sequence[Callback], measure: Measure
) -> None:
    state = step.state
    with averaged(model, optimizer):
        scores = evaluate(model, dev, measure)
    is_best = (scores.main, -scores.loss) > (state.best_score, -state.best_loss)
    if is_best:
        state.best_score, state.best_loss = scores.main, scores.loss
        state.best_epoch, state.best_step = state.epoch, state.step
    state.evaluations_since_best = 0 if is_best else state.evaluations_since_best + 1
    loss, state.loss_sum, state.loss_rows = state.loss, 0.0, 0
    _tell(callbacks, Event("evaluation", state, step.n_batches, loss=loss, scores=scores, is_best=is_best))


def _end(state: TrainState, reason: str, callbacks: Sequence[Callback]) -> TrainState:
    _tell(callbacks, Event("end", state, reason=reason))
    return state


def _tell(callbacks: Sequence[Callback], event: Event) -> None:
    for callback in callbacks:
        callback(event)
