"""Imports of this package's modules straight from their compiled files, for processes that live for milliseconds.

Knows: where and how compiled files are kept (PEP 3147, PEP 552).  Must not know: which modules there are.

The import system looks for a module in every way that there is, lists directories, and reads a compiled file with a
dozen system calls; over eighty modules that is a third of what importing them takes.  Here it is four calls for each.
What counts is the same: the interpreter's own magic number, and the source's time and size.  Whatever is not exactly
as it should be is left to the import system, which also compiles anew and says what is wrong.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import SourceFileLoader
    from collections.abc import Callable, Sequence
    from types import CodeType, ModuleType

    MAGIC_NUMBER = b""
    spec_from_file_location: Callable[..., ModuleSpec | None]
    _rename: Callable[[CodeType, str], None]
    _usable = True
else:
    try:
        from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader, spec_from_file_location
        from _imp import _fix_co_filename as _rename

        _usable = True
    except ImportError:
        # The interpreter's own names, which no version of it owes anybody; ``importlib`` is slow to bring in.
        SourceFileLoader = object
        _usable = False

_PREFIX = __name__.partition(".")[0] + "."
_BY_TIME = bytes(4)
_Code = type((lambda: None).__code__)
_HEAD = 16
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class _Loader(SourceFileLoader):
    """A loader of one module, whose code is there already."""

    def __init__(self, name: str, source: str, code: CodeType) -> None:
        super().__init__(name, source)
        self._ready: CodeType | None = code

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the module; the second time as the import system finds it."""
        code, self._ready = self._ready, None
        return code if code is not None else super().get_code(fullname)


class _Finder:
    """See ``importlib.abc.MetaPathFinder``."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """How to load a module of this package; None for any other, and for what is not as it should be."""
        if not path or not name.startswith(_PREFIX):
            return None
        directory, last = path[0], name.rpartition(".")[2]
        package = f"{directory}/{last}"
        return (_compiled(name, directory, last, None)
                or _compiled(name, package, "__init__", package))


def install() -> None:
    """From now on modules of this package are found so; without effect where compiled files are kept elsewhere, or the
    interpreter's import system is not the one that is known here."""
    tag = sys.implementation.cache_tag
    if _usable and tag and not sys.pycache_prefix and not sys.flags.optimize and _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)


def _compiled(name: str, directory: str, stem: str, package: str | None) -> ModuleSpec | None:
    """The module whose source is ``stem`` in this directory, if its compiled file is there and goes with it."""
    source = f"{directory}/{stem}.py"
    cached = f"{directory}/__pycache__/{stem}.{sys.implementation.cache_tag}.pyc"
    try:
        fd = os.open(cached, _READ)
    except OSError:
        return None
    try:
        status = os.stat(source)
        size = os.fstat(fd).st_size
        data = os.read(fd, size)
    except OSError:
        return None
    finally:
        os.close(fd)
    expected = b"".join((MAGIC_NUMBER, _BY_TIME, _short(int(status.st_mtime)), _short(status.st_size)))
    if len(data) != size or data[:_HEAD] != expected:
        return None
    try:
        code = marshal.loads(memoryview(data)[_HEAD:])
    except (EOFError, TypeError, ValueError):
        return None
    if not isinstance(code, _Code):
        return None
    _rename(code, source)
    spec = spec_from_file_location(name, source, loader=_Loader(name, source, code),
                                   submodule_search_locations=None if package is None else [package])
    if spec is not None:
        spec.cached = cached
    return spec


def _short(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "little")
