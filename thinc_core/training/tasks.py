"""What a task is: where its data comes from, what its labels are, and how it reads and writes single inputs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, TypeVar, Union

from ..config import ConfigValidationError, registry
from ..model import Model
from ..types import Ragged
from .batching import Split
from .errors import UserError, did_you_mean
from .evaluation import rows_of
from .measures import LabelMeasure, Measure
from .settings import read_section

T = TypeVar("T")


@dataclass(frozen=True)
class Corpus:
    """The data of a run. labels: one per column of the model's output. source: for people, what it was made from."""

    train: Split
    dev: Split
    test: Optional[Split]
    labels: List[str]
    source: str
    notes: Dict[str, Any] = field(default_factory=dict)  # what predict has to know, kept in meta.json


class Task:
    """Base class: subclasses say how to read a kind of data; training, evaluation and the commands are shared.

    config: the whole config; a task reads its own settings from [task] and [corpus].
    labels, notes: of a saved model; unknown (empty) before `load`.
    """

    name: str
    item: str  # "sentences": what the corpus consists of, in the plural
    unit: str  # "words": what is labelled and counted
    loss_name: str = "cross-entropy"  # what the loss of its measure is
    per_item: bool = False  # whether there is a truth per item, not per row
    outputs: str = "labels"  # what the columns of a model's output are
    gives_probabilities: bool = True  # whether those are probabilities
    corpus_type: Type[Any]  # the dataclass of [corpus]

    def __init__(self, config: Mapping[str, Any], labels: List[str], notes: Mapping[str, Any]) -> None:
        self.config, self.labels, self.notes = config, labels, notes

    def measure(self) -> Measure:
        """How answers are scored; after `load`, or with the labels of a saved model."""
        return LabelMeasure(self.labels)

    def corpus_settings(self) -> Any:
        """The [corpus] section, checked; no file that it names is read."""
        return read_section(self.config, "corpus", self.corpus_type)

    def load(self) -> Corpus:
        """Read the corpus that [corpus] names."""
        raise NotImplementedError

    def read_split(self, data: str) -> Split:
        """Labelled data from a file, for `evaluate`."""
        raise NotImplementedError

    def read_inputs(self, lines: IO[str], name: str) -> Iterator[Any]:
        """Unlabelled inputs from an open text file, one after the other, for `predict`. name: of the file, or "-"."""
        raise NotImplementedError

    def predict(self, model: Model, inputs: List[Any]) -> List[Dict[str, Any]]:
        """One record per input, ready to be written as JSON."""
        raise NotImplementedError

    def to_text(self, record: Mapping[str, Any]) -> str:
        """A predicted record for people."""
        raise NotImplementedError

    def sample_input(self) -> Any:
        """A tiny input of the right kind and width, from which a model infers its dimensions."""
        raise NotImplementedError

    def initialize(self, model: Model, n_labels: int) -> Model:
        """Give a model its dimensions and first weights. n_labels: 0 when not known, as before reading the corpus."""
        X = on_device(self.sample_input(), model.ops)
        if not n_labels:
            return model.initialize(X=X)
        if isinstance(X, Ragged) and self.per_item:
            return model.initialize(X=X, Y=model.ops.alloc2f(len(X.lengths), n_labels))
        Y = model.ops.alloc2f(len(rows_of(X)), n_labels)
        return model.initialize(X=X, Y=Ragged(Y, X.lengths) if isinstance(X, Ragged) else Y)


def on_device(X: Any, ops: Any) -> Any:
    """An array or Ragged of NumPy as one of this backend."""
    return Ragged(ops.asarray(X.dataXd), ops.asarray(X.lengths)) if isinstance(X, Ragged) else ops.asarray(X)


def task_types() -> Dict[str, Type[Task]]:
    """All tasks by the name that [task] gives them."""
    from .digits import DigitsTask
    from .regression import RegressionTask
    from .spans import SpansTask
    from .tagger import TaggerTask
    from .textcat import TextcatTask

    return {cls.name: cls for cls in (DigitsTask, TaggerTask, TextcatTask, SpansTask, RegressionTask)}


def get_task(config: Mapping[str, Any], labels: Sequence[str] = (), notes: Mapping[str, Any] = {}) -> Task:
    """The task that a config's [task] section names. RAISES: UserError with the known names."""
    section = config.get("task")
    name = section.get("name") if isinstance(section, Mapping) else None
    types = task_types()
    if name not in types:
        raise UserError(f'task.name: there is no task "{name}"{did_you_mean(str(name), types)}')
    return types[name](config, list(labels), dict(notes))


def check_loss(config: Mapping[str, Any], task: Task) -> None:
    """Fail on a loss that takes logits where models give probabilities; nothing is built. RAISES: UserError."""
    if not task.gives_probabilities:
        return
    try:
        loss = registry.fill({"loss": config.get("loss")})["loss"]
    except ConfigValidationError:  # what is wrong with it is said when it is built
        return
    if isinstance(loss, Mapping) and loss.get("from_logits") is True:
        raise UserError(
            f"loss.from_logits: must be false, as the model of a {task.name} ends in probabilities (Softmax.v1), which "
            "a loss of logits would put through a softmax again; got true"
        )


def hold_out(items: Sequence[T], name: str) -> Tuple[List[T], List[T]]:
    """Every tenth item for dev, the others to train on. RAISES: UserError when there are too few."""
    if len(items) < 10:
        raise UserError(f"{name}: too few to hold some out for dev, {len(items)}; give corpus.dev")
    return [item for index, item in enumerate(items) if index % 10 != 9], list(items[9::10])


def existing_file(path: Union[str, Path]) -> Path:
    """A path that must name a file. RAISES: UserError."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: {'is a directory, not a file' if path.is_dir() else 'no such file'}")
    return path
