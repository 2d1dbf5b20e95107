"""Frozen records: immutable, hashable, compared by value, cheap to import.

Knows: how a class of annotated fields becomes a value.  Must not know: any field's meaning.

The command line must reach the child process within a few milliseconds, and ``dataclasses`` alone costs more than
the whole start of a bare interpreter (it imports ``inspect`` and ``re``).  Type checkers see PEP 681's
``dataclass_transform``; at run time the class is built from its own annotations and nothing is imported.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda cls: cls


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Base of every value: keyword-only fields, defaults from the class body, no assignment after creation.

    Fields are the annotations of the class and of its bases, in order of definition.  A record is hashable when its
    fields are, so fields hold tuples, strings, numbers and records, never lists or dictionaries.

    Raises:
        TypeError: on creation, for a missing or an unknown field.
        AttributeError: on assignment or deletion.
    """

    __fields__: ClassVar[tuple[str, ...]] = ()
    __required__: ClassVar[frozenset[str]] = frozenset()
    __defaults__: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        own = [name for name in cls.__annotations__ if not name.startswith("__")]
        inherited = [name for name in cls.__fields__ if name not in own]
        cls.__fields__ = (*inherited, *own)
        cls.__required__ = frozenset([name for name in cls.__fields__ if not hasattr(cls, name)])
        cls.__defaults__ = {name: getattr(cls, name) for name in cls.__fields__ if hasattr(cls, name)}

    def __init__(self, **values: Any) -> None:
        fields = self.__dict__
        fields.update(self.__defaults__)
        fields.update(values)
        # Hundreds are made for each cell: names are only compared where the numbers do not tell.
        if len(fields) != len(self.__fields__) or not self.__required__ <= values.keys():
            for name in self.__fields__:
                if name not in fields:
                    raise TypeError(f"{type(self).__name__}: missing field {name!r}")
            unknown = sorted(set(fields) - set(self.__fields__))
            raise TypeError(f"{type(self).__name__}: unknown field {unknown[0]!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot assign {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: cannot delete {name!r}")

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self).__name__, *[self.__dict__[name] for name in self.__fields__]))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={self.__dict__[name]!r}" for name in self.__fields__)
        return f"{type(self).__name__}({inner})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), dict(self.__dict__)))

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed.  Raises TypeError for an unknown field."""
        return type(self)(**{**self.__dict__, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and scalars: the shape that JSON printers want."""
        return {name: _plain(self.__dict__[name]) for name in self.__fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, (tuple, list, frozenset)):
        return [_plain(item) for item in value]
    return value


def _rebuild(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)
