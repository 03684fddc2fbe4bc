"""Frameworks that are not installed: nothing imports them, and each says in one sentence how to get it."""

import sys
from typing import Any, Callable, Dict, Tuple

import numpy
import pytest

from thinc_core import api, compat
from thinc_core.api import JaxWrapper, Linear, MXNetWrapper, ONNXWrapper, TensorFlowWrapper, registry, to_onnx
from thinc_core.shims import MXNetShim, keras_model_fns, maybe_handshake_model

X = numpy.zeros((2, 3), dtype="f")
ONNX = "pip install 'thinc_core[onnx]'"
TENSORFLOW = "pip install 'thinc_core[tensorflow]'"

# What is called, which packages are missing, and the command that the message must end with.
ABSENT: Dict[str, Tuple[Callable[[], Any], str, str]] = {
    "JaxWrapper": (lambda: JaxWrapper(len), "jax", "pip install 'thinc_core[jax]'"),
    "ONNXWrapper": (lambda: ONNXWrapper(b""), "onnxruntime", ONNX),
    "to_onnx": (lambda: to_onnx(Linear(2, 3).initialize(), X), "onnx", ONNX),
    "TensorFlowWrapper": (lambda: TensorFlowWrapper(None), "tensorflow keras", TENSORFLOW),
    "maybe_handshake_model": (lambda: maybe_handshake_model(None), "tensorflow keras", TENSORFLOW),
    "xp2tensorflow": (lambda: api.xp2tensorflow(X), "tensorflow keras", TENSORFLOW),
    "tensorflow2xp": (lambda: api.tensorflow2xp(X), "tensorflow keras", TENSORFLOW),
}


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Packages as they are where they are not installed."""

    def hide(packages: str) -> None:
        for name in packages.split():
            monkeypatch.setitem(sys.modules, name, None)
        for name, value in (("tensorflow", None), ("has_tensorflow", False), ("has_tensorflow_gpu", False)):
            monkeypatch.setattr(compat, name, value)

    return hide


@pytest.mark.parametrize("name", ABSENT)
def test_one_sentence_with_the_command(name: str, without: Callable[[str], None]) -> None:
    call, packages, command = ABSENT[name]
    without(packages)
    with pytest.raises(ImportError) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(f"must be installed: {command}")
    assert "\n" not in text


def test_a_layer_of_onnx_without_a_file_needs_nothing(without: Callable[[str], None]) -> None:
    without("onnx onnxruntime")
    assert ONNXWrapper().name == "onnx"


@pytest.mark.filterwarnings("ignore:.* old code only:DeprecationWarning")
@pytest.mark.parametrize(
    "call",
    [
        lambda: MXNetWrapper(None),
        lambda: MXNetShim(None),
        lambda: api.xp2mxnet(X),
        lambda: api.mxnet2xp(X),
        api.enable_mxnet,
        lambda: registry.resolve({"model": {"@layers": "MXNetWrapper.v1", "mxnet_model": None}}),
    ],
    ids=["wrapper", "shim", "xp2mxnet", "mxnet2xp", "enable_mxnet", "config"],
)
def test_mxnet_is_gone(call: Callable[[], Any], without: Callable[[str], None]) -> None:
    without("mxnet")
    with pytest.raises(ImportError, match=r"MXNet .* is archived and installs on no Python that thinc_core runs on"):
        call()


def test_names() -> None:
    """What existing code imports, from the places where it imports them."""
    from thinc_core import layers, shims

    for name in "MXNetWrapper TensorFlowWrapper keras_subclass JaxWrapper ONNXWrapper".split():
        assert getattr(layers, name) is getattr(api, name)
    for name in "MXNetShim ONNXShim TensorFlowShim keras_model_fns maybe_handshake_model".split():
        assert getattr(shims, name) is getattr(api, name)
        assert name in shims.__all__
    with pytest.raises(AttributeError, match="Shimm"):
        shims.Shimm  # noqa: B018
    for name in "MXNetWrapper TensorFlowWrapper JaxWrapper ONNXWrapper".split():
        assert registry.layers.get(f"{name}.v1") is getattr(layers, name)
    assert "nothing.v1" not in keras_model_fns
