# cython: language_level=3, binding=True
"""The one place where matrix products get their implementation, and the BLAS functions handed to other packages.

Providers: "native" (our own kernels, cpu/gemm.h), "openblas" (the library that NumPy loaded), "blis" (the blis package)
and, on macOS, "accelerate". The rule, the same on every run: accelerate where it exists, else native; where native has
no vector code (MSVC), openblas, then blis unless blis chose its generic kernel, then native. THINC_CORE_BLAS or
set_blas force one. NumpyOps follows the choice through the table of use_kernels, never through a CBlas.
"""
from libc.stdint cimport uintptr_t
from libcpp cimport bool as cbool
from libcpp.memory cimport make_shared

from .kernels cimport KernelTable

import os
import sys

cdef extern from "cpu/blas.h" namespace "thinc" nogil:
    const BlasFuncs native_functions
    const KernelTable native_kernels
    const KernelTable* set_kernels(const KernelTable* table) noexcept
    void use_gemm(sgemm_ptr f32, dgemm_ptr f64) noexcept
    BlasFuncs openblas_functions "thinc::library_functions<0>"(void** addresses, cbool wide) noexcept
    BlasFuncs accelerate_functions "thinc::library_functions<1>"(void** addresses, cbool wide) noexcept

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define THINC_VECTOR_CODE 1
    #else
    #define THINC_VECTOR_CODE 0
    #endif
    """
    const bint THINC_VECTOR_CODE

ACCELERATE = "/System/Library/Frameworks/Accelerate.framework/Accelerate"
FUNCTIONS = ("saxpy", "daxpy", "sgemm", "dgemm", "sscal", "dscal")


cdef class CBlas:
    """A table of BLAS functions for Cython code; see cblas.pxd.

    A new one holds the functions of the active provider. Whoever holds the same object shares the table.
    """

    def __cinit__(self):
        if _active is None:
            self.ptr = make_shared[BlasFuncs](native_functions)
        else:
            self.ptr = make_shared[BlasFuncs]((<CBlas>_active.blas).ptr.get()[0])

    def __reduce__(self):
        raise TypeError("CBlas: a table of functions cannot be pickled (call ops.cblas() in the other process)")


cdef saxpy_ptr saxpy(CBlas cblas) noexcept nogil:
    return cblas.ptr.get().saxpy


cdef daxpy_ptr daxpy(CBlas cblas) noexcept nogil:
    return cblas.ptr.get().daxpy


cdef sgemm_ptr sgemm(CBlas cblas) noexcept nogil:
    return cblas.ptr.get().sgemm


cdef dgemm_ptr dgemm(CBlas cblas) noexcept nogil:
    return cblas.ptr.get().dgemm


cdef sscal_ptr sscal(CBlas cblas) noexcept nogil:
    return cblas.ptr.get().sscal


cdef dscal_ptr dscal(CBlas cblas) noexcept nogil:
    return cblas.ptr.get().dscal


cdef void set_saxpy(CBlas cblas, saxpy_ptr function) noexcept nogil:
    cblas.ptr.get().saxpy = function


cdef void set_daxpy(CBlas cblas, daxpy_ptr function) noexcept nogil:
    cblas.ptr.get().daxpy = function


cdef void set_sgemm(CBlas cblas, sgemm_ptr function) noexcept nogil:
    cblas.ptr.get().sgemm = function


cdef void set_dgemm(CBlas cblas, dgemm_ptr function) noexcept nogil:
    cblas.ptr.get().dgemm = function


cdef void set_sscal(CBlas cblas, sscal_ptr function) noexcept nogil:
    cblas.ptr.get().sscal = function


cdef void set_dscal(CBlas cblas, dscal_ptr function) noexcept nogil:
    cblas.ptr.get().dscal = function


class _Provider:
    """A BLAS that works here: its name, its functions, and what to tell about it."""

    def __init__(self, name, blas, detail, threads=None):
        self.name, self.blas, self.detail, self.threads = name, blas, detail, threads


def _native():
    cdef CBlas blas = CBlas()
    blas.ptr = make_shared[BlasFuncs](native_functions)
    return _Provider("native", blas, "thinc_core's own kernels")


def _blis():
    try:
        from blis.about import __version__
        from ._blis import fill
    except ImportError as error:
        raise LookupError(f"the blis package cannot be imported: {error}") from None
    return _Provider("blis", fill(CBlas()), f"blis {__version__}, kernel {blis_kernel()}")


def blis_kernel():
    """Name of the kernel that the blis package chose for this processor, "generic" for the slow one.

    BLIS knows processors by model; on one newer than itself it falls back to portable C without saying so.
    RETURNS: str; "unknown" when the library does not tell.
    """
    import ctypes

    import blis.cy

    try:
        library = ctypes.CDLL(blis.cy.__file__)
        library.bli_arch_string.restype = ctypes.c_char_p
        return library.bli_arch_string(library.bli_arch_query_id()).decode("ascii")
    except (OSError, AttributeError):
        return "unknown"


def _openblas():
    for library in _numpy_libraries():
        for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
            config = getattr(library, f"{prefix}openblas_get_config{suffix}", None)
            if config is not None and hasattr(library, f"{prefix}cblas_sgemm{suffix}"):
                return _openblas_named(library, prefix, suffix, config)
    raise LookupError("NumPy has not loaded an OpenBLAS")


def _numpy_libraries():
    """What NumPy's extension module is linked against: its own handle finds that, except on Windows."""
    import ctypes
    from pathlib import Path

    import numpy
    from numpy._core import _multiarray_umath

    bundled = Path(numpy.__file__).parents[1] / "numpy.libs"
    for path in (_multiarray_umath.__file__, *sorted(bundled.glob("*openblas*.dll"))):
        try:
            yield ctypes.CDLL(str(path))
        except OSError:
            continue


