"""Helpers: arrays, one-hot rows, widths, recursion, seeds, devices, validation, files."""

import os
import random
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path
from typing import Callable, List, Tuple

import numpy
import pytest

from thinc_core import api, compat, util
from thinc_core.backends import NumpyOps, get_current_ops, set_current_ops
from thinc_core.types import ArgsKwargs, Floats1d, Floats2d, Padded, Ragged
from thinc_core.util import (
    ArrayInfo,
    DataValidationError,
    convert_recursive,
    copy_array,
    data_validation,
    fix_random_seed,
    get_array_module,
    get_width,
    is_cupy_array,
    is_numpy_array,
    iterate_recursive,
    make_tempfile,
    partial,
    prefer_gpu,
    require_cpu,
    require_gpu,
    set_active_gpu,
    to_categorical,
    to_numpy,
    use_nvtx_range,
    validate_fwd_input_output,
    write_atomically,
)


@pytest.mark.torch
def test_names_that_dependants_import():
    names = """
        assert_mxnet_installed assert_pytorch_installed assert_tensorflow_installed convert_recursive copy_array
        data_validation get_torch_default_device gpu_is_available has_cupy has_cupy_gpu has_gpu has_tensorflow
        has_torch has_torch_cuda_gpu has_torch_mps is_mxnet_array is_mxnet_gpu_array is_tensorflow_array
        is_tensorflow_gpu_array is_torch_array is_torch_cuda_array is_torch_gpu_array is_torch_mps_array is_xp_array
        mxnet2xp partial tensorflow2xp torch torch2xp use_nvtx_range xp2mxnet xp2tensorflow xp2torch cupy mx tf
        DATA_VALIDATION Schema ValidationError validate_type Padded Ragged ArgsKwargs ArrayXd FloatsXd IntsXd
        PartialT ContextVar Version cupy_from_dlpack has_mxnet types numpy os platform random tempfile threading
        contextlib functools inspect dataclass cast Any Callable Dict List Mapping Optional Sequence TYPE_CHECKING
        Tuple TypeVar Union
    """
    assert [name for name in [*names.split(), *util.__all__] if not hasattr(util, name)] == []


# Arrays.


def test_get_array_module():
    assert get_array_module(numpy.zeros(1)) is numpy
    with pytest.raises(ValueError, match="list"):
        get_array_module([1])
    assert is_numpy_array(numpy.zeros(1))
    assert not is_cupy_array(numpy.zeros(1))
    assert not any(getattr(util, f"is_{name}_array")(3) for name in ("torch", "torch_gpu", "tensorflow", "mxnet", "xp"))


def test_to_numpy():
    array = numpy.zeros(2)
    assert to_numpy(array) is array
    assert to_numpy([1, 2]).tolist() == [1, 2]
    assert to_numpy(3).shape == ()


def test_copy_array():
    dst = numpy.zeros((2, 2), dtype="f")
    copy_array(dst, numpy.arange(4).reshape(2, 2))
    assert dst.tolist() == [[0, 1], [2, 3]]
    copy_array(dst, [[9, 9], [9, 9]])
    assert dst.tolist() == [[9, 9], [9, 9]]
    with pytest.raises(ValueError, match="broadcast"):
        copy_array(dst, numpy.zeros(3))


@pytest.mark.parametrize(
    "X,width",
    [
        (numpy.zeros((3, 5)), 5),
        (numpy.zeros((3, 5, 7)), 7),
        (numpy.zeros((0, 5)), 5),
        (numpy.array([0, 4, 2]), 5),
        (numpy.zeros(0, dtype="i"), 0),
        (numpy.array(3), 0),
        ([], 0),
        ((), 0),
        ([numpy.zeros((2, 4))], 4),
        (([numpy.zeros((2, 4))],), 4),
        (Ragged(numpy.zeros((3, 6)), numpy.array([3])), 6),
        (Padded(numpy.zeros((3, 1, 6)), numpy.ones(3), numpy.ones(1), numpy.zeros(1)), 6),
    ],
)
def test_get_width(X, width):
    assert get_width(X) == width


