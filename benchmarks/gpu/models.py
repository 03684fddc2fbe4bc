"""Training steps of whole models on the device: launches, synchronisations, host time, and words per second."""

import time
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy as np

from ..bench_models import WORKLOADS, Workload, functional, pytorch
from ..result import OURS, Result, Target
from ..timing import Timing
from .card import Card, typical

MODELS = ("tagger", "mlp", "lstm tagger")
MOST_LAUNCHES = 60  # of a step of the tagger
ROUNDS = 5

Phases = Dict[str, Callable[[], Any]]


class Job:
    """What is measured of one model."""

    def __init__(self, name: str, run: Callable[[Dict[str, Any]], Iterator[Result]]) -> None:
        self.name, self.run = name, run

    def __str__(self) -> str:
        return self.name


def jobs(card: Card) -> List[Job]:
    """Launches first, as they say most, then rates of training, with the slow LSTM at the end."""
    steps = [Job(f"{name} step", partial(step_results, card, name)) for name in MODELS]
    rates = [Job(f"{name} training", partial(rate_results, card, name)) for name in MODELS]
    return [steps[0], rates[0], steps[1], rates[1], steps[2], rates[2]]


def compiled_jobs(card: Card) -> List[Job]:
    """The same in PyTorch with its compiler, which takes tens of seconds for each model."""
    return [Job(f"{name} compiled", partial(rate_results, card, name, compiled=True)) for name in MODELS[:2]]


def batches_of(card: Card, work: Workload, count: int) -> List[Tuple[Any, Any]]:
    """Batches on the host; small ones in a dry run."""
    most = card.scale.items
    return [(X[:most], Y[:most]) for X, Y in work.batches(count)]


def step_results(card: Card, name: str, peers: Dict[str, Any]) -> Iterator[Result]:
    """Launches and synchronisations of one step, and its time on the host and in all."""
    import thinc_core.api

    work = WORKLOADS[name]
    ours = functional(thinc_core.api, work, [card.moved(batch) for batch in batches_of(card, work, 1)])
    step = ours["train"]
    for _ in range(1 if card.dry else 3):
        step()
    own = card.kernels(step)
    traced = trace(step, peers.get("torch"), card)
    yield launch_row(card, name, own, traced)
    yield sync_row(card, name, traced)
    host = min(card.host_seconds(step, 1) for _ in range(1 if card.dry else ROUNDS))
    whole = typical([wall_seconds(card, step) for _ in range(2 if card.dry else ROUNDS)])
    costs = {} if card.dry else {OURS: Timing(host), "whole step": whole}
    note = "dry run: ran" if card.dry else "host time to launch a step; the last column of JSON has the whole step"
    yield Result("gpu", f"{name} step, host", "1 batch", costs, (), "steps", note=note)


def launch_row(card: Card, name: str, own: int, traced: Optional[Dict[str, int]]) -> Result:
    """How many kernels a step launches: all, where they could be counted, else ours."""
    count = own if traced is None else traced["kernels"]
    targets = [Target("limit", 1.0)] if name == MODELS[0] and traced is not None else []
    costs = {OURS: Timing(count), "limit": Timing(MOST_LAUNCHES)}
    note = f"{own} of them ours" if traced else f"ours alone: counting all needs PyTorch with CUDA; {own} ours"
    result = Result("gpu", f"{name} step, launches", "1 batch", costs, targets, "steps", unit="")
    result.note, result.extra = note, {"ours": own, **({"dry_run": True} if card.dry else {})}
    return result


def sync_row(card: Card, name: str, traced: Optional[Dict[str, int]]) -> Result:
    """How often a step waits for the device."""
    title, targets = f"{name} step, host waits", [Target("limit", 1.0)] if name == MODELS[0] else []
    if traced is None:
        return Result("gpu", title, "1 batch", {}, targets, "steps", note="needs PyTorch with CUDA")
    costs = {OURS: Timing(traced["waits"]), "limit": Timing(0.0)}
    return Result("gpu", title, "1 batch", costs, targets, "steps", unit="")


