"""Modules of layers are read when one of their names is asked for; the registry finds all of them all the same."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from thinc_core import layers
from thinc_core.config import registry

FOLDER = Path(layers.__file__).parent
REGISTERED = [
    (name, path.stem)
    for path in sorted(FOLDER.glob("[!_]*.py"))
    for name in re.findall(r'^@registry\.layers\("(.+?)"\)', path.read_text(encoding="utf-8"), re.MULTILINE)
]

# Run in a process of its own, where nothing has been read yet.
FRESH = """
import pickle, sys
from thinc_core.config import registry

def read(name):
    return f"thinc_core.layers.{name}" in sys.modules

@registry.layers("Gelu.v1")
def mine(): ...

from thinc_core import layers
assert not [name for name in sys.modules if name.startswith("thinc_core.layers.")]
assert set(layers.__all__) <= set(dir(layers))

from thinc_core.layers.chain import init
assert callable(layers.chain) and layers.chain.__name__ == "chain", layers.chain
assert pickle.loads(pickle.dumps(layers.chain)) is layers.chain
assert read("chain") and not read("lstm") and not read("gelu")

assert registry.has("layers", "LSTM.v1") and read("lstm") and not read("gru")
assert not registry.has("layers", "LSTM.v7") and not read("gru")
assert registry.layers.get("Softmax.v2") is layers.Softmax_v2 and not read("gru")
assert layers.linear.forward.__module__ == "thinc_core.layers.linear"

assert registry.get("layers", "Gelu.v1") is mine
from thinc_core.api import Gelu
assert registry.get("layers", "Gelu.v1") is mine and Gelu is not mine
assert not read("gru")
assert {"GRU.v1", "with_padded.v1"} <= set(registry.layers.get_all()) and read("gru")
"""


# Each module in a child of its own, in which no other one has been read.
ANY_FIRST = """
import importlib, os, sys
import thinc_core.model

for name in sys.argv[1].split():
    child = os.fork()
    if not child:
        try:
            importlib.import_module(f"thinc_core.layers.{name}")
        except BaseException as error:
            print(name, repr(error), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_there_is_something_to_find():
    assert len(REGISTERED) > 60
    assert {"chain.v1", "remap_ids.v2", "ReluK.v1"} <= {name for name, _ in REGISTERED}


@pytest.mark.parametrize("name,module", REGISTERED, ids=[name for name, _ in REGISTERED])
def test_registered_names_lead_to_their_modules(monkeypatch, name, module):
    asked = []
    monkeypatch.setattr(layers.importlib, "import_module", asked.append)
    layers.read_registered(name)
    assert asked == [f"thinc_core.layers.{module}"]


def test_the_registry_has_what_the_files_register():
    ours = {name for name, func in registry.layers.get_all().items() if func.__module__.startswith("thinc_core.layers")}
    assert ours == {name for name, _ in REGISTERED}


def test_exported_names_lead_to_layers():
    for name in layers.__all__:
        function = getattr(layers, name)
        assert inspect.isfunction(function)
        assert function.__name__ == name
        assert getattr(importlib.import_module(function.__module__), name) is function


def test_names_for_type_checkers_are_those_that_are_read():
    text = Path(layers.__file__).read_text(encoding="utf-8")
    lines = re.findall(r"^    from \.(\w+) import (.+)$", text, re.MULTILINE)
    stated = {name: module for module, names in lines for name in names.split(", ")}
    read = {name: getattr(layers, name).__module__.rpartition(".")[2] for name in layers.__all__}
    assert stated == read


def test_unknown_names():
    with pytest.raises(AttributeError, match=r"module 'thinc_core\.layers' has no attribute 'Liner'"):
        layers.Liner  # noqa: B018
    layers.read_registered("Liner.v1")
    layers.read_registered("nonsense")


def test_one_by_one():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_any_module_may_be_the_first():
    names = " ".join(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    done = subprocess.run([sys.executable, "-c", ANY_FIRST, names], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
