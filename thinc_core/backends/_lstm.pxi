# The LSTM ops of NumpyOps, included by numpy_ops.pyx: one kernel call for each direction of each layer.
from .reference.lstm import LSTMState, lstm_size


cdef np.ndarray _steps_of(values, np.npy_intp n_rows):
    """Sequences at each step as int32; None when they are no integers, increase, or do not sum to n_rows."""
    cdef int64_t total = 0
    cdef size_t s
    if not np.PyArray_Check(values):
        try:
            values = numpy.asarray(values)
        except (TypeError, ValueError):  # an array of a GPU; lists of several lengths
            return None
    cdef np.ndarray sizes = lengths_of(values, 0, &total)
    if sizes is None or total != n_rows:
        return None
    for s in range(1, size(sizes)):
        if i32(sizes)[s] > i32(sizes)[s - 1]:
            return None
    return sizes


cdef np.ndarray _lstm_memory(np.ndarray sizes, size_t N, size_t O, int t):
    """Scratch memory for a pass of any direction of any layer."""
    cdef size_t n = 0, largest = i32(sizes)[0] if size(sizes) else 0
    K.f32.lstm_scratch(&n, N, largest, O)
    return empty1(n, t)


cdef bint _fits_lstm(params, H0, np.npy_intp nI) except -1:
    """Whether params are those of the layers and directions of H0."""
    cdef np.npy_intp depth, dirs
    if np.PyArray_NDIM(H0) != 3 or np.PyArray_NDIM(params) != 1:
        return False
    depth, dirs = dim(H0, 0), dim(H0, 1)
    return depth >= 1 and (dirs == 1 or dirs == 2) and dim(params, 0) == lstm_size(depth, dirs, nI, dim(H0, 2))


cdef object _lstm(ops, str op, params, H0, C0, X, size_at_t):
    """Both forward ops; what lstm_forward_training returns, or only its first part."""
    cdef int t = reals(params, X)
    cdef bint training = op == "lstm_forward_training"
    if t < 0 or t != reals(H0, C0) or not is_2d(X) or not same_shape(H0, C0) or not _fits_lstm(params, H0, dim(X, 1)):
        return getattr(Ops, op)(ops, params, H0, C0, X, size_at_t)
    cdef np.ndarray sizes = _steps_of(size_at_t, dim(X, 0))
    if sizes is None:
        return getattr(Ops, op)(ops, params, H0, C0, X, size_at_t)
    cdef np.ndarray p = contig(params), h0 = contig(H0), c0 = contig(C0), x = contig(X), y
    cdef size_t N = dim(x, 0), I = dim(x, 1), O = dim(h0, 2), dirs = dim(h0, 1), n = dirs * O, S = size(sizes)
    cdef size_t at = 0, unit = 0, each, d, layer
    cdef np.ndarray scratch = _lstm_memory(sizes, N, O, t)
    cdef np.ndarray units = numpy.empty((dim(h0, 0), dirs, N, 6, O), dtype=p.dtype) if training else None
    inputs = []
    for layer in range(<size_t>dim(h0, 0)):
        y = empty2(N, n, t)
        state = release(N * O * (I + O))
        for d in range(dirs):
            each = unit * N * 6 * O
            if t == np.NPY_FLOAT:
                K.f32.lstm(
                    f32(y) + d * O, f32(units) + each if training else NULL, f32(scratch), f32(x), f32(p) + at,
                    f32(h0) + unit * O, f32(c0) + unit * O, i32(sizes), S, I, O, n, d == 1
                )
            else:
                K.f64.lstm(
                    f64(y) + d * O, f64(units) + each if training else NULL, f64(scratch), f64(x), f64(p) + at,
                    f64(h0) + unit * O, f64(c0) + unit * O, i32(sizes), S, I, O, n, d == 1
                )
            at += 4 * O * (I + O + 2)
            unit += 1
        acquire(state)
        inputs.append(x)
        x, I = y, n
    if not training:
        return x
    return x, LSTMState(tuple(inputs), h0, c0, sizes.astype("int64"), units)


cdef bint _same_numbers(np.ndarray sizes, values) except -1:
    return integral(values) and has_shape1(values, dim(sizes, 0)) and bool((sizes == values).all())