def trace(step: Callable[[], Any], torch: Any, card: Card) -> Optional[Dict[str, int]]:
    """Kernels and waits of a call, CuPy's and cuBLAS's too, as PyTorch's profiler sees them; None without it."""
    if torch is None or card.dry or not torch.cuda.is_available():
        return None
    from torch.profiler import ProfilerActivity, profile

    card.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        step()
    return counts([(event.name, str(event.device_type)) for event in profiler.events()])


def counts(events: List[Tuple[str, str]]) -> Dict[str, int]:
    """Of the names and devices of a profile: kernels, and waits of the host, but for the profiler's own last one."""
    kernels = sum("CUDA" in device and not name.startswith(("Mem", "cuda", "cu")) for name, device in events)
    waits = sum("CUDA" not in device and name.endswith(("Synchronize", "cudaMemcpy")) for name, device in events)
    return {"kernels": kernels, "waits": max(waits - 1, 0)}


def wall_seconds(card: Card, call: Callable[[], Any]) -> float:
    """Seconds until the device has done it all."""
    card.synchronize()
    started = time.perf_counter()
    call()
    card.synchronize()
    return time.perf_counter() - started


def rate_results(card: Card, name: str, peers: Dict[str, Any], compiled: bool = False) -> Iterator[Result]:
    """Words or rows per second of training and prediction: ours, the original's and PyTorch's, in turn."""
    work, batches = WORKLOADS[name], batches_of(card, WORKLOADS[name], card.scale.batches)
    sides, missing = sides_of(card, work, batches, peers, compiled)
    items = sum(work.items(X) for X, _ in batches)
    for phase in work.phases:
        samples: Dict[str, List[float]] = {side: [] for side in sides}
        for turn in range(1 if card.dry else ROUNDS + 1):
            for side in list(sides)[:: -1 if turn % 2 else 1]:
                samples[side].append(wall_seconds(card, sides[side][phase]))
        costs = {side: typical(values[1:] or values) for side, values in samples.items()}
        title = f"{name} {phase}{', compiled' if compiled else ''}"
        result = Result("gpu", title, f"{len(batches)} batches", costs, family="models", rate=work.unit, work=items)
        result.extra = {"missing": missing} if missing else {}
        if card.dry:
            result.costs, result.note = {}, f"dry run: {', '.join(costs)} ran"
        yield result


def sides_of(
    card: Card, work: Workload, batches: List[Tuple[Any, Any]], peers: Dict[str, Any], compiled: bool
) -> Tuple[Dict[str, Phases], Dict[str, str]]:
    """Both phases of every side that runs here, and why the others do not."""
    import thinc_core.api

    on_device = [card.moved(batch) for batch in batches]
    makers: Dict[str, Callable[[], Phases]] = {OURS: lambda: functional(thinc_core.api, work, on_device)}
    if "thinc" in peers and not compiled:
        makers["thinc"] = lambda: original(card, peers["thinc"], work, batches if card.dry else on_device)
    if "torch" in peers and work.torch is not None:
        side = "compile" if compiled else "torch"
        makers[side] = lambda: pytorch(peers["torch"], work, batches, card.torch_device, compiled)
    sides: Dict[str, Phases] = {}
    missing: Dict[str, str] = {}
    for side, make in makers.items():
        np.random.seed(0)
        try:
            sides[side] = make()
            for phase in work.phases:
                sides[side][phase]()
        except Exception as error:
            if side == OURS:
                raise
            sides.pop(side, None)
            missing[side] = f"{type(error).__name__}: {error}".split("\n")[0][:120]
    return sides, missing


def original(card: Card, api: Any, work: Workload, batches: List[Tuple[Any, Any]]) -> Phases:
    """The original on the same device."""
    with api.use_ops("numpy" if card.dry else "cupy"):
        return functional(api, work, batches)
