"""to_onnx: a trained model as an ONNX file, which other runtimes predict with."""

from typing import Any, Callable, Dict, List

from .._model_tree import node_path
from ..model import Model
from ._graph import IR, OPSET, OPSET_ML, Graph
from ._kinds import KINDS, kinds_of
from ._rules import find_rule, why_not
from ._values import Columns, Rows, Value, arrays_of, kind_of, names_of, symbols_of, with_data

INSTALL = "pip install 'thinc_core[onnx]'"


class Exporter(Graph):
    """A graph that knows which model it is of: it runs layers by their rules and names the one that cannot be."""

    def __init__(self, root: Model) -> None:
        super().__init__()
        self.root = root

    def run(self, model: Model, X: Value) -> Any:
        """Add a layer. RETURNS: what it gives for X. RAISES: ValueError that names the layer by its path."""
        rule = find_rule(model)
        if rule is None:
            path = node_path(self.root, model)
            raise NotImplementedError(f"to_onnx: every layer must have a form in ONNX; got {path}: {why_not(model)}")
        try:
            return rule(self, model, X)
        except ValueError as error:
            if str(error).startswith("to_onnx: "):
                raise
            path = node_path(self.root, model)
            raise ValueError(f"to_onnx: {path}: {error}") from error

    def sequences(self, X: Value, *kinds: str) -> Any:
        """X, if it is a batch of sequences of one of these kinds. RAISES: ValueError otherwise."""
        if kind_of(X) not in kinds:
            raise ValueError(f"X must be {' or '.join(kinds)}; got {kind_of(X)}")
        return X

    def map_data(self, X: Value, run: Callable[[str], str]) -> Any:
        """run(data) of the array of a batch, or of each item of a tuple. RETURNS: a batch like X."""
        if isinstance(X, tuple):
            return tuple(self.map_data(item, run) for item in X)
        return run(X) if isinstance(X, str) else with_data(X, run(X.data))

    def array(self, X: Value) -> str:
        """X, if it is an array. RAISES: ValueError otherwise."""
        if not isinstance(X, str):
            raise ValueError(f"X must be an array; got {kind_of(X)}")
        return X


def onnx_inputs(X: Any) -> Dict[str, Any]:
    """What to feed to a file that to_onnx wrote, for a batch of the kind that it was given: arrays by name.

    X: array: {"X": array}; Ragged or list of arrays: also "X_lengths"; Padded: also "X_indices"; tuple: the items as
        "X_0", "X_1" and so on. Floats become float32.
    RAISES: TypeError for anything else.
    """
    return {name: _narrow(array) for name, array in arrays_of(X, "X").items()}


def to_onnx(model: Model, X: Any, *, name: str = "thinc_core") -> Any:
    """What model.predict does, as an ONNX model that computes in float32 (opset 18).

    X: a batch, which tells the kinds and dtypes of the inputs; files take any number of rows and sequences.
        onnx_inputs(X) says what they are called. Outputs are called Y in the same way.
    name: of the graph.
    RETURNS: onnx.ModelProto: onnx.save(..., path) writes it, .SerializeToString() gives bytes.
    RAISES: NotImplementedError naming the first layer, by its path, that ONNX cannot express; ValueError when a layer
        is used in a way that it cannot; ImportError with the command when onnx is not installed.
    """
    onnx = _import_onnx()
    Y = model.predict(X)
    arrays, results = arrays_of(X, "X"), arrays_of(Y, "Y")
    graph = Exporter(model)
    value = graph.run(model, _with_int64(graph, symbols_of(X, "X")))
    found = names_of(value)
    if len(found) != len(results):
        raise ValueError(f"to_onnx: the graph must give {', '.join(results)}; got {len(found)} outputs")
    for tensor, (output, array) in zip(found, results.items()):
        graph.nodes.append(onnx.helper.make_node("Cast", [tensor], [output], to=graph.element_type(array.dtype)))
    inputs = [_info(graph, *item) for item in arrays.items()]
    outputs = [_info(graph, *item) for item in results.items()]
    body = onnx.helper.make_graph(graph.nodes, name, inputs, outputs, graph.constants)
    opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", OPSET_ML)]
    exported = onnx.helper.make_model(body, opset_imports=opsets, ir_version=IR, producer_name="thinc_core")
    onnx.helper.set_model_props(exported, {KINDS: kinds_of(X, Y)})
    return exported


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"to_onnx: the package onnx must be installed: {INSTALL}") from error
    return onnx


def _with_int64(graph: Graph, X: Value) -> Value:
    """Lengths and indices, which are int32 outside, as ONNX's operators want them."""
    if isinstance(X, Rows):
        return Rows(X.data, graph.cast(X.lengths, "int64"), X.kind)
    if isinstance(X, Columns):
        return Columns(X.data, graph.cast(X.lengths, "int64"), graph.cast(X.indices, "int64"))
    return tuple(_with_int64(graph, item) for item in X) if isinstance(X, tuple) else X


def _info(graph: Exporter, name: str, array: Any) -> Any:
    """The declaration of an input or output: the first axis, and those of steps and columns, may have any size."""
    sizes: List[Any] = [f"{name}_axis{axis}" for axis in range(array.ndim)]
    if array.ndim > 1 and array.shape[-1]:
        sizes[-1] = array.shape[-1]
    return graph._onnx.helper.make_tensor_value_info(name, graph.element_type(array.dtype), sizes)


def _narrow(array: Any) -> Any:
    return array.astype("float32", copy=False) if array.dtype.kind == "f" else array
