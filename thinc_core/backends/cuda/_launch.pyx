# cython: language_level=3, binding=True
"""Launches a kernel through cuLaunchKernel, or whatever has its signature, without CuPy's cost per argument."""
from libc.stdint cimport intptr_t, uint64_t

cdef extern from "Python.h":
    bint PyLong_CheckExact(object value) noexcept
    bint PyFloat_CheckExact(object value) noexcept
    unsigned long long PyLong_AsUnsignedLongLongMask(object value) except? <unsigned long long>-1

ctypedef int (*launch_t)(
    void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**
) noexcept nogil

cdef enum:
    MOST_ARGUMENTS = 40

cdef union Slot:
    uint64_t word
    float f
    double d


cdef class Kernel:
    """A function of the device. Each argument is packed by its Python type.

    array (of CuPy) or None: a pointer.  int: 64 bits, for sizes and for addresses.  float: what the kernel computes
    with, float, or double in one whose name ends in _f64.

    function: its CUfunction.  entry: address of cuLaunchKernel.  explain: error code -> text.  kinds: one of "plfd" per
    parameter, to be checked, or None where that is not known.  owner: kept alive with the kernel.
    """
    cdef void* function
    cdef launch_t entry
    cdef bint wide
    cdef object explain, kinds, owner
    cdef readonly str name

    def __init__(self, str name, intptr_t function, intptr_t entry, explain, kinds=None, owner=None):
        self.name, self.explain, self.kinds, self.owner = name, explain, kinds, owner
        self.function, self.entry = <void*>function, <launch_t>entry
        self.wide = "_f64" in name

    def __call__(
        self, unsigned blocks, unsigned threads, intptr_t stream, tuple args, unsigned rows=1, unsigned shared=0
    ):
        """Put it on the stream. rows: blocks along y.  shared: bytes of dynamic shared memory.

        RAISES: RuntimeError with the driver's words when the launch is refused.
        """
        cdef Slot slots[MOST_ARGUMENTS]
        cdef void* places[MOST_ARGUMENTS]
        cdef Py_ssize_t i, n = len(args)
        cdef int status
        if n > MOST_ARGUMENTS:
            raise TypeError(f"{self.name}: at most {MOST_ARGUMENTS} arguments; got {n}")
        for i in range(n):
            places[i] = &slots[i]
            self._pack(&slots[i], args[i])
        if self.kinds is not None:
            self._check(args)
        with nogil:
            status = self.entry(
                self.function, blocks, rows, 1, threads, 1, 1, shared, <void*>stream, places, NULL
            )
        if status:
            raise RuntimeError(f"{self.name}: the launch failed with error {status}: {self.explain(status)}")

    cdef int _pack(self, Slot* slot, value) except -1:
        slot.word = 0
        if PyLong_CheckExact(value):
            slot.word = PyLong_AsUnsignedLongLongMask(value)
        elif PyFloat_CheckExact(value):
            if self.wide:
                slot.d = value
            else:
                slot.f = value
        elif value is not None:
            slot.word = <uint64_t><intptr_t>value.data.ptr
        return 0

    cdef int _check(self, tuple args) except -1:
        """Whether the arguments are what the kernel declares; known of the emulated ones."""
        number = "d" if self.wide else "f"
        given = "".join(["l" if type(a) is int else number if type(a) is float else "p" for a in args])
        fits = len(given) == len(self.kinds) and all(
            g == k or (g == "l" and k == "p") for g, k in zip(given, self.kinds)
        )
        if not fits:
            raise TypeError(f"{self.name}: the kernel takes {self.kinds}; got {given}")
        return 0