def test_get_width_of_other_things():
    assert get_width(numpy.zeros((3, 5)), dim=0) == 3
    for bad in (None, "x", {}, 3):
        with pytest.raises(ValueError, match="get_width"):
            get_width(bad)


def test_to_categorical():
    Y = to_categorical(numpy.array([[0, 2], [1, 0]]))
    assert Y.shape == (2, 2, 3)
    assert Y.dtype == "float32"
    assert Y.argmax(-1).tolist() == [[0, 2], [1, 0]]
    smooth = to_categorical(numpy.array([1]), 3, label_smoothing=0.2)
    numpy.testing.assert_allclose(smooth, [[0.1, 0.8, 0.1]], rtol=1e-6)
    assert to_categorical(numpy.zeros(0, dtype="i"), 3).shape == (0, 3)
    two = to_categorical(numpy.array([0, 1]), 3, label_smoothing=0.1)
    numpy.testing.assert_allclose(two, [[0.9, 0.05, 0.05], [0.05, 0.9, 0.05]], rtol=1e-6)


def test_to_categorical_of_many_classes():
    """Memory for the result, not for a table of all pairs of classes."""
    tracemalloc.start()
    try:
        rows = to_categorical(numpy.array([3, 49_999]), 50_000, label_smoothing=0.1)
        assert tracemalloc.get_traced_memory()[1] < 2 * rows.nbytes
    finally:
        tracemalloc.stop()
    assert rows.argmax(axis=1).tolist() == [3, 49_999]


@pytest.mark.parametrize(
    "labels,n_classes,smoothing,error,text",
    [
        ([0], 0, 0.0, ValueError, "n_classes should be at least 1"),
        ([0], 1, 0.1, ValueError, "n_classes should be greater than 1.*label smoothing.*but 1"),
        ([0, 2], 3, 0.7, ValueError, "label_smoothing parameter"),
        ([0], 3, -0.1, ValueError, "label_smoothing parameter"),
        ([3], 3, 0.0, IndexError, r"in \[0, 3\); got 3"),
        ([-1], 3, 0.0, IndexError, r"in \[0, 3\); got -1"),
        ([], None, 0.0, ValueError, "n_classes must be given"),
    ],
)
def test_to_categorical_errors(labels, n_classes, smoothing, error, text):
    with pytest.raises(error, match=text):
        to_categorical(numpy.array(labels, dtype="i"), n_classes, label_smoothing=smoothing)


def test_to_categorical_of_other_dtypes():
    assert to_categorical(numpy.array([True, False])).tolist() == [[0, 1], [1, 0]]  # not a mask
    for labels in (["a"], [0.0, 1.0]):
        with pytest.raises(TypeError, match="to_categorical: labels must have an integer dtype; got"):
            to_categorical(numpy.array(labels))


def test_seeds_of_other_types():
    numpy.random.seed(3)
    expected = numpy.random.random()
    numpy.random.seed(3)
    for seed in ("x", 1.5, None):
        with pytest.raises(TypeError, match="fix_random_seed: seed must be an integer; got"):
            fix_random_seed(seed)
    assert numpy.random.random() == expected
    fix_random_seed(numpy.int64(7))


def test_array_info():
    info = ArrayInfo.from_array(numpy.zeros((2, 3), dtype="f"))
    info.check_consistency(numpy.ones((2, 3), dtype="f"))
    with pytest.raises(ValueError, match=r"\(2, 3\); got \(3, 2\)"):
        info.check_consistency(numpy.ones((3, 2), dtype="f"))
    with pytest.raises(ValueError, match="float32; got float64"):
        info.check_consistency(numpy.ones((2, 3)))


# Recursion.


def is_int(obj):
    return isinstance(obj, int)


