"""Damaged model files: whatever is in one, loading it is a ModelLoadError or a model, and never half of one."""

import collections
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import srsly
from hypothesis import event, given, settings
from hypothesis import strategies as st

from thinc_core.errors import ModelLoadError
from thinc_core.layers import Dropout, LayerNorm, Linear, Maxout, chain, concatenate

HUGE = [
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xdc\xff\xff",
]
NESTED = [b"\x91" * 2000, b"\x81\x01" * 2000, b"\x91" * 200000]
WAYS = ["flip", "truncate", "insert", "delete", "repeat", "overwrite", "huge", "nested", "swap", "value"]


def make():
    return chain(concatenate(Linear(2, 3), Maxout(2, 3, nP=2)), LayerNorm(4), Dropout(0.1))


def trained():
    numpy.random.seed(0)
    return make().initialize(numpy.zeros((1, 3), dtype="f"))


GOOD = trained().to_bytes()
MESSAGE = srsly.msgpack_loads(GOOD)
VALUES = [None, -1, 0, 2**63, 1.5, float("nan"), "x", b"x", [], {}, True, numpy.zeros((2, 3), "f"), numpy.zeros(3, "i"),
          {"nd": True}, {"pieces": [], "shape": [1]}, "__import__('os').abort()"]  # fmt: skip


def mutate(data, way, rng):
    """data with one thing changed, in the way that is named."""
    at, other, size = rng.randrange(len(data)), rng.randrange(len(data)), rng.randrange(1, 9)
    if way == "flip":
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if way == "truncate":
        return data[:at]
    if way == "insert":
        return data[:at] + rng.randbytes(size) + data[at:]
    if way == "delete":
        return data[:at] + data[at + size :]
    if way == "repeat":
        return data[:at] + data[other : other + 20] + data[at:]
    if way == "overwrite":
        return data[:at] + rng.randbytes(size) + data[at + size :]
    if way == "huge":
        return data[:at] + rng.choice(HUGE) + data[at + rng.choice([1, 5]) :]
    if way == "nested":
        return data[: rng.choice([0, 1, at])] + rng.choice(NESTED) + data[at:]
    if way == "swap":
        return data[:at] + data[other : other + size] + data[at + size :]
    return srsly.msgpack_dumps(change_value(MESSAGE, rng))


def change_value(message, rng):
    """The message with a value somewhere in it replaced by one that does not belong there."""
    if isinstance(message, dict) and message and rng.random() < 0.9:
        key = rng.choice(sorted(message))
        if rng.random() < 0.1:
            return {**message, "more": rng.choice(VALUES)}
        if rng.random() < 0.1:
            return {name: value for name, value in message.items() if name != key}
        return {**message, key: change_value(message[key], rng)}
    if isinstance(message, list) and message and rng.random() < 0.9:
        at = rng.randrange(len(message))
        return [*message[:at], change_value(message[at], rng), *message[at + 1 :]]
    return rng.choice(VALUES)


MODEL = trained()


def outcome(data):
    """How loading ends. The model is as before, or whole: it has every parameter in its shape and can be saved."""
    before = MODEL.to_bytes()
    try:
        MODEL.from_bytes(data)
    except ModelLoadError:
        assert MODEL.to_bytes() == before
        return "refused"
    shapes = [node.get_param(name).shape for node in MODEL.walk() for name in node.param_names if node.has_param(name)]
    try:
        assert make().from_bytes(MODEL.to_bytes()) is not None
        assert set(shapes) <= {(2, 3), (2,), (2, 2, 3), (2, 2), (4,)}
    finally:
        MODEL.from_bytes(GOOD)
    return "loaded"


@settings(max_examples=150, deadline=None)
@given(way=st.sampled_from(WAYS), seed=st.integers(0, 2**32))
def test_damaged_files(way, seed):
    event(f"{way}: {outcome(mutate(GOOD, way, random.Random(seed)))}")


def fuzz(count):
    """How many damaged files there were of each way and outcome."""
    found = collections.Counter()
    for seed in range(count):
        rng = random.Random(seed)
        way = WAYS[seed % len(WAYS)]
        data = mutate(GOOD, way, rng)
        if rng.random() < 0.3 and data:
            data = mutate(data, rng.choice(WAYS[:-1]), rng)
        found[way, outcome(data)] += 1
    return found


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_100_000_damaged_files_in_little_memory():
    """In a process of its own with 2 GB, as a length in a file must not be believed before it is there."""
    pytest.importorskip("resource", reason="limits the memory of a process")
    code = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
import test_model_file_fuzz
for (way, end), count in sorted(test_model_file_fuzz.fuzz(100_000).items()):
    print(f"{way:10} {end:8} {count:7,}")
"""
    folder = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder.parent}", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    assert sum(int(line.split()[-1].replace(",", "")) for line in done.stdout.splitlines()) == 100_000
