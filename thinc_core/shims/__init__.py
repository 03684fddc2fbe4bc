"""Shims: the parts of a model that another framework owns, behind one small interface."""

from .shim import Shim

__all__ = ["Shim"]
