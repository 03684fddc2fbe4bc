"""What a person sees: a table that grows row by row, progress, a summary, Markdown; and JSON lines for programs."""

import json
import sys
import time
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .result import OURS, Result, Verdict

PEER_COLUMNS = ("thinc", "torch", "numpy")
NOISY = 0.25  # median round this much slower than the fastest
LINE_EVERY = 30  # seconds between lines of progress where no bar can be drawn


def readable(cost: float, unit: str) -> str:
    """A cost with three significant digits: microseconds, milliseconds, seconds or megabytes."""
    if unit == "bytes":
        return f"{cost / 1e6:.3g} MB"
    if unit == "":
        return f"{cost:.3g}"
    for scale, name in ((1e-6, "us"), (1e-3, "ms")):
        if cost < scale * 999.5:
            return f"{cost / scale:.3g} {name}"
    return f"{cost:.3g} s"


def times(factor: float) -> str:
    """A ratio with two significant digits, such as 0.97x, 1.4x, 120x."""
    return f"{factor:.2f}x" if factor < 1 else f"{factor:.1f}x" if factor < 100 else f"{factor:.0f}x"


def floor(result: Result) -> str:
    """How far from what the machine can do: times a copy of the bytes, or percent of the peak of products."""
    ratios = result.ratios()
    if "copy" in ratios:
        return f"{ratios['copy']:.2f} copy"
    return f"{1 / ratios['peak']:.0%} peak" if "peak" in ratios else ""


class Progress:
    """Which row of how many: a bar on a terminal, a line now and then elsewhere, on the error output."""

    def __init__(self, total: int) -> None:
        self.total, self.out, self.done = total, sys.stderr, 0
        self.started = self._last = time.monotonic()
        self._bar: Any = None
        if total > 1 and self.out.isatty():
            from thinc_core.training.progress import make_bar

            self._bar = make_bar("benchmarks", total, 0, self.out)

    def next(self, name: str) -> None:
        """A row begins."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.set_postfix_str(name[:40])
            self._bar.update(int(self.done > 0))
        elif self.total > 1 and now - self._last > LINE_EVERY:
            left = (now - self.started) / max(self.done, 1) * (self.total - self.done)
            print(f"row {self.done + 1} of {self.total}: {name}, about {left:.0f} s left", file=self.out, flush=True)
            self._last = now
        self.done += 1

    def print(self, line: str, out: IO[str]) -> None:
        """A line of the table, above the bar."""
        if hasattr(self._bar, "clear"):  # tqdm
            self._bar.clear()
        elif self._bar is not None:
            self._bar.close()  # the plain bar: blanks its line, and is drawn again by the next update
        print(line, file=out, flush=True)

    def close(self) -> None:
        """No more bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Report:
    """Collects results; every one is a line of JSON in `sink` and, unless quiet, a row of the table, as it comes."""

    def __init__(
        self,
        circumstances: Mapping[str, Any],
        sink: Optional[IO[str]] = None,
        quiet: bool = False,
        total: int = 0,
        peers: Sequence[str] = PEER_COLUMNS,
    ) -> None:
        self.peers = peers
        self.circumstances, self.sink, self.out = dict(circumstances), sink, None if quiet else sys.stdout
        self.results: List[Result] = []
        self.progress = Progress(total)
        self._heading = ""

    def add(self, result: Result, show: bool = True) -> None:
        """Takes one result; one measured again takes the place of the first. show: with a line in the table."""
        self.results = [known for known in self.results if known.key != result.key] + [result]
        if self.sink is not None:
            self.sink.write(json.dumps({**result.record(), **self.circumstances}) + "\n")
            self.sink.flush()
        self._heading = self._heading or self._start()
        if not show:
            return
        if result.suite + result.family != self._heading:
            self._heading = result.suite + result.family
            self._line(f"\n{(result.family or result.suite).upper()}\n{header(self.peers)}")
        self._line(row(result, self.peers))

    def print(self, text: str) -> None:
        """A line that is no result, among them."""
        self._heading = self._heading or self._start()
        self._line(text)

    def _start(self) -> str:
        self._line(", ".join(f"{key} {value}" for key, value in self.circumstances.items()))
        return "started"

    def _line(self, text: str) -> None:
        if self.out is not None:
            self.progress.print(text, self.out)

    def summary(self) -> None:
        """How many targets are met, which are not and by how much, and whether the machine was quiet."""
        self.progress.close()
        judged = [(result, verdict) for result in self.results for verdict in result.verdicts()]
        missed = [(result, verdict) for result, verdict in judged if not verdict.met]
        if judged:
            self._line(f"\n{len(judged) - len(missed)} of {len(judged)} targets met")
        for result, verdict in sorted(missed, key=lambda pair: -pair[1].ratio / pair[1].limit):
            self._line(f"  {label(result):58} {verdict}")
        for result in self.results:
            if not result.measured:
                self._line(f"  {result.name:58} {result.note}")
        noisy = [result for result in self.results if result.measured and result.costs[OURS].noise > NOISY]
        if len(noisy) * 10 > len(self.results):
            self._line(
                f"warning: {len(noisy)} of {len(self.results)} rows vary by more than {NOISY:.0%} between rounds:"
                " something else is running on this machine; small differences mean nothing"
            )


