"""Every backend keeps to the declarations in reference/, and every op and kernel is tested."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest
from cases import CASES, TESTED_ELSEWHERE

from thinc_core import get_include
from thinc_core.backends import AppleOps, CupyOps, MPSOps, NumpyOps, Ops

BACKENDS = Path(inspect.getfile(Ops)).parent
CLASSES = [cls for cls in (NumpyOps, CupyOps, MPSOps, AppleOps) if cls is not None]

# Stems that have no counterpart, and why.
REFERENCE_ONLY = {"arrays", "batching"}  # NumPy's own copies are what a kernel would do
CPU_ONLY = {
    "kernels_headers",
    "kernels_isa",
    "threads",
    "denormals",
    "parallel",
    "lanes",
    "vector",
    "vmath",
    "half",
    "blas",
}  # tools of the kernels, not ops
WITHOUT_CUDA = {"sparse"}  # array code around ops that have kernels
# Ops without a row in cases.py: they take or give no plain arrays of numbers. Where they are tested instead.
WITHOUT_ROW = {
    "test_ops_arrays.py": r"alloc\w*|asarray\w*|reshape\w*|as_contig|to_numpy|cblas|insert_into",
    "test_ops_batching.py": "minibatch|multibatch",
    "test_ops_lists.py": "flatten|unflatten|pad|unpad|list2padded|padded2list",
    "test_ops_random.py": "get_dropout_mask|dropout_seed",
    "test_lstm.py": r"lstm_forward_training|backprop_lstm\w*",  # their state is opaque
}

# Ops that return arrays and take no `out`: they return what they were given or a view of it, make an array from other
# data, or return arrays beside a state.
WITHOUT_OUT = (
    r"dropout_seed|reshape\w*|as_contig|asarray\w*|alloc\w*|scatter_add|adam|clip_gradient|lstm_\w+|backprop_lstm\w*"
)


def public_methods(cls: type) -> Dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(cls, callable) if not name.startswith("_")}


def overrides() -> Iterator[Tuple[type, str]]:
    for cls in CLASSES:
        for name in public_methods(cls):
            if getattr(cls, name) is not getattr(Ops, name, None):
                yield cls, name


@pytest.mark.parametrize("cls, name", list(overrides()), ids=lambda value: getattr(value, "__name__", value))
def test_override_has_the_declared_signature(cls: type, name: str) -> None:
    assert hasattr(Ops, name), f"{cls.__name__}.{name} is declared nowhere in reference/"
    declared = inspect.signature(getattr(Ops, name))
    written = inspect.signature(getattr(cls, name))
    shapes = [[(p.name, p.kind, p.default) for p in each.parameters.values()] for each in (declared, written)]
    assert shapes[0] == shapes[1]
    for parameter in written.parameters.values():
        if parameter.annotation is not inspect.Parameter.empty:
            assert parameter.annotation == declared.parameters[parameter.name].annotation


@pytest.mark.parametrize("cls", CLASSES)
def test_backend_has_every_public_attribute_and_no_other(cls: type) -> None:
    names = [{name for name in dir(each) if not name.startswith("_")} for each in (Ops, cls)]
    assert names[0] == names[1]


@pytest.mark.parametrize("name, method", list(public_methods(Ops).items()), ids=list(public_methods(Ops)))
def test_every_op_is_documented_and_annotated(name: str, method: Any) -> None:
    text = inspect.getdoc(method)
    assert text, f"{name} has no docstring"
    first = text.splitlines()[0]
    assert first.endswith((".", "]")) or text.splitlines()[1].strip(), f"{name}: {first!r} is no sentence"
    signature = inspect.signature(method)
    bare = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
    assert not bare, f"{name}: no annotation for {bare}"
    assert signature.return_annotation is not signature.empty, f"{name}: no annotation for what it returns"


def test_every_op_that_computes_an_array_takes_out() -> None:
    for name, method in public_methods(Ops).items():
        signature = inspect.signature(method)
        returns = re.match(r"(Tuple\[)?(Floats|Ints|Array)", str(signature.return_annotation)) is not None
        assert ("out" in signature.parameters) == (returns and not re.fullmatch(WITHOUT_OUT, name)), name
        if "out" in signature.parameters:
            assert signature.parameters["out"].default is None
            named = signature.parameters["out"].kind is inspect.Parameter.KEYWORD_ONLY
            assert named or name in ("gemm", "position_encode")  # where the original has it
            text = inspect.getdoc(method) or ""
            assert re.search(r"^(out:|.* out: )", text, flags=re.MULTILINE) or "See " in text, f"{name}: what is out?"


def test_every_op_has_a_row_or_a_test_file() -> None:
    rows = {case.op for case in CASES}
    missing = [
        name
        for name in public_methods(Ops)
        if name not in rows and not any(re.fullmatch(pattern, name) for pattern in WITHOUT_ROW.values())
    ]
    assert not missing, f"add a row to tests/cases.py for {missing}"


def test_every_row_is_an_op_and_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert sorted(names) == sorted(set(names))
    assert not [case.op for case in CASES if not hasattr(Ops, case.op)]


def kernel_names() -> List[str]:
    text = (Path(get_include()) / "thinc_core" / "kernels.def").read_text(encoding="utf-8")
    return re.findall(r"^[A-Z]+\((\w+)\s*,", text, flags=re.MULTILINE)


def test_every_kernel_has_a_row() -> None:
    covered = {kernel for case in CASES for kernel in case.covers} | set(TESTED_ELSEWHERE)
    kernels = kernel_names()
    assert len(kernels) > 10
    assert not [name for name in kernels if name not in covered], "add a row to tests/cases.py"


def test_files_that_are_named_here_exist() -> None:
    for name in {"test_ops_tables.py", *WITHOUT_ROW, *TESTED_ELSEWHERE.values()}:
        assert (Path(__file__).parent / name).exists(), name


def test_reference_and_cpu_kernels_have_the_same_stems() -> None:
    if not (BACKENDS / "cpu").is_dir():
        pytest.skip("the sources of the kernels are not installed here")
    reference = {path.stem for path in (BACKENDS / "reference").glob("*.py") if not path.stem.startswith("_")}
    cpu = {path.stem for path in (BACKENDS / "cpu").glob("*.h")}
    cpu = {stem for stem in cpu if stem.partition("_")[0] not in cpu - {stem}}  # gemm_pack.h is a part of gemm.h
    assert reference - REFERENCE_ONLY == cpu - CPU_ONLY


def test_cuda_kernels_have_the_stems_of_the_reference_and_methods_beside_them() -> None:
    cuda = {path.stem for path in (BACKENDS / "cuda").glob("*.cu")}
    methods = {path.stem for path in (BACKENDS / "cuda").glob("*.py") if not path.stem.startswith("_")}
    reference = {path.stem for path in (BACKENDS / "reference").glob("*.py") if not path.stem.startswith("_")}
    assert cuda == methods
    assert cuda == reference - REFERENCE_ONLY - WITHOUT_CUDA


def test_every_gradient_op_belongs_to_a_row_with_a_gradient() -> None:
    forward = {case.op for case in CASES if case.gradient}
    forward |= {"lstm", "lstm_states"}  # of lstm_forward_training
    forward |= {"hash_embeds"}  # of a list of tables: test_ops_tables.py
    missing = [
        name for name in public_methods(Ops) if name.startswith("backprop_") and name[len("backprop_") :] not in forward
    ]
    assert not missing, f"give the forward row of {missing} a gradient"