def _openblas_named(library, prefix, suffix, config):
    import ctypes

    cdef CBlas blas = CBlas()
    cdef void* addresses[6]
    cdef uintptr_t address
    for i, name in enumerate(FUNCTIONS):
        address = _address(library, f"{prefix}cblas_{name}{suffix}")
        addresses[i] = <void*>address
    wide = suffix == "64_"
    blas.ptr = make_shared[BlasFuncs](openblas_functions(addresses, wide))
    corename = getattr(library, f"{prefix}openblas_get_corename{suffix}")
    config.restype = corename.restype = ctypes.c_char_p
    detail = f"{config().decode('ascii').strip()}, kernel {corename().decode('ascii')}"
    get_threads = getattr(library, f"{prefix}openblas_get_num_threads{suffix}")
    set_threads = getattr(library, f"{prefix}openblas_set_num_threads{suffix}")
    return _Provider("openblas", blas, detail, (get_threads, set_threads))


def _accelerate():
    import ctypes

    cdef CBlas blas = CBlas()
    cdef void* addresses[6]
    cdef uintptr_t address
    if sys.platform != "darwin":
        raise LookupError("it is part of macOS")
    library = ctypes.CDLL(ACCELERATE)
    for i, name in enumerate(FUNCTIONS):
        address = _address(library, f"cblas_{name}")
        addresses[i] = <void*>address
    blas.ptr = make_shared[BlasFuncs](accelerate_functions(addresses, False))
    return _Provider("accelerate", blas, "Apple Accelerate")


def _address(library, name):
    import ctypes

    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value


_LOADERS = {"accelerate": _accelerate, "native": _native, "openblas": _openblas, "blis": _blis}
_loaded = {}
_active = None
_chosen_by = "rule"
_openblas_threads = None


def _load(name):
    """The provider, or LookupError with the reason why it cannot be used here."""
    if name not in _loaded:
        _loaded[name] = _LOADERS[name]()
    return _loaded[name]


def _reasons():
    """{name: None, or why this provider cannot be used here}."""
    reasons = {}
    for name in _LOADERS:
        try:
            _load(name)
            reasons[name] = None
        except (LookupError, OSError, AttributeError) as error:
            reasons[name] = str(error)
    return reasons


def available_blas():
    """Names of the BLAS providers that work here, to choose from with THINC_CORE_BLAS or set_blas."""
    return [name for name, reason in _reasons().items() if reason is None]


def active_blas():
    """Name of the BLAS provider that computes matrix products now."""
    return _active.name


def set_blas(name):
    """Make one BLAS provider compute matrix products from now on, in all threads.

    set_num_threads applies to the native provider; the others compute a product on one thread.

    name: one of available_blas().  OpenBLAS is NumPy's: while it is chosen, it uses one thread for NumPy too, unless
        OPENBLAS_NUM_THREADS or OMP_NUM_THREADS say otherwise.
    RAISES: ValueError when the name is unknown or that provider does not work here.
    """
    _choose("set_blas: name", name, "set_blas")


def _choose(what, name, chosen_by):
    global _active, _chosen_by
    try:
        provider = _load(name)
    except (LookupError, OSError, AttributeError, TypeError):
        reasons = _reasons()
        works = [known for known, reason in reasons.items() if reason is None]
        hint = f" ({name} does not work here: {reasons[name]})" if name in reasons else ""
        raise ValueError(f"{what} must be one of {works}; got {name!r}{hint}") from None
    _active, _chosen_by = provider, chosen_by
    _limit_threads(provider)
    cdef CBlas blas = provider.blas
    if provider.name == "native":
        use_gemm(NULL, NULL)
    else:
        use_gemm(sgemm(blas), dgemm(blas))


def _limit_threads(provider):
    """One thread per product while OpenBLAS is chosen; then as before."""
    global _openblas_threads
    if provider.name == "openblas" and _openblas_threads is None:
        if not (os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS")):
            get_threads, set_threads = provider.threads
            _openblas_threads = get_threads()
            set_threads(1)
    elif provider.name != "openblas" and _openblas_threads is not None:
        _loaded["openblas"].threads[1](_openblas_threads)
        _openblas_threads = None


def _rule():
    """The provider that is used when nobody forces one."""
    if sys.platform == "darwin":
        try:
            return _load("accelerate").name
        except (OSError, AttributeError):
            return "native"
    if THINC_VECTOR_CODE:
        return "native"
    for name in ("openblas", "blis"):
        try:
            _load(name)
        except (LookupError, OSError, AttributeError):
            continue
        if name != "blis" or blis_kernel() != "generic":
            return name
    return "native"


def describe_blas():
    """What computes matrix products, for `thinc-core info` and bug reports.

    RETURNS: dict: "active" name; "chosen_by" "rule", "THINC_CORE_BLAS" or "set_blas"; "isa" of our own kernels;
        "providers" {name: description, or "not available: " and why}.
    """
    providers = {}
    for name, reason in _reasons().items():
        providers[name] = _loaded[name].detail if reason is None else f"not available: {reason}"
    isa = native_kernels.isa.decode("ascii") if native_kernels.isa != NULL else "none"
    return {"active": _active.name, "chosen_by": _chosen_by, "isa": isa, "providers": providers}


def default_cblas():
    """The CBlas of the active provider: one object per provider, so that asking costs nothing."""
    return _active.blas


cdef const void* use_kernels(const void* table) noexcept:
    return set_kernels(<const KernelTable*>table)


if os.environ.get("THINC_CORE_BLAS"):
    _choose("THINC_CORE_BLAS:", os.environ["THINC_CORE_BLAS"], "THINC_CORE_BLAS")
else:
    _choose("rule", _rule(), "rule")
