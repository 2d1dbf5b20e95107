"""What a private copy of Python consists of: interpreter, the DLLs that it needs, one archive of modules.

Knows: how an installation of CPython lies on a disk, which modules a program imports (from their source).  Must not
know: where the copy goes, who may read it (``runtime``), what the program does.  Follows "Finding modules" and the
"Python embeddable package" of CPython's documentation for Windows.

The layout is that of the embeddable package: a ``._pth`` file beside the interpreter names the search path, and with it
there is no registry, no environment, no ``site`` and no directory of anybody's.  Only what is imported is in it: of our
modules every import counts, of the standard library those that run when a module is imported.
"""

from __future__ import annotations

import os
import sys

from sidewall.errors import MachineError
from sidewall.platforms.windows import pe
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Iterator

ENTRY = "sidewall.platforms.windows.runner"
"""The program inside the account: its ``main`` gets the words after its name and gives the exit code."""
_FACADE = "sidewall.platforms.windows."
ROOTS = (
    ENTRY, *[_FACADE + name for name in ("api", "kernel32", "kernelbase", "advapi32", "ntdll", "user32", "userenv")],
    *["encodings." + name for name in ("ascii", "latin_1", "utf_8", "utf_16_le")],
)
"""What is loaded by name at run time stands here besides the program: facades, and encodings."""
UNSEEN = ("ctypes._layout",)
"""Modules of some versions that are imported from C, where no source tells of it."""
EXTENSIONS = ("_ctypes",)
FLAGS = ("-I", "-B", "-S", "-X", "utf8")
"""Isolated, writing no compiled files, without ``site``, and with no encoding that the machine's settings choose: the
archive has few.  The ``._pth`` file says most of it again."""
PROGRAM, ARCHIVE, START = "pythonw.exe", "modules.zip", "runner.py"
"""The one for windows: for the other the system starts the host of a console before its first instruction, another
process with the account's whole token, and that one is open to every command of the account."""
STARTER = f"""import os, sys
from sidewall.platforms.windows.api import native
from {ENTRY} import main
# Threads that wait for commands are not waited for.
os._exit(main(sys.argv[1:], native()))
"""
REMEDY = "install Python from python.org, by uv or by winget, and install Sidewall with that; or use --tier token"
_DATE = (1980, 1, 1, 0, 0, 0)


class Python(Record):
    """An installation of CPython: ``base`` its directory, ``library`` its standard library (a directory, or the archive
    of an embeddable package), ``tag`` version and kind as in ``python<tag>.dll``."""

    base: str
    library: str
    tag: str

    @property
    def dll(self) -> str:
        """The interpreter proper."""
        return f"python{self.tag}.dll"


class File(Record):
    """One file of the copy: its ``name`` there, and its ``data``."""

    name: str
    data: bytes


class Contents(Record):
    """All files, and the ``origins`` from which they were made: a change of one of these makes the copy old."""

    files: tuple[File, ...]
    origins: tuple[str, ...]
    modules: tuple[str, ...]


def here() -> Python:
    """The one that runs this.  Raises MachineError where it cannot be copied, saying what to use instead."""
    tag = str(getattr(sys, "winver", "")).partition("-")[0].replace(".", "")
    tag = tag or f"{sys.version_info[0]}{sys.version_info[1]}"
    return at(sys.base_prefix, tag)


def at(base: str, tag: str) -> Python:
    """The one in the directory ``base``.  Raises MachineError as ``here``."""
    if "windowsapps" in base.lower().replace("/", "\\").split("\\"):
        # What a packaged app writes below AppData lies in a place of its own, where no other account finds it.
        raise MachineError("this Python cannot be copied for the sandbox's accounts: it is from the Microsoft Store, "
                           "and what it writes is not where other accounts look", hint=REMEDY)
    library = os.path.join(base, "Lib")
    if not os.path.isfile(os.path.join(library, "os.py")):
        library = os.path.join(base, f"python{tag}.zip")
    python = Python(base=base, library=library, tag=tag)
    for name in (os.path.join(base, PROGRAM), os.path.join(base, python.dll), library):
        try:
            size = os.stat(name).st_size
        except OSError as error:
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: {name}: {error.strerror}",
                               hint=REMEDY) from None
        if not size and not os.path.isdir(name):
            # An app execution alias starts a packaged app and holds no program.
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: {name} is an alias of the "
                               "Microsoft Store and no program", hint=REMEDY)
    return python


def gather(python: Python, package: str, roots: tuple[str, ...] = ROOTS, starter: str = STARTER) -> Contents:
    """All that the copy needs.  ``package`` is the directory of ``sidewall``.  Raises MachineError."""
    modules = _Modules(python, package)
    try:
        modules.follow((*roots, *UNSEEN))
        absent = [name for name in roots if name not in modules.seen and os.path.isdir(python.library)]
        if absent:
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: it has no module "
                               f"{absent[0]}", hint="install Python and Sidewall again")
        files = _binaries(python)
        origins = [name for name, _ in files]
        made = [File(name=os.path.basename(name), data=data) for name, data in files]
        search = [ARCHIVE, "."]
        if not os.path.isdir(python.library):
            # An embeddable package has no source to be chosen from.
            made.append(File(name=os.path.basename(python.library), data=_read(python.library)))
            origins.append(python.library)
            search.insert(1, os.path.basename(python.library))
    except OSError as error:
        raise MachineError(f"this Python cannot be copied for the sandbox's accounts: {error.filename}: "
                           f"{error.strerror}", hint=REMEDY) from None
    made.append(File(name=ARCHIVE, data=_archive(modules.compiled)))
    made.append(File(name=f"python{python.tag}._pth", data="".join([f"{one}\n" for one in search]).encode("ascii")))
    made.append(File(name=START, data=starter.encode("ascii")))
    return Contents(files=tuple(sorted(made, key=_name)), origins=(*origins, *modules.origins),
                    modules=tuple(sorted(modules.seen)))


