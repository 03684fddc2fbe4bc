"""Optional packages: answers are lazy, truthful and never raise."""

import sys
import types

import pytest

from thinc_core import compat

NAMES = """
    blis cublas cupy cupy_from_dlpack cupy_version cupyx h5py has_apple_ops has_blis has_cupy has_cupy_gpu has_gpu
    has_mxnet has_os_signpost has_tensorflow has_tensorflow_gpu has_torch has_torch_amp has_torch_cuda_gpu
    has_torch_gpu has_torch_mps has_torch_mps_gpu mxnet os_signpost tensorflow torch torch_version Version warnings
"""


@pytest.fixture
def fresh(monkeypatch):
    """compat as it is before anything was asked for."""
    for name in compat._LOOK_UP:
        monkeypatch.delitem(vars(compat), name, raising=False)
    return compat


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.torch) if "torch" in name else name for name in NAMES.split()],
)
def test_every_name_has_an_answer(fresh, name):
    value = getattr(fresh, name)
    assert isinstance(value, bool) == name.startswith("has_")
    assert getattr(fresh, name) is value
    assert name in dir(fresh)


def test_unknown_names():
    with pytest.raises(AttributeError, match="has_jax"):
        compat.has_jax  # noqa: B018


def test_broken_installations_count_as_absent(fresh, monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise OSError('libcuda.so.1: cannot open shared object file')")
    (tmp_path / "torch.py").write_text("import does_not_exist")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("cupy", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert fresh.cupy is None
    assert (fresh.has_cupy, fresh.has_cupy_gpu, fresh.has_torch, fresh.has_gpu) == (False, False, False, False)
    assert str(fresh.torch_version) == "0.0.0"


def fake_cupy(count):
    def device_count():
        if count is None:
            raise RuntimeError("no driver")
        return count

    module = types.ModuleType("cupy")
    module.__version__ = "13.1.0"
    module.__spec__ = object()
    module.from_dlpack = len
    module.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=device_count))
    return module


@pytest.mark.parametrize("count", [None, 0, 2])
def test_a_gpu_is_what_the_driver_counts(fresh, monkeypatch, count):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(count))
    assert fresh.has_cupy
    assert fresh.has_cupy_gpu is bool(count)
    assert fresh.cupy_version.release[0] == 13
    assert fresh.cupy_from_dlpack is len


def test_tensorflow_and_mxnet_are_off_until_enabled(monkeypatch):
    assert (compat.tensorflow, compat.has_tensorflow, compat.mxnet, compat.has_mxnet) == (None, False, None, False)
    for name in ("tensorflow", "mxnet"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.warns(DeprecationWarning, match="old code"), pytest.raises(ImportError):
            getattr(compat, f"enable_{name}")()


def test_enabling_is_seen_everywhere(monkeypatch):
    from thinc_core import util

    for name in ("mxnet", "has_mxnet"):
        monkeypatch.setitem(vars(compat), name, vars(compat)[name])
    module = types.ModuleType("mxnet")
    monkeypatch.setitem(sys.modules, "mxnet", module)
    with pytest.warns(DeprecationWarning, match="MXNet"):
        compat.enable_mxnet()
    assert util.has_mxnet
    assert util.mx is module
