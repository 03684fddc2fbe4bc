"""A whole training job from a config: data, model, loop, output directory, resuming. The commands are thin on it."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy

from ..config import Config
from ..errors import describe
from ..model import Model
from ..util import fix_random_seed
from .errors import UserError
from .evaluation import Scores, averaged, evaluate, rows_of, score_baseline
from .loop import Around, Callback, Event, TrainState, fit, no_instrument
from .measures import Measure
from .output import BEST, OutputDirectory
from .saved import WEIGHTS_NAME, read_weights
from .settings import TrainingSettings, read_section, resolve
from .tasks import Corpus, Task, check_loss, get_task


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
    measure: Measure

    @classmethod
    def from_config(cls, config: Config) -> "Run":
        """Check the config, seed the random generators, read the corpus, build and initialise the model."""
        settings = read_section(config, "training", TrainingSettings)
        task = get_task(config)
        check_loss(config, task)
        fix_random_seed(settings.seed)
        built = resolve(config, ["model", "optimizer", "loss"])
        corpus = task.load()
        for name, split in (("training", corpus.train), ("dev", corpus.dev)):
            if not len(split):
                raise UserError(f"corpus: there are no {name} {task.item}")
        with naming_section("model", f"does not fit {len(corpus.labels)} labels and the task's input"):
            task.initialize(built["model"], len(corpus.labels))
        try_out(built["model"], built["loss"], corpus, task)
        parts = (built["model"], built["optimizer"], built["loss"])
        return cls(config, settings, task, corpus, *parts, task.measure())

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
        around: Around = no_instrument,
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
            measure=self.measure,
            around=output.watching(around) if output else around,
        )
        keeper.restore()
        result = Result(self, state, keeper.reason)
        if output and result.reason != "interrupted":
            output.finish(result.scores(), self)
        return result


def try_out(model: Model, loss: Any, corpus: Corpus, task: Task) -> None:
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
    if task.gives_probabilities:
        with naming_section("model", "fails on the training data"):
            model.ops._check_probabilities("model", "output", guesses)


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
    reason: str  # as Event.reason
    _scores: List[Tuple[str, Scores]] = field(default_factory=list, init=False, repr=False)

    def scores(self) -> List[Tuple[str, Scores]]:
        """(split, scores) of the best weights on dev and, where there is one, test. Worked out once."""
        run, corpus = self.run, self.run.corpus
        if not self._scores:
            splits = [("dev", corpus.dev), ("test", corpus.test)]
            for name, split in splits:
                if split is not None:
                    self._scores.append((name, evaluate(run.model, split, run.measure)))
        return list(self._scores)

    def baseline(self) -> Tuple[str, Scores]:
        """The name and the scores, on the last split of `scores`, of what needs no model."""
        corpus = self.run.corpus
        return score_baseline(self.run.measure, corpus.train, corpus.test or corpus.dev)