def label(result: Result) -> str:
    """Name, size, type and threads."""
    threads = f"{result.threads} threads" if result.threads > 1 else ""
    return " ".join(part for part in (result.name, result.size, result.dtype, threads) if part)


def header(names: Sequence[str] = PEER_COLUMNS) -> str:
    """The heads of the columns. names: of the peers."""
    peers = "".join(f"{name:>8}" for name in names)
    return f"{'':34} {'size':>13} {'':3} {'t':>2} {'time':>8} {'noise':>5} {'rate':>14} {'floor':>10} {peers}  targets"


def row(result: Result, names: Sequence[str] = PEER_COLUMNS) -> str:
    """One result as a line of the table; the peers' columns say how many times faster we are."""
    if not result.measured:
        return f"{result.name:34} {result.note}"
    ours, ratios = result.costs[OURS], result.ratios()
    rate = f"{result.rates()[OURS]:,.4g} {result.rate}" if result.rate and ours.best else ""
    if "/s" in result.rate and result.suite == "models":
        rate = f"{result.rates()[OURS]:,.0f} {result.rate}"
    peers = "".join(f"{times(1 / ratios[name]) if ratios.get(name) else '-':>8}" for name in names)
    verdicts = ", ".join(map(str, result.verdicts()))
    cells = f"{readable(ours.best, result.unit):>8} {ours.noise:>5.0%} {rate:>14} {floor(result):>10} {peers}"
    line = f"{result.name:34} {result.size:>13} {result.dtype:3} {result.threads:>2} {cells}  {verdicts} {result.note}"
    return line.rstrip()


def target_table(results: Sequence[Result]) -> str:
    """Every judged row as Markdown: measured beside the limit, both as shares of the other side's cost."""
    lines = ["| | against | ours / theirs | at most | |", "|---|---|---|---|---|"]
    for result in results:
        for v in result.verdicts():
            mark = "met" if v.met else f"**missed by {v.ratio / v.limit - 1:.0%}**"
            lines.append(f"| {label(result)} | {v.peer} | {v.ratio:.3g} | {v.limit:.3g} | {mark} |")
        if not result.measured:
            lines.append(f"| {result.name} | | | | {result.note} |")
    return "\n".join(lines)


def result_table(results: Sequence[Result]) -> str:
    """The results as Markdown: rates of whole models, else costs; in brackets how many times faster we are."""
    heads = [OURS, *(name for name in PEER_COLUMNS if any(name in result.costs for result in results))]
    lines = ["| | " + " | ".join(["thinc_core", *heads[1:]]) + " |", "|---" * (len(heads) + 1) + "|"]
    for result in results:
        if result.measured:
            cells = [label(result), *(cell(result, name) for name in heads)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(result: Result, name: str) -> str:
    """One side of one result."""
    if name not in result.costs:
        return "-"
    shown = readable(result.costs[name].best, result.unit)
    if result.suite == "models":
        shown = f"{result.rates()[name]:,.0f} {result.rate}"
    ratio = result.ratios().get(name)
    return shown if not ratio else f"{shown} ({times(1 / ratio)})"


def verdict_counts(results: Sequence[Result]) -> Tuple[int, int]:
    """Targets met, and all that were judged."""
    verdicts: List[Verdict] = [verdict for result in results for verdict in result.verdicts()]
    return sum(verdict.met for verdict in verdicts), len(verdicts)


def by_key(results: Sequence[Result]) -> Dict[Any, Result]:
    """Results by what makes them comparable; of several the last."""
    return {result.key: result for result in results}
