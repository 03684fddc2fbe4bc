"""Importing thinc_core.api must pull in none of the heavy packages, installed or not. Times are for benchmarks."""

import subprocess
import sys

import pytest

HEAVY = """
    torch cupy cupyx tensorflow keras jax onnx onnxruntime mxnet pydantic matplotlib tqdm ray mpi4py h5py pandas
    sklearn scipy
    catalogue confection srsly
"""
WATCH = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise AssertionError(f"{name} is imported")

HEAVY = set(sys.argv[1].split())
sys.meta_path.insert(0, Watch())
"""


def run(code):
    result = subprocess.run([sys.executable, "-c", WATCH + code, HEAVY], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("module", ["thinc_core", "thinc_core.api", "thinc_core.config", "thinc_core.compat"])
def test_import(module):
    run(f"import {module}\nassert not HEAVY & set(sys.modules), HEAVY & set(sys.modules)")


def test_building_and_running_a_model():
    run(
        "import numpy\n"
        "from thinc_core.api import Adam, CategoricalCrossentropy, Config, Model, Ragged, Relu, Softmax, chain\n"
        "from thinc_core.api import fix_random_seed, registry, with_array\n"
        "model = chain(Relu(4, 3), Softmax(2, 4)).initialize()\n"
        "Y, backprop = model.begin_update(numpy.zeros((2, 3), dtype='f'))\n"
        "backprop(Y)\n"
        "model.finish_update(Adam(0.1))\n"
    )


def test_the_watch_works():
    code = "import srsly"
    result = subprocess.run([sys.executable, "-c", WATCH + code, HEAVY], capture_output=True, text=True)
    assert "srsly is imported" in result.stderr


def test_the_modules_of_the_gpu_are_imported_with_its_ops():
    run(
        "from thinc_core.api import Linear, get_current_ops, get_ops\n"
        "Linear(2, 3).initialize(), get_ops('cpu'), get_current_ops()\n"
        "found = [name for name in sys.modules if name.startswith('thinc_core.backends.cu')]\n"
        "assert not found, found\n"
        "from thinc_core.api import CupyOps\n"
        "assert CupyOps.name == 'cupy'\n"
    )
