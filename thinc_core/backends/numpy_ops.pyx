# cython: language_level=3, binding=True
"""NumpyOps: validate, pick float32 or float64, call the kernel table.

A method that finds its arguments unfit for a kernel (another dtype, a wrong shape, an index out of range) hands them to
the reference, which computes what is computable and raises what must be raised.
"""
cimport numpy as np
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ._arrays cimport (
    acquire, all_apart, apart, cast, changeable, contig, dim, empty1, empty2, empty_like, f32, f64, fits, fits1,
    fits2, fits3, fits_like, has_shape1, has_shape2, i32, integral, is_2d, lengths_of, narrow, ordinary, over,
    overlap, plain, real, reals, release, same_shape, size, target1, target2, target3, target_like,
)
from .cblas cimport use_kernels
from .kernels cimport KernelTable, set_thread_count, supported_tables, thread_count

import functools
import importlib.util
import inspect
import operator
import os

import numpy

from . import cblas as _cblas, checks
from .ops import Ops as Reference

np.import_array()

cdef const KernelTable* TABLES[8]
cdef size_t N_TABLES = supported_tables(TABLES, 8)
cdef const KernelTable* K = <const KernelTable*>use_kernels(TABLES[0])


def supported_isas():
    """Names of the instruction sets this machine can run, best first."""
    return [TABLES[i].isa.decode("ascii") for i in range(N_TABLES)]


def active_isa():
    """Name of the instruction set whose kernels run now."""
    return K.isa.decode("ascii")


def set_isa(name):
    """Make the kernels of one instruction set run from now on.

    RAISES: ValueError when the name is unknown or this machine cannot run it.
    """
    _choose_isa(name, "set_isa: name")


def _choose_isa(name, what):
    names = supported_isas()
    if name not in names:
        raise ValueError(f"{what} must be one of {names}, which this machine supports; got {name!r}")
    use_kernels(TABLES[names.index(name)])


def get_num_threads():
    """How many threads an op may use."""
    return thread_count()


def set_num_threads(n):
    """Let large ops run on n threads, the caller's among them; 1, the default, starts none.

    The setting is the process's. Results are the same bits for any n. Small ops stay on the calling thread, and one op
    at a time is divided: ops that other Python threads run meanwhile stay on their own threads. A forked child keeps
    the setting and starts threads of its own.

    n: 1 to 1024; more than there are processors makes ops slower.
    RAISES: ValueError when n is out of range, TypeError when it is no integer.
    """
    try:
        number = operator.index(n)
    except TypeError:
        raise TypeError(f"set_num_threads: n must be an integer; got {n!r}") from None
    _choose_threads(number, "set_num_threads: n")


def _choose_threads(n, what):
    if not 1 <= n <= 1024:
        raise ValueError(f"{what} must be in [1, 1024]; got {n}")
    set_thread_count(n)


