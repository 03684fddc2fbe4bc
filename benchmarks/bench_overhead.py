"""What is not arithmetic: calls of tiny models, import time, peak memory of prediction, growth while training."""

import os
import subprocess
import sys
import tempfile
import tracemalloc
from functools import partial
from typing import Any, Callable, Dict, Iterator, List

import numpy as np

from . import bench_frameworks
from .jobs import Job, Selection
from .machine import ROOT, Setup
from .result import OURS, Result, Target
from .timing import Side, Timing, paired, summary

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


HEAVY = "sorted({'torch', 'tensorflow', 'jax', 'cupy', 'mxnet', 'thinc'} & set(sys.modules))"
IMPORTED = "import sys, thinc_core.api; from thinc_core.api import *; print(len({heavy}))"


def libraries(setup: Setup) -> Dict[str, Any]:
    """Ours and, when measured, the original, by the name of their side."""
    import thinc_core.api

    peers = setup.peers
    return {OURS: thinc_core.api, **({"thinc": peers["thinc"]} if "thinc" in peers else {})}


def timed(setup: Setup, calls: Dict[str, Callable[[], Any]]) -> Dict[str, Timing]:
    """Every call in turn on one thread."""
    setup.use_threads(1)
    return paired({name: Side(call) for name, call in calls.items()}, setup.plan)


def four_dense(setup: Setup) -> Result:
    """predict of four 8x8 dense layers on one row."""
    x = np.ones((1, 8), "f")
    calls: Dict[str, Callable[[], Any]] = {}
    for name, api in libraries(setup).items():
        model = api.chain(*(api.Linear(8, 8) for _ in range(4))).initialize()
        calls[name] = partial(model.predict, x)
    if "torch" in setup.peers:
        torch = setup.peers["torch"]
        module, row = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(4))), torch.ones(1, 8)

        def predict() -> None:
            with torch.inference_mode():
                module(row)

        calls["torch"] = predict
    return Result("overhead", "predict 4 dense 8x8", "1 row", timed(setup, calls), [Target("torch", 0.35)])


def update(model: Any, x: Any) -> None:
    """One way and back."""
    _, backprop = model.begin_update(x)
    backprop(x)


def four_noops(setup: Setup, train: bool) -> Result:
    """The cost of the model machinery itself."""
    x = np.ones((1, 8), "f")
    calls: Dict[str, Callable[[], Any]] = {}
    for name, api in libraries(setup).items():
        model = api.chain(*(api.noop() for _ in range(4)))
        if train:
            calls[name] = partial(update, model, x)
        else:
            calls[name] = partial(model.predict, x)
    title = "chain of 4 noops, update" if train else "chain of 4 noops, predict"
    return Result("overhead", title, "", timed(setup, calls), [Target("thinc", 0.5)])


def in_process(script: str, byte_code: str = "") -> float:
    """The number that a script prints in a new process.

    byte_code: folder in which Python keeps compiled modules, ours and others', as it does beside what is installed.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    settings = {**os.environ, "PYTHONPATH": path}
    if byte_code:
        settings.update(PYTHONPYCACHEPREFIX=byte_code, PYTHONDONTWRITEBYTECODE="")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", cwd=ROOT, env=settings)
    if done.returncode != 0:
        raise SystemExit(f"benchmarks: a measuring process failed:\n{done.stderr}")
    return float(done.stdout)


def import_time(setup: Setup, title: str, statement: str) -> Result:
    """Importing us beyond `import numpy`, in new processes; the limit is 0.13 s. The first compiles and is left out."""
    names = {OURS: "thinc_core.api", **({"thinc": "thinc.api"} if "thinc" in setup.peers else {})}
    samples: Dict[str, List[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(3 if setup.quick else 8):
            for name, target in names.items():
                script = IMPORT.format(statement=statement.format(module=target))
                samples[name].append(in_process(script, byte_code=folder))
    samples = {name: values[1:] for name, values in samples.items()}
    costs = {name: summary(values) for name, values in samples.items()}
    costs["limit"] = Timing(0.13)
    return Result("overhead", title, "beyond numpy", costs, [Target("limit", 1.0)])


def heavy_modules() -> Result:
    """How many of the large frameworks importing every public name brings in; must be none."""
    costs = {OURS: Timing(in_process(IMPORTED.format(heavy=HEAVY))), "limit": Timing(1.0)}
    return Result("overhead", "frameworks imported", "", costs, [Target("limit", 0.5)], unit="")


def peak_memory(setup: Setup) -> Result:
    """Most memory that predict holds through 20 layers, beside three activations."""
    X = np.ones((2048, 256), "f")
    costs = {}
    for name, api in libraries(setup).items():
        model = api.chain(*(api.Relu(256, 256) for _ in range(20))).initialize()
        model.predict(X)
        tracemalloc.start()
        model.predict(X)
        costs[name] = Timing(float(tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    costs["3 activations"] = Timing(3.0 * X.nbytes)
    note = f"activation {X.nbytes / 1e6:.2f} MB"
    # One hundredth more than three activations: the arrays' own headers and what Python keeps of the calls.
    targets = [Target("3 activations", 1.01)]
    return Result("overhead", "peak of predict, 20 layers", "2048x256", costs, targets, unit="bytes", note=note)


def growth(setup: Setup) -> Result:
    """Resident memory gained over training steps; the limit is 2 MB."""
    steps = 300 if setup.quick else 3000
    costs = {
        name: Timing(max(0.0, in_process(GROWTH.format(module=f"{package}.api", steps=steps))))
        for name, package in ((OURS, "thinc_core"), ("thinc", "thinc"))
        if name == OURS or name in setup.peers
    }
    costs["limit"] = Timing(2e6)
    return Result("overhead", "growth while training", f"{steps} steps", costs, [Target("limit", 1.0)], unit="bytes")


def jobs(setup: Setup, selection: Selection) -> Iterator[Job]:
    """Every row. These have one thread whatever --threads says: there is nothing to share out."""
    rows: Dict[str, Callable[[], Result]] = {
        "predict 4 dense 8x8": partial(four_dense, setup),
        "chain of 4 noops, predict": partial(four_noops, setup, train=False),
        "chain of 4 noops, update": partial(four_noops, setup, train=True),
        "import api": partial(import_time, setup, "import api", MODULE),
        "import eight names": partial(import_time, setup, "import eight names", NAMES),
        "frameworks imported": heavy_modules,
        "peak of predict, 20 layers": partial(peak_memory, setup),
    }
    if sys.platform == "linux":
        rows["growth while training"] = partial(growth, setup)
    for name, measure in rows.items():
        yield Job("overhead", name, "", partial(alone, measure))
    for name, measure_all in bench_frameworks.rows(setup).items():
        yield Job("overhead", name, "", measure_all)


def alone(measure: Callable[[], Result]) -> List[Result]:
    """The one result of a row."""
    return [measure()]
