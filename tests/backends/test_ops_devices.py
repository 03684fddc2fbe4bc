"""Arrays of another library or device, as each argument of every op: refused with what to call, never read."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Tuple

import pytest
from any_backend import make_ops
from cases import CASES, Case
from fake_cuda import CUDA, RUNTIME
from fake_cupy import CURRENT, FAKE, pretend_installed
from running import call, copied, drawn, on_backend

from thinc_core.backends import NumpyOps, Ops
from thinc_core.backends.cuda import _arrays

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
ANYWHERE = ("lengths", "size_at_t", "starts_ends", "lasts")  # small integers, which may lie on the host


@pytest.fixture(autouse=True)
def first_device() -> Iterator[None]:
    yield
    CURRENT.device = 0


@pytest.fixture
def cupy_ops(monkeypatch: Any) -> Any:
    """CupyOps, emulated, on the first of two devices."""
    return make_ops("cuda_emulated", monkeypatch)


def name_of(case: Case) -> str:
    """What errors begin with: three ops are clipped_linear with other defaults."""
    for alias in ("hard_sigmoid", "hard_tanh", "relu_k"):
        if case.op.endswith(alias):
            return case.op.replace(alias, "clipped_linear")
    return case.op


def swapped(args: Dict[str, Any], change: Any) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """The arguments with one array of them changed, one after the other, and how errors call that."""
    for name, value in args.items():
        if isinstance(value, list) and any(hasattr(member, "dtype") for member in value):
            for i, member in enumerate(value):
                if not hasattr(member, "dtype"):
                    continue
                yield f"{name}[{i}]", {**args, name: [*value[:i], change(member), *value[i + 1 :]]}
        elif hasattr(value, "dtype"):
            yield name, {**args, name: change(value)}


def on_other_device(array: Any) -> Any:
    with CUDA.Device(1):
        return FAKE.asarray(array.get())


@ALL
def test_arrays_on_another_gpu(cupy_ops: Any, case: Case) -> None:
    for dtype in ("float32", "float16" if case.half else "float64"):
        args = on_backend(cupy_ops, drawn(case, 5, 17, dtype))
        for name, wrong in swapped(args, on_other_device):
            with pytest.raises(TypeError) as caught:
                call(cupy_ops, case, wrong)
            expected = (
                f"{name_of(case)}: {name} is on GPU 1 but GPU 0 is the current one (call set_active_gpu(1); or move "
                f"{name} with model.ops.asarray, a model with model.to_gpu(0))"
            )
            assert str(caught.value) == expected
            assert isinstance(caught.value, ValueError)


@ALL
def test_arrays_of_numpy_on_a_gpu(cupy_ops: Any, case: Case) -> None:
    args = on_backend(cupy_ops, drawn(case, 5, 17, "float32"))
    for name, wrong in swapped(args, lambda array: array.get()):
        if name in ANYWHERE:
            call(cupy_ops, case, wrong)
            continue
        with pytest.raises(TypeError) as caught:
            call(cupy_ops, case, wrong)
        hint = "call model.ops.asarray; or model.to_cpu() computes on the CPU"
        assert str(caught.value) == f"{name_of(case)}: {name} is a numpy array but the current ops are cupy ({hint})"


@ALL
@pytest.mark.parametrize("cls", [Ops, NumpyOps])
def test_arrays_of_cupy_on_the_cpu(monkeypatch: Any, cls: Any, case: Case) -> None:
    pretend_installed(monkeypatch, {"cupy": FAKE})
    ops, args = cls(), drawn(case, 5, 17, "float32")
    for name, wrong in swapped(args, FAKE.asarray):
        if name in ANYWHERE:
            call(ops, case, copied(wrong))
            continue
        with pytest.raises(TypeError) as caught:
            call(ops, case, wrong)
        hint = "call model.ops.asarray; or model.to_gpu(0) computes on the GPU"
        assert str(caught.value) == f"{name_of(case)}: {name} is a cupy array but the current ops are numpy ({hint})"


@ALL
def test_out_on_another_gpu(cupy_ops: Any, case: Case) -> None:
    args = on_backend(cupy_ops, drawn(case, 5, 17, "float32"))
    if "out" in args or case.mutates:
        return
    result = call(cupy_ops, case, args)
    try:
        call(cupy_ops, case, {**args, "out": result})
    except TypeError as error:
        assert "unexpected keyword" in str(error)  # noqa: PT017 (not every op has it)
        return
    moved: Any = on_other_device(result[0] if isinstance(result, tuple) else result)
    moved = (moved, *result[1:]) if isinstance(result, tuple) else moved
    with pytest.raises(
        TypeError, match=rf"^{name_of(case)}: out(\[0\])? is on GPU 1 but GPU 0 is the current one \(call"
    ):
        call(cupy_ops, case, {**args, "out": moved})


def test_sequences_on_another_gpu(cupy_ops: Any) -> None:
    seqs = [cupy_ops.asarray2f([[1.0, 2.0]]), on_other_device(cupy_ops.asarray2f([[3.0, 4.0]]))]
    for op in ("flatten", "pad", "list2padded"):
        with pytest.raises(TypeError, match=rf"^{op}: \w+\[1\] is on GPU 1 but GPU 0 is the current one"):
            getattr(cupy_ops, op)(seqs)
    moved = [cupy_ops.asarray(seq) for seq in seqs]
    assert cupy_ops.to_numpy(cupy_ops.flatten(moved)).tolist() == [[1, 2], [3, 4]]


def test_a_machine_with_one_gpu_asks_no_array_where_it_is(cupy_ops: Any, monkeypatch: Any) -> None:
    """Finding out costs something at every launch, so one device is taken for granted once it is known."""
    asked = []
    monkeypatch.setattr(RUNTIME, "getDeviceCount", lambda: 1)
    monkeypatch.setattr(
        _arrays, "here", lambda ops, *arrays, found=_arrays.here: asked.append(1) or found(ops, *arrays)
    )
    X = cupy_ops.asarray2f([[1.0]])
    for _ in range(3):
        cupy_ops.relu(X)
        cupy_ops.relu(X, out=cupy_ops.alloc2f(1, 1))
    assert len(asked) <= 1
