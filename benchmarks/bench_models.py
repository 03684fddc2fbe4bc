"""Whole models, one thread: words or rows per second in training and prediction, every side in turn in one process."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import models
from .common import OURS, Report, Result, Target, chosen, paired

Phases = Dict[str, Callable[[], Any]]
TARGETS: Dict[Tuple[str, str], Sequence[Target]] = {
    ("tagger", "train"): [Target("torch", 1 / 1.5), Target("thinc", 1 / 3.5)],
    ("tagger", "predict"): [Target("torch", 1 / 1.2), Target("thinc", 1 / 3.7)],
    ("mlp", "train"): [Target("torch", 1 / 1.25)],
    ("mlp", "predict"): [Target("torch", 1 / 1.1)],
}


def functional(api: Any, kind: str, batches: List[Tuple[Any, Any]]) -> Phases:
    """Training and prediction over all batches through the public API of thinc_core or of the original."""
    model = models.tagger(api) if kind == "tagger" else models.mlp(api)
    loss = api.SequenceCategoricalCrossentropy() if kind == "tagger" else api.CategoricalCrossentropy()
    optimizer = api.Adam(0.001)
    model.initialize(X=batches[0][0][:2])

    def train() -> None:
        for X, Y in batches:
            Yh, backprop = model.begin_update(X)
            backprop(loss.get_grad(Yh, Y))
            model.finish_update(optimizer)

    def predict() -> None:
        for X, _ in batches:
            model.predict(X)

    return {"train": train, "predict": predict}


def pytorch(torch: Any, kind: str, batches: List[Tuple[Any, Any]]) -> Phases:
    """The same in plain PyTorch with its fastest Adam."""
    from thinc_core.api import NumpyOps

    torch.manual_seed(0)
    model = models.torch_models(torch)[kind]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    if kind == "tagger":
        ready = [models.torch_sentences(torch, NumpyOps().hash, batch) for batch in batches]
    else:
        ready = [((torch.from_numpy(X),), torch.from_numpy(Y.astype("int64"))) for X, Y in batches]

    def train() -> None:
        with torch.enable_grad():
            for X, Y in ready:
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(model(*X), Y).backward()
                optimizer.step()

    def predict() -> None:
        with torch.inference_mode():
            for X, _ in ready:
                torch.softmax(model(*X), 1)

    return {"train": train, "predict": predict}


def sides_of(kind: str, batches: List[Tuple[Any, Any]], peers: Sequence[str]) -> Dict[str, Phases]:
    """Every side's two phases."""
    import thinc_core.api

    sides = {OURS: functional(thinc_core.api, kind, batches)}
    if "thinc" in peers:
        import thinc.api

        sides["thinc"] = functional(thinc.api, kind, batches)
    if "torch" in peers:
        import torch

        torch.set_num_threads(1)
        sides["torch"] = pytorch(torch, kind, batches)
    return sides


def run(report: Report, only: Optional[str], quick: bool) -> None:
    """Measures both models in both phases."""
    count = 2 if quick else 8
    data = {"tagger": models.sentences(count), "mlp": models.images(count)}
    for kind, batches in data.items():
        if not any(chosen(f"{kind} {phase}", only) for phase in ("train", "predict")):
            continue
        sides = sides_of(kind, batches, report.peers)
        items = sum(sum(map(len, X)) if kind == "tagger" else len(X) for X, _ in batches)
        np.random.seed(0)
        for phase in ("train", "predict"):
            if chosen(f"{kind} {phase}", only):
                calls = {name: phases[phase] for name, phases in sides.items()}
                costs = paired(calls, rounds=3 if quick else 9, round_seconds=0.3)
                unit = "words/s" if kind == "tagger" else "rows/s"
                size = f"{count}x{models.BATCH if kind == 'tagger' else models.DIGITS}"
                report.add(Result("models", f"{kind} {phase}", size, costs, TARGETS[kind, phase], unit, items))