def test_recursion():
    nested = [1, (2, "x"), {"a": [3], 4: 5}, ArgsKwargs((6,), {"b": 7})]
    assert list(iterate_recursive(is_int, nested)) == [1, 2, 3, 4, 5, 0, 6, 7]
    converted = convert_recursive(is_int, lambda x: x * 10, nested)
    assert converted == [10, (20, "x"), {"a": [30], 40: 50}, ArgsKwargs((60,), {"b": 70})]
    assert nested[0] == 1


# Seeds and devices.


@pytest.mark.parametrize("seed", [0, 1, -3, 2**40, 2**64 + 5])
def test_fix_random_seed(seed):
    draws = []
    for _ in range(2):
        fix_random_seed(seed)
        draws.append((random.random(), numpy.random.random()))
    assert draws[0] == draws[1]


SEED_LATER = """
import sys
from thinc_core.util import fix_random_seed
fix_random_seed({first})
fix_random_seed({seed})
assert "torch" not in sys.modules and sys.modules is not None
import importlib.util
importlib.util.find_spec("torch")  # whoever looks for it changes nothing
finders = len(sys.meta_path)
import torch
assert torch.initial_seed() == {seed}, torch.initial_seed()
assert len(sys.meta_path) == finders - 1
"""


def test_pytorch_is_seeded_but_not_imported(torch, tmp_path):
    fix_random_seed(2**64 + 5)
    assert torch.initial_seed() == 6
    # PyTorch itself takes seconds to import: this one has the parts that a seed needs.
    (tmp_path / "torch.py").write_text(
        "cuda = type('cuda', (), {'device_count': staticmethod(lambda: 0)})\nseeds = [0]\n"
        "def manual_seed(seed): seeds.append(seed)\ndef initial_seed(): return seeds[-1]\n"
    )
    root = Path(util.__file__).parents[1]
    path = os.pathsep.join([str(tmp_path), str(root)])
    code = SEED_LATER.format(first=3, seed=17)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_devices_without_a_gpu():
    if util.gpu_is_available():
        pytest.skip("there is a GPU")
    before = get_current_ops()
    try:
        assert prefer_gpu() is False
        assert get_current_ops() is before
        with pytest.raises(ValueError, match=r"require_gpu: .*(CuPy|cupy|driver|device|PyTorch)"):
            require_gpu()
        with pytest.raises(ValueError, match="gpu"):
            set_active_gpu(0)
        assert require_cpu() is True
        assert isinstance(get_current_ops(), NumpyOps)
    finally:
        set_current_ops(before)


def test_nvtx_range_is_harmless():
    with use_nvtx_range("x"):
        pass


def test_nvtx_range_ends_with_an_error_too(monkeypatch):
    calls = []
    nvtx = types.SimpleNamespace(RangePush=lambda *args: calls.append(args), RangePop=lambda: calls.append("pop"))
    monkeypatch.setitem(vars(compat), "has_cupy", True)
    monkeypatch.setitem(vars(compat), "cupy", types.SimpleNamespace(cuda=types.SimpleNamespace(nvtx=nvtx)))
    with pytest.raises(KeyError), use_nvtx_range("x", 3):
        raise KeyError
    assert calls == [("x", 3), "pop"]


def test_frameworks_that_are_absent_say_how_to_get_them(monkeypatch):
    monkeypatch.setitem(vars(compat), "torch", None)
    monkeypatch.setitem(vars(compat), "has_torch", False)
    with pytest.raises(ImportError, match="pip install torch"):
        util.xp2torch(numpy.zeros(1))
    with pytest.raises(ValueError, match="PyTorch must be installed"):
        util.get_torch_default_device()
    with pytest.raises(ImportError, match="pip install torch"):
        api.PyTorchWrapper(None)
    with pytest.raises(ImportError, match="pip install torch"):
        api.PyTorchLSTM(2, 2)
    with pytest.raises(ImportError, match="pip install torch"):
        api.as_pytorch_module(api.Linear(2, 2))
    with pytest.raises(ImportError, match="pip install torch"):
        api.PyTorchGradScaler()
    with pytest.raises(ImportError, match=r"MXNet .* is archived"):
        util.xp2mxnet(numpy.zeros(1))