def _threads_asked(text):
    """The number in the environment variable."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"THINC_CORE_NUM_THREADS: it must be an integer; got {text!r}") from None


if os.environ.get("THINC_CORE_ISA"):
    _choose_isa(os.environ["THINC_CORE_ISA"], "THINC_CORE_ISA: it")
if os.environ.get("THINC_CORE_NUM_THREADS"):
    _choose_threads(_threads_asked(os.environ["THINC_CORE_NUM_THREADS"]), "THINC_CORE_NUM_THREADS: it")


cdef object _settled(np.ndarray result, target):
    """target, with the result in it: they differ when target was not in C order."""
    if result is not target:
        target[...] = result
    return target


cdef list NO_OUTS = [(None,) * n for n in range(6)]


cdef inline tuple _outs(out, int n):
    """out of an op with n results: a tuple with None for each that is to be new; None when it is no such tuple."""
    if out is None:
        return NO_OUTS[n]
    return out if type(out) is tuple and len(out) == n else None


cdef np.ndarray _indices(values, np.npy_intp limit):
    """Integers in [0, limit) as int32; None when they are not."""
    cdef uint32_t largest = 0
    if not integral(values) or limit > 0x7FFFFFFF:
        return None
    cdef np.ndarray indices = narrow(values)
    K.common.largest_index(&largest, <uint32_t*>i32(indices), size(indices))
    return indices if largest < limit or size(indices) == 0 else None


cdef np.npy_intp _count(value):
    """A window or a number of pieces; -1 when it is no integer or so large that a product of it might wrap round."""
    cdef int64_t count = _word(value)
    return count if count <= 0x7FFFFFFF else -1


cdef int64_t _word(value):
    """An unsigned number of 32 bits, such as a seed; -1 when it is none."""
    try:
        value = operator.index(value)
    except TypeError:
        return -1
    return value if 0 <= value <= 0xFFFFFFFF else -1


cdef bint _number(value, double* number) except -1:
    """Whether value is a number; the number."""
    if not isinstance(value, float):
        try:
            value = checks.number("", "", value)
        except TypeError:
            return False
    number[0] = value
    return True


cdef int _flag(value) except -2:
    """Whether value is true; -1 when it is neither true nor false."""
    try:
        return bool(value)
    except (TypeError, ValueError):
        return -1


include "_half.pxi"
include "_activations.pxi"
include "_gemm.pxi"
include "_softmax.pxi"
include "_maxout.pxi"
include "_reduce.pxi"
include "_lists.pxi"
include "_gather.pxi"
include "_sparse.pxi"
include "_optim.pxi"
include "_lstm.pxi"
include "_attention.pxi"

_add_half_precision(
    NativeActivations, NativeGemm, NativeSoftmax, NativeMaxout, NativeReduce, NativeGather, NativeSparse, NativeOptim,
    NativeLstm, NativeAttention,
)


class NumpyOps(
    NativeActivations, NativeGemm, NativeSoftmax, NativeMaxout, NativeReduce,
    NativeLists, NativeGather, NativeSparse, NativeOptim, NativeLstm, NativeAttention
):
    """CPU backend: native kernels for float32 and float64, through them float16, and the reference for other dtypes.

    use_blis: False makes gemm, though not what is fused to it, go through NumPy. Which library multiplies otherwise is
        the choice of backends.cblas (THINC_CORE_BLAS).
    """
    name = "numpy"
    xp = numpy

    def __init__(self, device_type="cpu", device_id=-1, *, use_blis=True):
        Ops.__init__(self, device_type, device_id)
        self.use_blis = use_blis

    def cblas(self):
        return _cblas.default_cblas()


def check_seq2col_lengths(ops, lengths, B):
    """Lengths for seq2col over B rows: those given, checked, or one sequence of all rows.

    RAISES: ValueError for a negative length; IndexError when they do not sum to B.
    """
    if lengths is None:
        return ops.asarray1i([B])
    checks.lengths("seq2col", ops.to_numpy(lengths), B)
    return lengths


def cpu_clip_gradient(gradient, threshold):
    """Ops.clip_gradient on the CPU: scale the gradient in place so that its norm is at most the threshold."""
    return NumpyOps().clip_gradient(gradient, threshold)


def add_gradient_noise(gradient, noise_level, timestep):
    """Add normal noise to the gradient in place, less from step to step; below 1e-6 none.

    gradient: any shape, floats.  noise_level, timestep: the standard deviation is noise_level / (1 + timestep)^0.55.
    The noise is drawn from NumPy's global generator.
    SOURCE: Neelakantan et al. 2015, arXiv:1511.06807, whose variance is here the standard deviation, as users expect.
    """
    op = "add_gradient_noise"
    checks.array(op, "gradient", gradient, numpy)
    checks.floats(op, "gradient", gradient)
    checks.writable(op, "gradient", gradient)
    step = checks.number(op, "timestep", timestep)
    if step < 0:
        raise ValueError(f"{op}: timestep must be >= 0; got {timestep}")
    deviation = checks.number(op, "noise_level", noise_level) / (1 + step) ** 0.55
    if deviation >= 1e-6:
        gradient += numpy.random.normal(scale=deviation, size=gradient.shape)


def __getattr__(name):
    """has_blis and blis, which cost an import only when somebody asks."""
    if name == "has_blis":
        return importlib.util.find_spec("blis") is not None
    if name == "blis":
        return importlib.import_module("blis") if importlib.util.find_spec("blis") else None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
