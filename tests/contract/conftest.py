"""The session's fixtures, for the contracts that are kept towards others.

Knows: where the session's tests make their sandboxes.  Must not know: the contracts.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_NAME = "sidewall_session_tests_conftest"
if _NAME not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        _NAME, Path(__file__).resolve().parents[1] / "session" / "conftest.py")
    assert _spec is not None and _spec.loader is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_NAME])
_theirs = sys.modules[_NAME]

how, place, workspace = _theirs.how, _theirs.place, _theirs.workspace
make, sandbox, make_async, descriptors = _theirs.make, _theirs.sandbox, _theirs.make_async, _theirs.descriptors


@pytest.fixture(params=["bare", "machine", "landlock"])
def kind(request: pytest.FixtureRequest) -> str:
    """The contracts are kept by the weaker tier too."""
    return str(request.param)