def test_torch_conversions(torch):
    array = numpy.arange(6, dtype="f").reshape(2, 3)
    tensor = util.xp2torch(array)
    tensor[0, 0] = 9
    assert array[0, 0] == 9
    for odd in (array[::-1], array.astype(array.dtype.newbyteorder())):
        assert util.xp2torch(odd).tolist() == odd.tolist()
    assert util.xp2torch(array, requires_grad=True).requires_grad
    back = util.torch2xp(util.xp2torch(array, requires_grad=True))
    assert numpy.shares_memory(back, array)
    assert util.torch2xp(torch.ones(2, dtype=torch.bfloat16)).dtype == "float32"
    assert util.is_torch_array(tensor)
    frozen = numpy.arange(3.0)
    frozen.flags.writeable = False
    util.xp2torch(frozen)[0] = 7
    assert frozen[0] == 0
    for bad in ([1.0], None):
        with pytest.raises(TypeError, match="xp2torch"):
            util.xp2torch(bad)
    assert not util.is_torch_gpu_array(tensor)


# Validation.


def test_validation_of_data():
    def forward(model, X: List[Floats2d], is_train: bool) -> Tuple[List[Floats1d], Callable]:
        raise AssertionError

    good, flat = numpy.zeros((2, 3), dtype="f"), numpy.zeros(2, dtype="f")
    validate_fwd_input_output("layer", forward, [good], [flat])
    validate_fwd_input_output("layer", forward, None, None)
    validate_fwd_input_output("layer", forward, [good] * 5 + ["later ones are not looked at"], [flat] * 5 + [good])
    with pytest.raises(DataValidationError) as caught:
        validate_fwd_input_output("layer", forward, [good, flat], good)
    text = str(caught.value)
    assert "'layer'" in text
    assert "X -> 1" in text
    assert "axes must be 2; got 1 (shape (2,))" in text
    assert "must be list; got an array of shape (2, 3) and dtype float32" in text
    assert "<class 'list'>" in text
    assert len(caught.value.errors) == 2


def test_validation_without_annotations_and_with_bad_signatures():
    validate_fwd_input_output("layer", lambda model, X, is_train: None, 1, 2)
    with pytest.raises(DataValidationError, match=r"3 arguments .*; got 2: \['model', 'X'\]"):
        validate_fwd_input_output("layer", lambda model, X: None, 1, 2)
    assert issubclass(DataValidationError, ValueError)


def test_data_validation_restores():
    for flag in (True, False):
        with data_validation(flag):
            assert util.DATA_VALIDATION.get() is flag
        with pytest.raises(KeyError), data_validation(flag):
            raise KeyError
        assert util.DATA_VALIDATION.get() is False


# Files and functions.


def test_tempfile_is_removed():
    for error in (None, KeyError):
        try:
            with make_tempfile("w") as file_:
                file_.write("x")
                name = file_.name
                if error:
                    raise error
        except KeyError:
            pass
        assert not os.path.exists(name)


def test_write_atomically(tmp_path):
    target = tmp_path / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(FileNotFoundError, match=r"none.b'$"):
        write_atomically(tmp_path / "none" / "b", b"x")
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path, b"x")


def test_write_to_a_pipe(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(fifo, b"abc")
    assert os.read(reader, 10) == b"abc"
    os.close(reader)


def test_partial_keeps_the_docstring():
    def function(a, b):
        """Adds."""
        return a + b

    assert partial(function, 1)(2) == 3
    assert partial(function, b=1).__doc__ == "Adds."


def test_smoothing_that_leaves_all_classes_equal_is_too_much():
    with pytest.raises(ValueError, match=r"label_smoothing parameter must be below 0\.75"):
        to_categorical(numpy.array([0, 1]), 4, label_smoothing=0.75)
    assert to_categorical(numpy.array([0]), 4, label_smoothing=0.74)[0, 0] > 0.25
