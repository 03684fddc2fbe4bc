"""A small library for training jobs, used by the `thinc-core` program and importable on its own.

`Run.from_config(config).train()` does a whole job. Its parts stand alone: `Split` and the batching functions hold the
data, `train_steps` and `fit` are the loop, `evaluate` and the measures score, `save_checkpoint` and `save_model` write
files, loggers and plots show what happened, `Profiler` and `LayerStatistics` look inside.
"""

from .batching import Batch, Split, batches_by_items, batches_by_words, epoch_batches, epoch_order
from .bio import bio_tags, spans_of
from .checkpoints import read_checkpoint, restore_checkpoint, save_checkpoint, write_atomic
from .columns import read_columns
from .conllu import Sentence, read_conllu
from .errors import UserError
from .evaluation import Scores, averaged, evaluate, predict_labels
from .features import FeatureExtractor
from .layer_statistics import LayerStatistics
from .loop import Event, TrainState, fit, train_steps, update
from .measures import AmountMeasure, LabelMeasure, Measure, SpanMeasure
from .metrics import (
    Counts,
    confusion_matrix,
    counts_of_labels,
    counts_of_spans,
    macro,
    micro,
    regression_scores,
)
from .output import OutputDirectory
from .plots import plot_confusion, plot_learning_curve
from .profiling import Profiler
from .progress import ConsoleProgress
from .run import Result, Run
from .saved import SavedModel, load_model, save_model
from .settings import TrainingSettings, load_config
from .tables import Encoder, read_table
from .tasks import Corpus, Task, get_task
from .texts import Text, read_texts, tokens_of

__all__ = [
    "AmountMeasure",
    "Batch",
    "ConsoleProgress",
    "Corpus",
    "Counts",
    "Encoder",
    "Event",
    "FeatureExtractor",
    "LabelMeasure",
    "LayerStatistics",
    "Measure",
    "OutputDirectory",
    "Profiler",
    "Result",
    "Run",
    "SavedModel",
    "Scores",
    "Sentence",
    "SpanMeasure",
    "Split",
    "Task",
    "Text",
    "TrainState",
    "TrainingSettings",
    "UserError",
    "averaged",
    "batches_by_items",
    "batches_by_words",
    "bio_tags",
    "confusion_matrix",
    "counts_of_labels",
    "counts_of_spans",
    "epoch_batches",
    "epoch_order",
    "evaluate",
    "fit",
    "get_task",
    "load_config",
    "load_model",
    "macro",
    "micro",
    "plot_confusion",
    "plot_learning_curve",
    "predict_labels",
    "read_checkpoint",
    "read_columns",
    "read_conllu",
    "read_table",
    "read_texts",
    "regression_scores",
    "restore_checkpoint",
    "save_checkpoint",
    "save_model",
    "spans_of",
    "tokens_of",
    "train_steps",
    "update",
    "write_atomic",
]
