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
        tests=("test_access_check.py", "test_access_check_tokens.py", "test_access_check_labels.py",
               "test_access_check_properties.py"),
    ),
    "inherit": Target(modules=("inherit",), tests=("test_inherit.py",)),
    "propagate": Target(modules=("inherit_tree",), tests=("test_inherit_tree.py",)),
    "edit": Target(modules=("edit", "edit_merge"), tests=("test_edit.py", "test_edit_properties.py")),
    "operations": Target(modules=("operations", "operations_answer"),
                         tests=("test_operations.py", "test_operations_rights.py")),
    "tree": Target(modules=("operations_tree", "tree"),
                   tests=("test_operations_tree.py", "test_operations_small_trees.py")),
}
