"""Frameworks that may be missing: a module of tests that needs one is skipped with the command that installs it."""

import importlib
import importlib.util
import os
import warnings
from typing import Any

import pytest


def needs(package: str, extra: str) -> Any:
    """The package; without it the module of tests that calls this is skipped as a whole."""
    if importlib.util.find_spec(package) is None:
        reason = f"{package} is not installed (pip install 'thinc_core[{extra}]')"
        if os.environ.get("THINC_CORE_REQUIRE_FRAMEWORKS"):
            pytest.fail(f"THINC_CORE_REQUIRE_FRAMEWORKS: {reason}")
        pytest.skip(reason, allow_module_level=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what packages say while they are imported is no fault of ours
        return importlib.import_module(package)
