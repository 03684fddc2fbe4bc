"""Pictures of a run: learning curves and confusion of labels. matplotlib is imported only here, when used."""

import io
from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple, Union

import numpy

from .checkpoints import write_atomic

INSTALL_HINT = "install matplotlib for plots: pip install 'thinc_core[cli]'"
Rows = Sequence[Mapping[str, Any]]
SCORE_NAMES = {"span_f": "F of spans", "macro_f": "mean F of labels", "r2": "explained variance (R\u00b2)"}
TRAIN, DEV, GREY = "#4c72b0", "#c44e52", "#8c8c8c"


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def plot_learning_curve(
    path: Union[str, Path],
    metrics: Rows,
    title: str,
    unit: str,
    score: str = "accuracy",
    loss_name: str = "cross-entropy",
) -> None:
    """Draw training and dev loss and a dev score over the epochs into a PNG file.

    metrics: rows of metrics.jsonl; "step" rows give the training loss between evaluations.
    unit: what the loss is per, such as "words".
    score: which of the scores; all but "r2" are drawn as percentages.
    """
    steps = [row for row in metrics if row["kind"] == "step"]
    evaluations = [row for row in metrics if row["kind"] == "evaluation"]
    figure = _figure(title, (9.6, 4.0))
    loss_axes, score_axes = figure.subplots(1, 2)
    _draw_loss(loss_axes, steps, evaluations, f"{loss_name} per {unit.rstrip('s')}")
    _draw_score(score_axes, evaluations, score)
    for axes in (loss_axes, score_axes):
        axes.set_xlabel("epoch")
        axes.set_xlim(left=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def plot_confusion(path: Union[str, Path], matrix: numpy.ndarray, labels: Sequence[str], title: str) -> None:
    """Draw which labels (rows) are taken for which (columns) into a PNG file.

    matrix: (n, n) counts, as confusion_matrix gives; shades are parts of the row, figures are counts.
    """
    n = len(labels)
    side = min(max(3.6, 1.6 + 0.42 * n), 16.0)
    figure = _figure(title, (side + 0.6, side))
    axes = figure.subplots()
    shares = matrix / numpy.maximum(matrix.sum(axis=1, keepdims=True), 1)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(picture, ax=axes, shrink=0.8, format="{x:.0%}", label="of the row")
    places, names = range(n), [label if len(label) <= 18 else label[:17] + "\u2026" for label in labels]
    size = 9 if n <= 20 else 6 if n <= 60 else 3
    axes.set_xticks(places, names, rotation=90 if n > 6 and max(map(len, names)) > 2 else 0, fontsize=size)
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xlabel("guessed")
    axes.set_ylabel("true")
    if n <= 30:
        for row, column in zip(*numpy.nonzero(matrix)):
            color = "white" if shares[row, column] > 0.6 else "black"
            text = _short(int(matrix[row, column]))
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8 if n <= 20 else 5)
    _save(figure, path)


def _short(count: int) -> str:
    """A count in at most four characters: 873, 1.2k, 35k."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"


def _figure(title: str, size: Tuple[float, float]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    figure.suptitle(title, fontsize=11)
    return figure


def _save(figure: Any, path: Union[str, Path]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    image = io.BytesIO()
    FigureCanvasAgg(figure).print_png(image)
    write_atomic(path, image.getvalue())


def _draw_loss(axes: Any, steps: Rows, evaluations: Rows, title: str) -> None:
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
    if any(row[name] > 0 for row in evaluations for name in ("loss", "dev_loss")):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(_few_minor_labels(axes))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=9)


def _few_minor_labels(axes: Any) -> Any:
    """Labels between the powers of ten only when less than one of them is in view."""
    from matplotlib.ticker import FuncFormatter

    low, high = axes.get_ylim()
    return FuncFormatter(lambda value, position: f"{value:g}" if high / max(low, 1e-9) < 20 else "")


def _draw_score(axes: Any, evaluations: Rows, score: str) -> None:
    is_part = score != "r2"
    factor, sign = (100, " %") if is_part else (1, "")
    epochs, scores = [row["epoch"] for row in evaluations], [factor * row[f"dev_{score}"] for row in evaluations]
    best = max((index for index, row in enumerate(evaluations) if row["best"]), default=0)
    axes.plot(epochs, scores, color=DEV, marker="o", ms=4)
    axes.plot(epochs[best], scores[best], color=DEV, marker="o", ms=10, mfc="none")
    axes.axhline(scores[best], color=GREY, lw=0.8, ls=":")
    note = f"best {scores[best]:.{2 if is_part else 4}f}{sign} in epoch {epochs[best]:.3g}"
    axes.text(0.97, 0.04, note, transform=axes.transAxes, ha="right", va="bottom", fontsize=9)
    top, bottom = max(scores), max(min(scores), -0.5 if not is_part else 0)  # r2 has no lower end
    margin = max(0.08 * (top - bottom), 0.002 * factor)
    axes.set_ylim(min(bottom, top) - margin, min(top + margin, factor + margin / 4))
    axes.set_title(f"{SCORE_NAMES.get(score, score)} on dev{', %' if is_part else ''}", fontsize=10)
