"""A small library for training jobs, used by the `thinc-core` program and importable on its own.

`Run.from_config(config).train()` does a whole job. Its parts stand alone: `Split` and the batching functions hold the
data, `train_steps` and `fit` are the loop, `evaluate` scores, `save_checkpoint` and `save_model` write files.
"""

from .batching import Batch, Split, batches_by_items, batches_by_words, epoch_order
from .checkpoints import read_checkpoint, restore_checkpoint, save_checkpoint, write_atomic
from .conllu import Sentence, read_conllu
from .errors import UserError
from .evaluation import Scores, averaged, evaluate, predict_labels
from .features import FeatureExtractor
from .loop import Event, TrainState, fit, train_steps, update
from .run import OutputDirectory, Result, Run
from .saved import SavedModel, load_model, save_model
from .settings import TrainingSettings, load_config
from .tasks import Corpus, Task, get_task

__all__ = [
    "Batch",
    "Corpus",
    "Event",
    "FeatureExtractor",
    "OutputDirectory",
    "Result",
    "Run",
    "SavedModel",
    "Scores",
    "Sentence",
    "Split",
    "Task",
    "TrainState",
    "TrainingSettings",
    "UserError",
    "averaged",
    "batches_by_items",
    "batches_by_words",
    "epoch_order",
    "evaluate",
    "fit",
    "get_task",
    "load_config",
    "load_model",
    "predict_labels",
    "read_checkpoint",
    "read_conllu",
    "restore_checkpoint",
    "save_checkpoint",
    "save_model",
    "train_steps",
    "update",
    "write_atomic",
]