cdef bint _fits_state(state, int t, np.npy_intp N, np.npy_intp O, np.npy_intp dirs) except -1:
    """Whether the arrays of a forward pass have the shapes and the dtype that the kernel will read."""
    cdef np.npy_intp depth = dim(state.H0, 0), layer
    if reals(state.C0, state.units) != t or not same_shape(state.H0, state.C0) or len(state.inputs) != depth:
        return False
    for layer in range(1, depth):
        if real(state.inputs[layer]) != t or not has_shape2(state.inputs[layer], N, dirs * O):
            return False
    return state.units.shape == (depth, dirs, N, 6, O)


cdef object _backprop_lstm(ops, str op, dY, lengths, params, fwd_state, dict more):
    """What backprop_lstm_states returns; of backprop_lstm only the first two are passed on. more: its needs_dX."""
    cdef int t = reals(dY, params), needs_dX = _flag(more.get("needs_dX", True))
    if (
        t < 0 or needs_dX < 0 or not isinstance(fwd_state, LSTMState) or type(fwd_state.inputs) is not tuple
        or not fwd_state.inputs
    ):
        return getattr(Ops, op)(ops, dY, lengths, params, fwd_state, **more)
    if reals(fwd_state.inputs[0], fwd_state.H0) != t:
        return getattr(Ops, op)(ops, dY, lengths, params, fwd_state, **more)
    inputs, H0 = fwd_state.inputs, fwd_state.H0
    if not is_2d(inputs[0]) or not _fits_lstm(params, H0, dim(inputs[0], 1)):
        return getattr(Ops, op)(ops, dY, lengths, params, fwd_state, **more)
    cdef size_t N = dim(inputs[0], 0), O = dim(H0, 2), dirs = dim(H0, 1), n = dirs * O, unit = dim(H0, 0) * dirs
    cdef np.ndarray sizes = _steps_of(lengths, N)
    if (
        sizes is None or not _same_numbers(sizes, fwd_state.sizes) or not has_shape2(dY, N, n)
        or not _fits_state(fwd_state, t, N, O, dirs)
    ):
        return getattr(Ops, op)(ops, dY, lengths, params, fwd_state, **more)
    cdef np.ndarray p = contig(params), h0 = contig(H0), c0 = contig(fwd_state.C0), units = contig(fwd_state.units)
    cdef np.ndarray dp = empty_like(p), dh0 = empty_like(h0), dc0 = empty_like(c0), dy = contig(dY), dx, x
    cdef np.ndarray scratch = _lstm_memory(sizes, N, O, t)
    cdef size_t at = size(p), each, I, d, S = size(sizes)
    cdef bint wanted
    for layer_input in reversed(inputs):
        x, wanted = contig(layer_input), needs_dX or unit > dirs
        dx, I = empty_like(x) if wanted else None, dim(x, 1)
        state = release(N * O * (I + O))
        for d in range(dirs, 0, -1):
            unit -= 1
            at -= 4 * O * (I + O + 2)
            each = unit * N * 6 * O
            if t == np.NPY_FLOAT:
                K.f32.backprop_lstm(
                    f32(dx) if wanted else NULL, f32(dp) + at, f32(dh0) + unit * O, f32(dc0) + unit * O, f32(scratch),
                    f32(dy) + (d - 1) * O, f32(units) + each, f32(x), f32(p) + at, f32(h0) + unit * O,
                    f32(c0) + unit * O, i32(sizes), S, I, O, n, d == 2, d < dirs
                )
            else:
                K.f64.backprop_lstm(
                    f64(dx) if wanted else NULL, f64(dp) + at, f64(dh0) + unit * O, f64(dc0) + unit * O, f64(scratch),
                    f64(dy) + (d - 1) * O, f64(units) + each, f64(x), f64(p) + at, f64(h0) + unit * O,
                    f64(c0) + unit * O, i32(sizes), S, I, O, n, d == 2, d < dirs
                )
        acquire(state)
        dy = dx
    return dy, dp, dh0, dc0


class NativeLstm(Ops):
    """The recurrent layer."""

    def lstm_forward_training(self, params, H0, C0, X, size_at_t):
        return _lstm(self, "lstm_forward_training", params, H0, C0, X, size_at_t)

    def lstm_forward_inference(self, params, H0, C0, X, size_at_t):
        return _lstm(self, "lstm_forward_inference", params, H0, C0, X, size_at_t)

    def backprop_lstm(self, dY, lengths, params, fwd_state):
        result = _backprop_lstm(self, "backprop_lstm", dY, lengths, params, fwd_state, {})
        return result[:2]

    def backprop_lstm_states(self, dY, lengths, params, fwd_state, *, needs_dX=True):
        more = {"needs_dX": needs_dX}
        return _backprop_lstm(self, "backprop_lstm_states", dY, lengths, params, fwd_state, more)
