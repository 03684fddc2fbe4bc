"""Packages that tests need and machines may lack: a test is skipped then, unless its package is demanded.

THINC_CORE_REQUIRE=torch,jax in the environment makes a failure of every such skip.
"""

import importlib
import os
from typing import Any

import pytest


def import_or_skip(name: str, package: str = "") -> Any:
    """The module. package: what pip knows it as, when that is another name."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = f"needs {name}: {error} (pip install {package or name})"
        if name in os.environ.get("THINC_CORE_REQUIRE", "").split(","):
            pytest.fail(f"THINC_CORE_REQUIRE names a package that is missing: {reason}")
        pytest.skip(reason)
