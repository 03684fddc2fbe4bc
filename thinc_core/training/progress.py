"""What a person sees of a training run: a bar while an epoch runs, and one line of a table per evaluation."""

import shutil
import sys
import time
from typing import IO, Any, Optional, Sequence

from .loop import Event


class ConsoleProgress:
    """A callback for `fit` that prints a table, and a progress bar where a terminal is there to show it.

    unit: what is counted, such as "words".
    out: where the table goes. bar_out: where the bar goes; it is shown only on a terminal, with tqdm when installed.
    """

    def __init__(self, unit: str, out: Optional[IO[str]] = None, bar_out: Optional[IO[str]] = None) -> None:
        self.unit = unit
        self.out = sys.stdout if out is None else out
        self.bar_out = sys.stderr if bar_out is None else bar_out
        self._bar: Any = None
        self._has_header = False
        self._best = ""
        self._row_steps, self._row_seconds, self._row_rows = 0, 0.0, 0

    def __call__(self, event: Event) -> None:
        if event.kind == "step":
            self._on_step(event)
        elif event.kind == "evaluation":
            self._on_evaluation(event)
        else:
            self._close_bar()

    def _on_step(self, event: Event) -> None:
        if not self.bar_out.isatty():
            return
        state = event.state
        if self._bar is None:
            done = 0 if event.ends_epoch else state.batch - 1
            self._bar = make_bar(f"epoch {state.epoch + (not event.ends_epoch)}", event.n_batches, done, self.bar_out)
        best = f", best dev {self._best}" if self._best else ""
        # The speed comes last, as 80 columns may cut it off.
        note = f"loss {state.recent_loss:.4f}{best}, {state.rows_per_second:,.0f} {self.unit}/s"
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(1)
        if event.ends_epoch:
            self._close_bar()

    def _on_evaluation(self, event: Event) -> None:
        self._close_bar()
        state, scores = event.state, event.scores
        assert scores is not None
        speed, score = f"{self.unit}/s", scores.texts()[scores.main_name]
        self._best = score if event.is_best else self._best
        if not self._has_header:
            title = f"dev {'acc' if scores.main_name == 'accuracy' else scores.main_name}"
            self._print(f"{'epoch':>5}  {'step':>6}  {'loss':>7}  {'dev loss':>8}  {title:>8}  {speed:>9}  {'time':>6}")
            self._has_header = True
        rate = (state.rows - self._row_rows) / max(state.seconds - self._row_seconds, 1e-9)
        self._row_rows, self._row_seconds = state.rows, state.seconds
        epoch = f"{state.epoch}" if state.batch == 0 else f"{state.epoch}+"
        mark = "  best" if event.is_best else ""
        self._print(
            f"{epoch:>5}  {state.step:>6}  {event.loss:>7.4f}  {scores.loss:>8.4f}  {score:>8}"
            f"  {rate:>9,.0f}  {clock(state.seconds):>6}{mark}"
        )

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, line: str) -> None:
        print(line, file=self.out, flush=True)


class PlainBar:
    """A one-line progress bar for terminals without tqdm, redrawn ten times a second."""

    def __init__(self, label: str, total: int, done: int, out: IO[str]) -> None:
        self.label, self.total, self.done, self.out = label, total, done, out
        self._note, self._drawn, self._width = "", 0.0, 0

    def set_postfix_str(self, note: str, refresh: bool = False) -> None:
        self._note = note

    def update(self, n: int) -> None:
        self.done += n
        if time.monotonic() - self._drawn >= 0.1:
            self._drawn = time.monotonic()
            self._draw()

    def _draw(self) -> None:
        filled = round(24 * self.done / max(self.total, 1))
        text = f"{self.label} [{'#' * filled}{'.' * (24 - filled)}] {self.done}/{self.total}  {self._note}"
        self.out.write("\r" + text.ljust(self._width))
        self._width = len(text)
        self.out.flush()

    def close(self) -> None:
        self.out.write("\r" + " " * self._width + "\r")
        self.out.flush()


def make_bar(label: str, total: int, done: int, out: IO[str]) -> Any:
    """tqdm's bar when it is installed, else a plain one."""
    try:
        from tqdm import tqdm
    except ImportError:
        return PlainBar(label, total, done, out)
    form = "{desc} {percentage:3.0f}%|{bar:10}| {n_fmt}/{total_fmt} {elapsed}<{remaining}{postfix}"
    columns, lines = shutil.get_terminal_size()  # tqdm draws nothing where the terminal does not know them
    return tqdm(
        total=total, initial=done, desc=label, file=out, leave=False, bar_format=form, mininterval=0.1,
        ncols=columns, nrows=lines,
    )  # fmt: skip


def clock(seconds: float) -> str:
    """How long something took: "0.8 s", "42 s", "1:05" or "2:03:04"."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Columns of text under a header: the first aligned left, the others right."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        cells = [str(row[0]).ljust(widths[0])] + [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        return (indent + "  ".join(cells)).rstrip()

    return "\n".join([line(header), *(line(row) for row in rows)])
