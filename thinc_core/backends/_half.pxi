# Half precision, part of numpy_ops.pyx: stored, never computed with. A native method sends what it cannot take to the
# reference; on the way there, float16 is turned into float32 and sent back.
cdef extern from "numpy/ndarraytypes.h":
    int NPY_HALF


cdef bint _is_half(object X) noexcept:
    return ordinary(X) and np.PyArray_TYPE(<np.ndarray>X) == NPY_HALF and np.PyArray_ISNOTSWAPPED(<np.ndarray>X)


cdef bint _is_other_float(object X) noexcept:
    return np.PyArray_Check(X) and np.PyTypeNum_ISFLOAT(np.PyArray_TYPE(<np.ndarray>X)) and not _is_half(X)


cdef np.ndarray _single(object X):
    """A float32 copy of a float16 array."""
    cdef np.ndarray x = contig(X)
    cdef np.ndarray y = np.PyArray_EMPTY(np.PyArray_NDIM(x), np.PyArray_DIMS(x), np.NPY_FLOAT, 0)
    state = release(size(x))
    K.common.single_from_half(f32(y), <uint16_t*>np.PyArray_DATA(x), size(x))
    acquire(state)
    return y


cdef object _half(object X):
    """A float16 copy of a float32 array; anything else stays what it is."""
    if real(X) != np.NPY_FLOAT:
        return X
    cdef np.ndarray x = contig(X)
    cdef np.ndarray y = np.PyArray_EMPTY(np.PyArray_NDIM(x), np.PyArray_DIMS(x), NPY_HALF, 0)
    state = release(size(x))
    K.common.half_from_single(<uint16_t*>np.PyArray_DATA(y), f32(x), size(x))
    acquire(state)
    return y


# Arguments that an op changes and does not return.
CHANGED = {
    "scatter_add": ("table",),
    "backprop_affine": ("dW", "db"),
    "backprop_affine_maxout": ("dW", "db"),
    "backprop_affine_maxout_layernorm": ("dW", "db", "dG", "dshift"),
    "backprop_layernorm": ("dG", "db"),
    "backprop_rmsnorm": ("dG",),
    "backprop_hash_embed": ("dtable",),
    "backprop_sparse_affine": ("dW", "db"),
    "update_averages": ("ema",),
}


class Ops(Reference):
    """The reference, as native methods see it: its methods recognise half precision, and an `out` left to them."""


def _alone(arrays, key):
    """Whether the array of that name shares no memory with the others."""
    return not any(overlap(arrays[key], each) for name, each in arrays.items() if name != key)


def _copied_into_out(name):
    """A method for an `out` that the native one cannot write into: it calls that without and copies, so that the values
    are those of a kernel whatever the layout of out."""
    reference = getattr(Reference, name)

    @functools.wraps(reference)
    def native(self, *args, **kwargs):
        return getattr(self, name)(*args, **kwargs)

    return reference.into_out(native)


def _through_single(name):
    """The reference's method, which calls the native one when the floats among its arguments are all float16."""
    reference = getattr(Reference, name)
    code = inspect.unwrap(reference).__code__
    parameters = code.co_varnames[1:code.co_argcount + code.co_kwonlyargcount]
    changed = CHANGED.get(name, ())
    copied = _copied_into_out(name) if hasattr(reference, "into_out") else None

    @functools.wraps(reference)
    def method(self, *args, **kwargs):
        out = kwargs.pop("out", None) if copied else None
        if out is not None:
            return copied(self, *args, out=out, **kwargs)
        given = dict(zip(parameters, args), **kwargs)
        halves = {key: value for key, value in given.items() if _is_half(value)}
        if any(isinstance(value, (list, tuple)) for value in given.values()):
            return reference(self, *args, **kwargs)  # which hands the arrays of a list, one by one, to another op
        if not halves or len(args) > len(parameters) or any(_is_other_float(value) for value in given.values()):
            return reference(self, *args, **kwargs)
        singles = {key: _single(value) for key, value in halves.items()}
        result = getattr(self, name)(**{**given, **singles})
        results = result if isinstance(result, tuple) else (result,)
        written = [key for key in singles if key in changed or any(each is singles[key] for each in results)]
        if not all(changeable(halves[key]) and _alone(halves, key) for key in written):
            return reference(self, *args, **kwargs)  # which refuses, or reads before it writes
        for key in written:
            halves[key][...] = _half(singles[key])
        own = {id(singles[key]): halves[key] for key in written}
        results = tuple([own[id(each)] if id(each) in own else _half(each) for each in results])
        return results if isinstance(result, tuple) else results[0]

    return method


def _add_half_precision(*families):
    for family in families:
        for name in vars(family):
            if not name.startswith("_"):
                setattr(Ops, name, _through_single(name))
