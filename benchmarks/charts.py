"""Pictures of results. matplotlib is imported only here, when one is asked for."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from .report import times
from .result import OURS, Result

INSTALL_HINT = "charts need matplotlib: pip install 'thinc_core[cli]'"
KINDS = (".svg", ".png")
# Colours that stay apart in grey and for most colour-blind readers.
COLOURS = {
    OURS: "#c2410c",
    "thinc": "#64748b",
    "torch": "#2563eb",
    "numpy": "#16a34a",
    "copy": "#000000",
    "peak": "#000000",
}
NAMES = {
    OURS: "thinc_core",
    "thinc": "thinc 8",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "copy": "floor: copy of the same bytes, or peak of products",
}
STYLE = {
    "svg.hashsalt": "thinc_core",  # the same picture from the same figures, byte for byte
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#94a3b8",
    "lines.linewidth": 1.4,
    "figure.facecolor": "white",
}
FLOORS = ("copy", "peak")
COLUMNS = 6
HEADLINE = {"4000x96": "", "4000": "", "1000000": "1M", "1000x96x288": "1000x96x288"}
SUFFIXES = (("", 1e0), ("k", 1e3), ("M", 1e6))


def check(path: Path) -> None:
    """Fails before anything is measured when the picture could not be made."""
    if path.suffix not in KINDS:
        raise SystemExit(f"benchmarks: a chart must end in {' or '.join(KINDS)}; got {path}")
    if not path.absolute().parent.is_dir():
        raise SystemExit(f"benchmarks: no folder {path.absolute().parent} to put {path.name} in")
    pyplot()


def pyplot() -> Any:
    """matplotlib without a display."""
    try:
        import matplotlib
    except ImportError:
        raise SystemExit(f"benchmarks: {INSTALL_HINT}") from None
    matplotlib.use("Agg")
    matplotlib.rcParams.update(STYLE)
    import matplotlib.pyplot

    return matplotlib.pyplot


def save(figure: Any, path: Path) -> None:
    """Writes the picture, the same bytes for the same figures."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    figure.savefig(path, metadata=metadata, dpi=110)
    pyplot().close(figure)
    print(f"wrote {path}")


def shortened(n: float) -> str:
    """1000 as 1k."""
    suffix, scale = next((pair for pair in reversed(SUFFIXES) if n >= pair[1]), SUFFIXES[0])
    return f"{n / scale:g}{suffix}"


def values(result: Result) -> float:
    """How many values the main input has."""
    total = 1.0
    for n in result.shape:
        total *= n
    return total


def sweep(results: Sequence[Result]) -> Dict[str, List[Result]]:
    """The float32 rows of each op that differ in the number of rows only, in order of size."""
    found: Dict[str, List[Result]] = {}
    for result in results:
        if result.suite != "ops" or result.dtype == "f64" or result.threads != 1 or not result.measured:
            continue
        found.setdefault(result.name, []).append(result)
    for name, rows in found.items():
        widths = [row.shape[1:] for row in rows]
        usual = max(widths, key=widths.count)
        found[name] = sorted((row for row in rows if row.shape[1:] == usual), key=values)
    return {name: rows for name, rows in found.items() if len(rows) > 1}


def panel(axes: Any, name: str, rows: Sequence[Result]) -> None:
    """One op: nanoseconds per value of the input (GFLOP/s of products) over rows, a line per side."""
    product = rows[0].rate == "GFLOP/s"
    for side, colour in COLOURS.items():
        points = [(row.shape[0], row.costs[side].best, row) for row in rows if side in row.costs]
        if not points:
            continue
        x = [n for n, _, _ in points]
        y = [row.work / cost if product else cost * 1e9 / values(row) for _, cost, row in points]
        line = {"linestyle": ":", "linewidth": 1.2} if side in FLOORS else {"marker": "o", "markersize": 2.5}
        axes.plot(x, y, color=colour, label=NAMES.get(side), zorder=3 if side == OURS else 2, **line)
    axes.set_xscale("log")
    if product:
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.get_major_locator().set_params(subs=(1, 2, 5) if high / low < 100 else (1,))
    axes.set_title(f"{name},  {' x '.join(['n', *map(str, rows[0].shape[1:])])}", fontsize=8)
    axes.xaxis.set_major_formatter(lambda n, _: shortened(n))
    axes.yaxis.set_major_formatter(lambda n, _: f"{n:g}")
    axes.minorticks_off()
    axes.grid(True, color="#e2e8f0", linewidth=0.6)
    axes.tick_params(length=2, labelsize=7)
    axes.set_ylabel("GFLOP/s" if product else "ns per value", fontsize=7)


