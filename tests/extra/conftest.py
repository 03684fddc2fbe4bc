"""The Cython module that drives beams from outside of thinc_core."""

from typing import Any

import pytest
from outside import outside_module


@pytest.fixture(scope="session")
def toy(pytestconfig: pytest.Config) -> Any:
    return outside_module("toy_search", pytestconfig)
