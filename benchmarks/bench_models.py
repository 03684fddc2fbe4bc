"""Whole models: words or rows per second in training and prediction, every side in turn in one process."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple

import numpy as np

from . import models
from .jobs import Job, Selection
from .machine import Setup
from .result import OURS, Result, Target
from .timing import Plan, Side, paired

Phases = Dict[str, Callable[[], Any]]
PHASES = ("train", "predict")
QUICK, FULL = Plan(0.2, 0.05, 2, 3), Plan(4.0, 0.3, 3, 9)


@dataclass
class Workload:
    """A model with its batches: as it is made in both functional libraries, and in PyTorch.

    torch: given the module and the batches, the network, its inputs per batch and its targets per batch.
    targets: by phase.  two_threads: our time with two threads as a share of that with one.
    """

    make: Callable[[Any], Any]
    batches: Callable[[int], List[Tuple[Any, Any]]]
    loss: str
    unit: str
    items: Callable[[Any], int]
    targets: Mapping[str, Sequence[Target]]
    torch: Any = None
    phases: Sequence[str] = PHASES
    two_threads: float = 1.05
    needs: str = ""


def words(X: Any) -> int:
    """All rows of a list of sentences."""
    return sum(map(len, X))


def occurrences(X: Any) -> int:
    """All words of the texts."""
    return len(X[0])


TAGGER_TARGETS = {
    "train": [Target("torch", 1 / 1.5), Target("thinc", 1 / 3.5)],
    "predict": [Target("torch", 1 / 1.2), Target("thinc", 1 / 3.7)],
}
LSTM_TARGETS = {"train": [Target("torch", 1 / 1.5)], "predict": [Target("torch", 1 / 1.2)]}
MLP_TARGETS = {"train": [Target("torch", 1 / 1.25)], "predict": [Target("torch", 1 / 1.1)]}
SEQUENCES = "SequenceCategoricalCrossentropy"
WORKLOADS = {
    "tagger": Workload(
        models.tagger,
        models.sentences,
        SEQUENCES,
        "words/s",
        words,
        TAGGER_TARGETS,
        models.torch_tagger,
        two_threads=1 / 1.7,
    ),
    "mlp": Workload(models.mlp, models.images, "CategoricalCrossentropy", "rows/s", len, MLP_TARGETS, models.torch_mlp),
    "lstm tagger": Workload(
        models.lstm_tagger, models.vectors, SEQUENCES, "words/s", words, LSTM_TARGETS, models.torch_lstm
    ),
    "bag of words": Workload(
        models.bag_of_words,
        models.texts,
        "CategoricalCrossentropy",
        "words/s",
        occurrences,
        {"train": [Target("thinc", 0.1)]},
        phases=("train",),
        needs="SparseLinear",
    ),
}


def functional(api: Any, work: Workload, batches: List[Tuple[Any, Any]]) -> Phases:
    """Training and prediction over all batches through the public API of thinc_core or of the original."""
    model = work.make(api)
    loss, optimizer = getattr(api, work.loss)(), api.Adam(0.001)
    # PyTorch computes no gradient of batches that do not ask for it; the original has no way to leave it out.
    options = {"needs_dX": False} if api.__name__ == "thinc_core.api" else {}
    sample = batches[0][0]
    model.initialize(X=sample[:2] if isinstance(sample, list) else sample)

    def train() -> None:
        for X, Y in batches:
            Yh, backprop = model.begin_update(X, **options)
            backprop(loss.get_grad(Yh, Y))
            model.finish_update(optimizer)

    def predict() -> None:
        for X, _ in batches:
            model.predict(X)

    return {"train": train, "predict": predict}


def pytorch(
    torch: Any, work: Workload, batches: List[Tuple[Any, Any]], device: str = "cpu", compiled: bool = False
) -> Phases:
    """The same in plain PyTorch with its fastest Adam, on one of its devices, and through its compiler if wanted."""
    torch.manual_seed(0)
    network, inputs, targets = work.torch(torch, batches)
    network = network.to(device)
    inputs, targets = [tuple(x.to(device) for x in X) for X in inputs], [Y.to(device) for Y in targets]
    optimizer = torch.optim.Adam(network.parameters(), lr=0.001, fused=True)
    network = torch.compile(network, dynamic=True) if compiled else network

    def train() -> None:
        with torch.enable_grad():
            for X, Y in zip(inputs, targets):
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(network(*X), Y).backward()
                optimizer.step()

    def predict() -> None:
        with torch.inference_mode():
            for X in inputs:
                torch.softmax(network(*X), 1)

    return {"train": train, "predict": predict}


def sides_of(work: Workload, batches: List[Tuple[Any, Any]], peers: Dict[str, Any]) -> Dict[str, Phases]:
    """Every side's two phases."""
    import thinc_core.api

    sides = {OURS: functional(thinc_core.api, work, batches)}
    if "thinc" in peers:
        sides["thinc"] = functional(peers["thinc"], work, batches)
    if "torch" in peers and work.torch is not None:
        sides["torch"] = pytorch(peers["torch"], work, batches)
    return sides


def measure(name: str, phase: str, setup: Setup) -> List[Result]:
    """One model in one phase; one result per number of threads."""
    import thinc_core.api

    work, count = WORKLOADS[name], 2 if setup.quick else 8
    targets, title = work.targets.get(phase, ()), f"{name} {phase}"
    if work.needs and not hasattr(thinc_core.api, work.needs):
        note = f"cannot be measured: thinc_core has no {work.needs} yet"
        return [Result("models", title, "", {}, targets, note=note)]
    batches = work.batches(count)
    np.random.seed(0)
    sides = {key: phases[phase] for key, phases in sides_of(work, batches, setup.peers).items()}
    keys = [(side, n) for side in sides for n in (setup.threads if side != "thinc" else setup.threads[:1])]
    calls = {key: Side(sides[key[0]]) for key in keys}
    timings = paired(calls, QUICK if setup.quick else FULL, setup.switch)
    items = sum(work.items(X) for X, _ in batches)
    results = []
    for n in setup.threads:
        costs = {side: timings.get((side, n), timings[side, setup.threads[0]]) for side in sides}
        wanted, note = targets, ""
        if n != setup.threads[0]:
            costs["1 thread"] = timings[OURS, setup.threads[0]]
            wanted = [Target("1 thread", work.two_threads)]
            note = f"speed-up {costs['1 thread'].best / costs[OURS].best:.2f}"
        result = Result("models", title, f"{count} batches", costs, wanted, threads=n, rate=work.unit, work=items)
        result.note = note
        results.append(result)
    return results


def jobs(setup: Setup, selection: Selection) -> Iterator[Job]:
    """Every model in every phase."""
    for name, work in WORKLOADS.items():
        for phase in work.phases:
            yield Job("models", f"{name} {phase}", "", partial(measure, name, phase, setup))