def curves(results: Sequence[Result], path: Path) -> None:
    """The cost of every op over its size."""
    plt, ops = pyplot(), sweep(results)
    if not ops:
        raise SystemExit("benchmarks: --curves needs ops at several sizes: leave out --sizes and --quick")
    columns = min(COLUMNS, len(ops))
    lines = -(-len(ops) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(2.7 * columns, 2.0 * lines + 0.6), squeeze=False)
    for axes, (name, rows) in zip(grid.flat, ops.items()):
        panel(axes, name, rows)
    for axes in grid.flat[len(ops) :]:
        axes.set_visible(False)
    handles: Dict[str, Any] = {}
    for axes in grid.flat[: len(ops)]:
        handles.update({name: handle for handle, name in zip(*axes.get_legend_handles_labels())})
    order = [name for name in NAMES.values() if name in handles]
    figure.legend([handles[name] for name in order], order, loc="upper center", ncol=len(order), frameon=False)
    figure.supxlabel("n: rows, or values where there are no rows", fontsize=8)
    figure.tight_layout(rect=(0, 0.12 / (2.0 * lines + 0.6), 1, 1 - 0.35 / (2.0 * lines + 0.6)))
    save(figure, path)


def headline(results: Sequence[Result]) -> List[Tuple[str, Result]]:
    """What the README shows: ops forward at the size they are judged at, float32, one thread; then the models."""
    found = []
    for result in results:
        plain = result.threads == 1 and result.dtype in ("f32", "u64", "") and result.measured
        backward = result.name.startswith("backprop_") or result.name in ("dsigmoid", "dtanh", "gemm dX", "gemm dW")
        if not plain or backward or " zipf" in result.name or "int64" in result.name:
            continue
        if result.suite == "models":
            found.append((result.name, result))
        elif result.suite == "ops" and result.size in HEADLINE:
            found.append((f"{result.name} {HEADLINE[result.size]}".rstrip(), result))
    return found


def bars(results: Sequence[Result], path: Path) -> None:
    """How many times faster than each peer, per op and model, in two columns."""
    plt = pyplot()
    peers = [name for name in ("thinc", "torch") if any(name in result.costs for result in results)]
    shown = [(name, r) for name, r in headline(results) if any(peer in r.costs for peer in peers)]
    if not shown:
        raise SystemExit("benchmarks: --chart needs ops at 4000x96 (--sizes judged) or models, and thinc or torch")
    half = -(-len(shown) // 2) if len(shown) > 12 else len(shown)
    columns = [part for part in (shown[:half], shown[half:]) if part]
    figure, grid = plt.subplots(
        1, len(columns), figsize=(5.2 * len(columns), 0.25 * half + 1.0), sharex=True, squeeze=False
    )
    for axes, part in zip(grid.flat, columns):
        bar_panel(axes, part, peers)
    left, right = grid.flat[0].get_xlim()
    grid.flat[0].set_xlim(min(0.5, left), right * 1.4)
    handles, names = grid.flat[0].get_legend_handles_labels()
    figure.supxlabel("times faster than the other library; one thread, float32, 4000 x 96 or as named", fontsize=8)
    figure.legend(handles, names, loc="upper center", ncol=len(names), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / (0.25 * half + 1.0)))
    save(figure, path)


def bar_panel(axes: Any, part: Sequence[Tuple[str, Result]], peers: Sequence[str]) -> None:
    """One column: a group of bars per row, with its figures."""
    height = 0.8 / len(peers)
    for k, peer in enumerate(peers):
        factors: Mapping[int, float] = {i: 1 / r.ratios()[peer] for i, (_, r) in enumerate(part) if peer in r.costs}
        places = [i + (k - (len(peers) - 1) / 2) * height for i in factors]
        axes.barh(places, [f - 1 for f in factors.values()], height, left=1, color=COLOURS[peer], label=NAMES[peer])
        for place, factor in zip(places, factors.values()):
            axes.annotate(
                times(factor),
                (max(factor, 1), place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6,
            )
    formatter: Callable[[float, int], str] = lambda n, _: f"{n:g}x"  # noqa: E731
    axes.set_yticks(range(len(part)), [name for name, _ in part])
    axes.set_ylim(len(part) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(formatter)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.grid(True, axis="x", color="#e2e8f0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
