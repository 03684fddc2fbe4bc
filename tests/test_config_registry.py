"""Registry: registration, lookup, entry points, subclasses, and what a promise is."""

import subprocess
import sys

import catalogue
import confection
import pytest

from thinc_core.config import NAMESPACE, VARIABLE_RE, ConfigValidationError, Promise, registry


class my_registry(registry):
    birds = catalogue.create("thinc_core_tests", "birds", entry_points=True)


@my_registry.birds("robin.v1")
def robin():
    return "robin"


def test_registering_loads_neither_catalogue_nor_confection():
    code = (
        "import sys\n"
        "from thinc_core.config import registry\n"
        "@registry.datasets('x.v1')\n"
        "def x(): return 1\n"
        "assert not {'catalogue', 'confection', 'pydantic', 'srsly'} & set(sys.modules), sys.modules\n"
        "assert registry.get('datasets', 'x.v1') is x\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_first_lookup_finds_our_own_functions():
    code = (
        "from thinc_core.config import registry\n"
        "assert registry.has('layers', 'Linear.v1') and registry.has('optimizers', 'Adam.v1')\n"
        "assert registry.has('initializers', 'zero_init.v1')\n"
        "assert registry.has('ops', 'NumpyOps') and registry.has('ops', 'CupyOps')\n"
        "assert registry.has('losses', 'L2Distance.v1') and registry.has('schedules', 'constant.v1')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_catalogues_look_like_catalogue_registries():
    assert isinstance(registry.layers, catalogue.Registry)
    assert "Linear.v1" in registry.layers
    assert registry.layers.namespace == (NAMESPACE, "layers")
    assert set(registry.layers.get_all()) >= {"Linear.v1", "chain.v1"}
    assert registry.layers.find("Linear.v1")["module"] == "thinc_core.layers.linear"
    assert registry.layers.get_entry_points() == {}
    assert not hasattr(registry.layers, "__wrapped__")


def test_register_directly_and_again():
    registry.datasets("direct.v1", func=len)
    assert registry.get("datasets", "direct.v1") is len
    registry.datasets.register("direct.v1", func=max)
    assert registry.datasets.get("direct.v1") is max


def test_lookup_of_unknown_names_suggests():
    assert not registry.has("layers", "nope")
    assert not registry.has("nope", "nope")
    with pytest.raises(ValueError, match=r"'layrs' \(did you mean 'layers'\?\)"):
        registry.get("layrs", "Linear.v1")
    with pytest.raises(
        catalogue.RegistryError, match=r"'Liner.v1' \(did you mean 'Linear.v1'\?\); available: .*Mish.v1"
    ):
        registry.get("layers", "Liner.v1")
    with pytest.raises(ValueError, match="'get'"):
        registry.get("get", "x")


def test_create():
    class mine(registry):
        pass

    mine.create("test_dogs")
    mine.test_dogs("rex")(len)
    assert mine.get("test_dogs", "rex") is len
    assert not hasattr(registry, "test_dogs")
    for name in ("test_dogs", "layers", "get"):
        with pytest.raises(ValueError, match="must be new"):
            mine.create(name)


def test_subclasses_share_what_they_inherit():
    assert my_registry.layers is registry.layers
    assert my_registry.has("birds", "robin.v1")
    assert not registry.has("birds", "robin.v1")
    names = [name for name in dir(my_registry) if isinstance(getattr(my_registry, name), catalogue.Registry)]
    assert names == ["birds", "datasets", "initializers", "layers", "losses", "ops", "optimizers", "schedules"]


class FakeEntryPoint:
    def __init__(self, name, group, value=None):
        self.name, self.group, self.value, self.loads = name, group, value, 0

    def load(self):
        self.loads += 1
        if self.value is None:
            raise ImportError("not there")
        return self.value


def test_entry_points_of_ours_and_of_plugins_for_the_original(monkeypatch):
    class EntryPoints(list):
        scans = 0

        def select(self, group):
            self.scans += 1
            return [entry for entry in self if entry.group == group]

    def local():
        pass

    entries = EntryPoints([
        FakeEntryPoint("ours.v1", "thinc_core_datasets", max),
        FakeEntryPoint("both.v1", "thinc_core_datasets", min),
        FakeEntryPoint("theirs.v1", "thinc_datasets", len),
        FakeEntryPoint("local.v1", "thinc_datasets", len),
        FakeEntryPoint("broken.v1", "thinc_datasets"),
    ])  # fmt: skip
    monkeypatch.setattr(catalogue, "AVAILABLE_ENTRY_POINTS", entries)
    registry.datasets("local.v1", func=local)
    registry.datasets("both.v1", func=local)
    assert registry.get("datasets", "ours.v1") is max
    assert registry.get("datasets", "both.v1") is min
    assert registry.get("datasets", "theirs.v1") is len
    assert registry.get("datasets", "local.v1") is local
    assert registry.has("datasets", "broken.v1")
    with pytest.warns(UserWarning, match="cannot be imported: not there"):
        assert {"ours.v1", "theirs.v1", "local.v1"} <= set(registry.datasets.get_all())
    assert registry.datasets.get_entry_point("ours.v1") is max
    assert registry.datasets.get_entry_point("x", default=7) == 7
    scans = entries.scans
    for _ in range(3):
        registry.get("datasets", "ours.v1")
    assert entries.scans == scans


def test_promises():
    assert registry.is_promise({"@cats": "x"})
    assert not any(registry.is_promise(each) for each in ({}, {"cats": 1}, {1: 2}, [], "@x", None))
    assert registry.get_constructor({"@cats": "x", "a": 1}) == ("cats", "x")
    with pytest.raises(ConfigValidationError, match="one registered function"):
        registry.get_constructor({"@cats": "x", "@dogs": "y"})
    assert registry.parse_args({"@cats": "x", "*": [1], "a": 2}) == ([1], {"a": 2})
    assert VARIABLE_RE.search("a ${b.c}")
    assert Promise is confection.Promise


def test_first_lookups_from_many_threads():
    code = (
        "import threading\n"
        "from thinc_core.config import registry\n"
        "found = []\n"
        "barrier = threading.Barrier(16)\n"
        "def look(i):\n"
        "    barrier.wait()\n"
        "    if i % 2:\n"
        "        import thinc_core.layers\n"
        "    registry.layers(f'mine.{i}', func=len)\n"
        "    found.append(registry.has('layers', 'Linear.v1') and registry.has('layers', f'mine.{i}'))\n"
        "threads = [threading.Thread(target=look, args=(i,)) for i in range(16)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "assert found == [True] * 16, found\n"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