def _name(file: File) -> str:
    return file.name


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _binaries(python: Python) -> list[tuple[str, bytes]]:
    """Interpreter and extension modules with every DLL beside them that they are linked to, by path.

    What does not lie there is a part of Windows.
    """
    there: dict[str, str] = {}
    for place in (os.path.join(python.base, "Library", "bin"), os.path.join(python.base, "DLLs"), python.base):
        if os.path.isdir(place):
            there.update({name.lower(): os.path.join(place, name) for name in os.listdir(place)})
    found: dict[str, tuple[str, bytes]] = {}
    wanted = [PROGRAM, python.dll, *[f"{name}.pyd" for name in EXTENSIONS]]
    while wanted:
        name = wanted.pop().lower()
        path = there.get(name)
        if name in found or (path is None and name.endswith(".dll") and name != python.dll):
            continue
        if path is None:
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: it has no {name}",
                               hint=REMEDY)
        data = _read(path)
        try:
            linked, subsystem = pe.imports(data), pe.subsystem(data)
        except pe.PEError as error:
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: {path}: {error}",
                               hint=REMEDY) from None
        if name == PROGRAM and subsystem != pe.WINDOWS_GUI:
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: {path} is a program for "
                               "consoles", hint=REMEDY)
        if any(_interpreter(one) not in ("", python.dll.lower()) for one in linked):
            raise MachineError(f"this Python cannot be copied for the sandbox's accounts: {path} does not use "
                               f"{python.dll}", hint=REMEDY)
        wanted += linked
        found[name] = (path, data)
    return [found[name] for name in sorted(found)]


def _interpreter(name: str) -> str:
    """The name of a DLL in lower case, if it is that of a version of CPython; else ''."""
    name = name.lower()
    return name if name.startswith("python3") and name[7:8].isdigit() and name.endswith(".dll") else ""


class _Modules:
    """Modules that are needed, from their source, compiled."""

    def __init__(self, python: Python, package: str) -> None:
        self._places = {"sidewall": os.path.dirname(package)}
        self._library = python.library
        self.seen: set[str] = set()
        self.origins: list[str] = []
        self.compiled: dict[str, bytes] = {}

    def follow(self, names: Iterable[str]) -> None:
        wanted = list(names)
        while wanted:
            name = wanted.pop()
            if name not in self.seen:
                wanted += self._take(name)

    def _take(self, name: str) -> list[str]:
        """Compiles a module; what it imports.  Nothing for what is built in, or is not there."""
        import _imp
        import ast
        import marshal

        top, _, _ = name.partition(".")
        if name in sys.builtin_module_names:
            return []
        base = os.path.join(self._places.get(top, self._library), *name.split("."))
        package = os.path.isfile(os.path.join(base, "__init__.py"))
        path = os.path.join(base, "__init__.py") if package else f"{base}.py"
        if not os.path.isfile(path):
            return []  # an extension module, a name that is no module, or of another system
        self.seen.add(name)
        tree = ast.parse(_read(path), path)
        ours = top in self._places
        if ours or not _imp.is_frozen(name):
            inside = name.replace(".", "/") + ("/__init__" if package else "")
            code = compile(tree, f"<{name}>", "exec", dont_inherit=True, optimize=0)
            data = marshal.dumps(code)
            # A file of compiled code that is never compared with a source (PEP 552), which is not there.
            header = _imp_magic() + (1).to_bytes(4, "little") + _imp.source_hash(0, data)
            self.compiled[inside + ".pyc"] = header + data
            self.origins.append(path)
        parents = [name.rpartition(".")[0]] if "." in name else []
        # What a package's own file imports late is a public name, which brings its module when it is asked for.
        deep = ours and not package
        return parents + list(_imported(tree, name if package else name.rpartition(".")[0], deep=deep))


def _imp_magic() -> bytes:
    from importlib.util import MAGIC_NUMBER

    return MAGIC_NUMBER


def _imported(tree: ast.AST, package: str, *, deep: bool) -> Iterator[str]:
    """Names that may be modules.  ``deep``: those that functions import too."""
    import ast

    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            for alias in node.names:
                yield f"{base}.{alias.name}"
        elif isinstance(node, ast.If) and _never(node.test):
            pending += node.orelse
        elif deep or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += ast.iter_child_nodes(node)


def _never(test: ast.expr) -> bool:
    """A condition that is false in a module that is imported."""
    import ast

    if isinstance(test, ast.Compare):
        return isinstance(test.left, ast.Name) and test.left.id == "__name__"
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _archive(compiled: dict[str, bytes]) -> bytes:
    """The same bytes for the same modules, and nothing packed: it is read by a start that shall be quick."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(compiled):
            archive.writestr(zipfile.ZipInfo(name, _DATE), compiled[name])
    return buffer.getvalue()


__all__ = ["ARCHIVE", "ENTRY", "FLAGS", "PROGRAM", "ROOTS", "START", "STARTER", "Contents", "File", "Python", "at",
           "gather", "here"]
