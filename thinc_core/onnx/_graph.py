"""An ONNX graph under construction: operators are added one by one, constants are stored once."""

import hashlib
from typing import Any, Dict, List, Tuple

import numpy

from ..model import Model

# Opset 18 is the first with reductions in ScatterND, and IR 8 goes with it: older runtimes read neither newer one.
OPSET, OPSET_ML, IR = 18, 3, 8


class Graph:
    """Nodes and constants. Floats are float32 in it, whatever the model has; sizes and indices are int64."""

    def __init__(self) -> None:
        import onnx

        self._onnx = onnx
        self.nodes: List[Any] = []
        self.constants: List[Any] = []
        self._known: Dict[Tuple[Any, ...], str] = {}
        self._count = 0

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add an operator with one output. inputs: names of tensors; numbers, lists and arrays become constants."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, **attributes: Any) -> List[str]:
        """Add an operator with several outputs. RETURNS: their names."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        outputs = [self.new_name(kind.lower()) for _ in range(n_outputs)]
        self.nodes.append(self._onnx.helper.make_node(kind, names, outputs, **attributes))
        return outputs

    def new_name(self, hint: str) -> str:
        self._count += 1
        return f"{hint}_{self._count}"

    def constant(self, value: Any, *, exact: bool = False) -> str:
        """The name of a constant. Floats become float32 unless `exact`; Python ints become int64."""
        array = numpy.asarray(value)
        if array.dtype.kind == "f":
            array = array if exact else array.astype("float32")
        elif not isinstance(value, (numpy.ndarray, numpy.generic)):
            array = array.astype("int64" if array.dtype.kind in "iu" or not array.size else array.dtype)
        array = array.copy(order="C")
        key = (array.dtype.str, array.shape, hashlib.sha256(array.data).digest())
        if key not in self._known:
            self._known[key] = self.new_name("constant")
            self.constants.append(self._onnx.numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def param(self, model: Model, name: str) -> Any:
        """A parameter as a NumPy array. RAISES: ValueError when it is not allocated."""
        if not model.has_param(name):
            raise ValueError(f"parameter {name!r} must be allocated; call initialize() or load the model first")
        return model.ops.to_numpy(model.get_param(name))

    def cast(self, X: Any, dtype: str) -> str:
        return self.op("Cast", X, to=self.element_type(dtype))

    def element_type(self, dtype: Any) -> int:
        """ONNX's number for a dtype; that of float32 for all floats."""
        dtype = numpy.dtype(dtype)
        return self._onnx.helper.np_dtype_to_tensor_dtype(numpy.dtype("float32") if dtype.kind == "f" else dtype)

    def add_labels(self, X: str, keys: Any, values: Any, default: int) -> str:
        """values[k] where X is keys[k], else the default; all int64. This operator is in the domain ai.onnx.ml."""
        more = {"keys_int64s": keys, "values_int64s": values, "default_int64": default}
        return self.op("LabelEncoder", X, domain="ai.onnx.ml", **more)

    # Shapes.

    def shape(self, X: str, start: int = 0, end: Any = None) -> str:
        """The sizes of some axes, as a tensor of rank 1."""
        return self.op("Shape", X, start=start, **({} if end is None else {"end": end}))

    def reshape(self, X: str, *sizes: Any) -> str:
        """sizes: ints or tensors of rank 1; -1 only where no other size can be 0."""
        if all(isinstance(size, int) for size in sizes):
            return self.op("Reshape", X, list(sizes), allowzero=1)
        return self.op("Reshape", X, self.sizes(*sizes), allowzero=1)

    def sizes(self, *sizes: Any) -> str:
        parts = [[size] if isinstance(size, int) else size for size in sizes]
        return self.op("Concat", *parts, axis=0)

    def zeros(self, *sizes: Any, value: Any = 0.0) -> str:
        """A tensor of these sizes filled with one value: float32 for a float, int64 for an int."""
        array = numpy.asarray([value], dtype="float32" if isinstance(value, float) else "int64")
        tensor = self._onnx.numpy_helper.from_array(array)
        return self.op("ConstantOfShape", self.sizes(*sizes), value=tensor)

    def arange(self, size: str) -> str:
        """0, 1, ... below a size, which is a tensor of rank 1."""
        return self.op("Range", 0, self.op("Squeeze", size), 1)

    def column(self, X: str) -> str:
        """(N,) as (N, 1)."""
        return self.op("Unsqueeze", X, [1])

    def row(self, X: str) -> str:
        """(N,) as (1, N)."""
        return self.op("Unsqueeze", X, [0])

    def slice(self, X: str, start: Any, end: Any, axis: int) -> str:
        return self.op("Slice", X, *([each] if isinstance(each, int) else each for each in (start, end)), [axis])

    def split(self, X: str, sizes: List[int], axis: int = -1) -> List[str]:
        return self.ops("Split", len(sizes), X, sizes, axis=axis)

    def where_index(self, data: str, index: str, valid: str) -> str:
        """data[index] where valid, else zeros. data: (N, width); index and valid: of one shape."""
        zero = self.zeros(1, self.shape(data, 1))
        padded = self.op("Concat", data, zero, axis=0)
        return self.op("Gather", padded, self.op("Where", valid, index, self.shape(data, 0, 1)), axis=0)
