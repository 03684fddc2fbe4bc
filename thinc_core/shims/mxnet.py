"""MXNetShim: the name of a class that existing code may import; what it wrapped is gone."""

from typing import Any, NoReturn

from .._frameworks import MXNET_IS_GONE
from .shim import Shim


def refuse() -> NoReturn:
    """RAISES: ImportError that says why."""
    raise ImportError(MXNET_IS_GONE)


class MXNetShim(Shim):
    """Raises ImportError when it is made: MXNet is archived, and installs on no Python that this library runs on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        refuse()
