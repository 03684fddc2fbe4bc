"""Models as ONNX files: to_onnx writes one, onnx_inputs says what to feed to it; layers/onnxwrapper.py runs one.

export.py: the walk over the tree. _graph.py: the file under construction. _values.py: what flows between layers.
_rules.py: the table of layers, filled by _dense.py, _combinators.py, _sequences.py, _attention.py, _recurrent.py and
_tables.py. The package onnx is imported when a file is written, and not before.
"""

from ._rules import COVERED, REFUSED, onnx_rule
from .export import onnx_inputs, to_onnx

__all__ = ["COVERED", "REFUSED", "onnx_inputs", "onnx_rule", "to_onnx"]
