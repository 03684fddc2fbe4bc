"""softmax_sequences of large values: each sequence is shifted by its largest value, and nothing is cut off."""

import numpy
import pytest
from any_backend import backend_names, make_ops


@pytest.mark.parametrize("name", backend_names())
def test_large_logits_stay_apart(name, monkeypatch):
    ops = make_ops(name, monkeypatch)
    X = ops.asarray(numpy.asarray([[30.0], [20.0], [1000.0], [-1000.0], [-90.0]], dtype="float32"))
    Y = ops.to_numpy(ops.softmax_sequences(X, ops.asarray1i([2, 2, 1])))
    first = 1 / (1 + numpy.exp(-10.0))
    numpy.testing.assert_allclose(Y.ravel(), [first, 1 - first, 1, 0, 1], rtol=1e-5)
