"""What is not arithmetic: calls of tiny models, import time, peak memory of prediction, growth while training."""

import os
import subprocess
import sys
import tracemalloc
from typing import Any, Callable, Dict, Optional

import numpy as np

from .common import OURS, ROOT, Report, Result, Target, Timing, chosen, paired

IMPORT = """
import time, numpy
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""
MODULE = "import {module}"
# Our api answers lazily, so the bare import says little: these names are what a training script needs.
NAMES = "from {module} import Adam, CategoricalCrossentropy, Config, Model, Relu, Softmax, chain, registry"
GROWTH = """
import os, sys
import numpy as np
from {module} import Adam, CategoricalCrossentropy, Relu, Softmax, chain
model = chain(Relu(64), Relu(64), Softmax())
X, Y = np.random.rand(128, 32).astype("f"), np.arange(128, dtype="i") % 10
model.initialize(X=X, Y=np.eye(10, dtype="f")[Y])
optimizer, loss = Adam(0.001), CategoricalCrossentropy()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
for step in range({steps} + 500):
    if step == 500:
        before = resident()
    Yh, backprop = model.begin_update(X)
    backprop(loss.get_grad(Yh, Y))
    model.finish_update(optimizer)
print(resident() - before)
"""


def libraries(report: Report) -> Dict[str, Any]:
    """Ours and, when measured, the original, by the name of their side."""
    import thinc_core.api

    found = {OURS: thinc_core.api}
    if "thinc" in report.peers:
        import thinc.api

        found["thinc"] = thinc.api
    return found


def four_dense(report: Report) -> Result:
    """predict of four 8x8 dense layers on one row."""
    x = np.ones((1, 8), "f")
    calls: Dict[str, Callable[[], Any]] = {}
    for name, api in libraries(report).items():
        model = api.chain(*(api.Linear(8, 8) for _ in range(4))).initialize()
        calls[name] = lambda model=model: model.predict(x)
    if "torch" in report.peers:
        import torch

        torch.set_num_threads(1)
        module, row = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(4))), torch.ones(1, 8)

        def predict() -> None:
            with torch.inference_mode():
                module(row)

        calls["torch"] = predict
    return Result("overhead", "predict 4 dense 8x8", "1 row", paired(calls), [Target("torch", 0.35)])


def four_noops(report: Report, train: bool) -> Result:
    """The cost of the model machinery itself."""
    x = np.ones((1, 8), "f")
    calls: Dict[str, Callable[[], Any]] = {}
    for name, api in libraries(report).items():
        model = api.chain(*(api.noop() for _ in range(4)))
        if train:
            calls[name] = lambda model=model: model.begin_update(x)[1](x)
        else:
            calls[name] = lambda model=model: model.predict(x)
    title = "chain of 4 noops, update" if train else "chain of 4 noops, predict"
    return Result("overhead", title, "", paired(calls), [Target("thinc", 0.5)])


def in_process(script: str) -> float:
    """The number that a script prints in a new process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode != 0:
        raise SystemExit(f"benchmarks: a measuring process failed:\n{done.stderr}")
    return float(done.stdout)


def import_time(report: Report, title: str, statement: str, rounds: int) -> Result:
    """Importing us beyond `import numpy`, in new processes; the limit is 0.13 s."""
    names = {OURS: "thinc_core.api"}
    if "thinc" in report.peers:
        names["thinc"] = "thinc.api"
    samples: Dict[str, list] = {name: [] for name in names}
    for _ in range(rounds):
        for name, target in names.items():
            samples[name].append(in_process(IMPORT.format(statement=statement.format(module=target))))
    costs = {name: Timing(min(s), sorted(s)[len(s) // 2] / min(s) - 1) for name, s in samples.items()}
    costs["limit"] = Timing(0.13, 0.0)
    return Result("overhead", title, "beyond numpy", costs, [Target("limit", 1.0)])


def peak_memory(report: Report) -> Result:
    """Most memory that predict holds through 20 layers, beside three activations."""
    X = np.ones((2048, 256), "f")
    costs = {}
    for name, api in libraries(report).items():
        model = api.chain(*(api.Relu(256, 256) for _ in range(20))).initialize()
        model.predict(X)
        tracemalloc.start()
        model.predict(X)
        costs[name] = Timing(float(tracemalloc.get_traced_memory()[1]), 0.0)
        tracemalloc.stop()
    costs["3 activations"] = Timing(3.0 * X.nbytes * 1.01, 0.0)
    note = f"activation {X.nbytes / 1e6:.2f} MB"
    return Result(
        "overhead",
        "peak of predict, 20 layers",
        "2048x256",
        costs,
        [Target("3 activations", 1.0)],
        unit="bytes",
        note=note,
    )


def growth(report: Report, steps: int) -> Result:
    """Resident memory gained over training steps; the limit is 2 MB."""
    costs = {OURS: Timing(max(0.0, in_process(GROWTH.format(module="thinc_core.api", steps=steps))), 0.0)}
    if "thinc" in report.peers:
        costs["thinc"] = Timing(max(0.0, in_process(GROWTH.format(module="thinc.api", steps=steps))), 0.0)
    costs["limit"] = Timing(2e6, 0.0)
    return Result("overhead", "growth while training", f"{steps} steps", costs, [Target("limit", 1.0)], unit="bytes")


def run(report: Report, only: Optional[str], quick: bool) -> None:
    """Measures every chosen row."""
    rows: Dict[str, Callable[[], Result]] = {
        "predict 4 dense 8x8": lambda: four_dense(report),
        "chain of 4 noops, predict": lambda: four_noops(report, train=False),
        "chain of 4 noops, update": lambda: four_noops(report, train=True),
        "import api": lambda: import_time(report, "import api", MODULE, 3 if quick else 9),
        "import eight names": lambda: import_time(report, "import eight names", NAMES, 3 if quick else 9),
        "peak of predict, 20 layers": lambda: peak_memory(report),
    }
    if sys.platform == "linux":
        rows["growth while training"] = lambda: growth(report, 300 if quick else 3000)
    for name, measure in rows.items():
        if chosen(name, only):
            report.add(measure())
