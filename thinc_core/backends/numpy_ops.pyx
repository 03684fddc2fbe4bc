# cython: language_level=3, binding=True
"""NumpyOps: validate, pick float32 or float64, call the kernel table."""
cimport numpy as np

from .kernels cimport Kernels, KernelTable, supported_tables

import os

import numpy

np.import_array()

cdef const KernelTable* TABLES[8]
cdef size_t N_TABLES = supported_tables(TABLES, 8)
cdef const KernelTable* K = TABLES[0]


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
    global K
    names = supported_isas()
    if name not in names:
        raise ValueError(f"set_isa: name must be one of {names}, which this machine supports; got {name!r}")
    K = TABLES[names.index(name)]


if os.environ.get("THINC_CORE_ISA"):
    set_isa(os.environ["THINC_CORE_ISA"])

try:
    from .ops import Ops
except ImportError:  # NEED: remove once ops.py has landed
    class Ops:
        name = "base"
        xp = numpy


class NumpyOps(Ops):
    """CPU backend: native kernels for float32 and float64, the reference for every other dtype."""
    name = "numpy"
    xp = numpy
