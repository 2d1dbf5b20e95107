"""The commands of ``scripts/`` that are about Windows, as modules: they are run from the checkout, not installed.

Knows: where the checkout is.  Must not know: what the commands do.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

machine, questions, vectors = [
    importlib.import_module(f"scripts.windows_{name}") for name in ("machine", "questions", "vectors")
]
