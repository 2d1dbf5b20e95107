"""What is mutated, and which tests must notice.

Knows: modules and test files by name, the quick and sharp ones first.  Must not know: how a mutant is made or run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """``modules`` of ``sidewall.nt`` (``token:TokenSids``: that class alone), ``tests`` below ``tests/nt``."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


TARGETS = {
    "access": Target(
        modules=("access_check", "access_check_passes", "access_check_readings", "access_check_answer", "labels",
                 "token:TokenSids"),
        tests=("test_access_check.py", "test_access_check_tokens.py", "test_access_check_properties.py"),
    ),
}
