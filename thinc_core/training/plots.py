"""Learning curves as a picture, from the metrics of a run. matplotlib is imported only here, when used."""

import io
from pathlib import Path
from typing import Any, Mapping, Sequence, Union

from .checkpoints import write_atomic

INSTALL_HINT = "install matplotlib for learning curves: pip install 'thinc_core[cli]'"
Rows = Sequence[Mapping[str, Any]]
TRAIN, DEV, GREY = "#4c72b0", "#c44e52", "#8c8c8c"


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def plot_learning_curve(path: Union[str, Path], metrics: Rows, title: str, unit: str) -> None:
    """Draw training and dev loss and dev accuracy over the epochs into a PNG file.

    metrics: rows of metrics.jsonl; "step" rows give the training loss between evaluations.
    unit: what the loss is per, such as "words".
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [row for row in metrics if row["kind"] == "step"]
    evaluations = [row for row in metrics if row["kind"] == "evaluation"]
    figure = Figure(figsize=(9.6, 4.0), dpi=120, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    loss_axes, score_axes = figure.subplots(1, 2)
    _draw_loss(loss_axes, steps, evaluations, unit)
    _draw_score(score_axes, evaluations)
    for axes in (loss_axes, score_axes):
        axes.set_xlabel("epoch")
        axes.set_xlim(left=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    image = io.BytesIO()
    canvas.print_png(image)
    write_atomic(path, image.getvalue())


def _draw_loss(axes: Any, steps: Rows, evaluations: Rows, unit: str) -> None:
    if steps:
        epochs, losses = [row["epoch"] for row in steps], [row["loss"] for row in steps]
        axes.plot(epochs, losses, color=TRAIN, alpha=0.45, lw=1, label="train, last 20 updates")
    epochs = [row["epoch"] for row in evaluations]
    axes.plot(
        epochs,
        [row["loss"] for row in evaluations],
        color=TRAIN,
        marker="o",
        ms=4,
        label="train, mean since the point before",
    )
    axes.plot(epochs, [row["dev_loss"] for row in evaluations], color=DEV, marker="o", ms=4, label="dev")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(_few_minor_labels(axes))
    axes.set_title(f"cross-entropy per {unit.rstrip('s')}", fontsize=10)
    axes.legend(frameon=False, fontsize=9)


def _few_minor_labels(axes: Any) -> Any:
    """Labels between the powers of ten only when less than one of them is in view."""
    from matplotlib.ticker import FuncFormatter

    low, high = axes.get_ylim()
    return FuncFormatter(lambda value, position: f"{value:g}" if high / max(low, 1e-9) < 20 else "")


def _draw_score(axes: Any, evaluations: Rows) -> None:
    epochs, scores = [row["epoch"] for row in evaluations], [100 * row["dev_accuracy"] for row in evaluations]
    best = max(index for index, row in enumerate(evaluations) if row["best"])
    axes.plot(epochs, scores, color=DEV, marker="o", ms=4)
    axes.plot(epochs[best], scores[best], color=DEV, marker="o", ms=10, mfc="none")
    axes.axhline(scores[best], color=GREY, lw=0.8, ls=":")
    note = f"best {scores[best]:.2f} % in epoch {epochs[best]:g}"
    axes.text(0.97, 0.04, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=9)
    margin = max(0.08 * (max(scores) - min(scores)), 0.2)
    axes.set_ylim(min(scores) - margin, min(max(scores) + margin, 100 + margin / 4))
    axes.set_title("accuracy on dev, %", fontsize=10)
