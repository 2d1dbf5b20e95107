"""The questions of a proof: what could be done to a file or directory, and which rights each of that takes.

Knows: MS-FSA 2.1.5.1 (open, create), 2.1.5.15.7 (hard link), 2.1.5.15.12 (rename), the bits of a file; which guarantee
of the report a granted operation breaks.  Must not know: descriptors, tokens, who is granted what.

An operation is done when one of its *ways* is open.  A way is a set of needs: any bit of ``mask`` on the object itself,
on the directory that holds it, or (by name) on one of the directories above that a command may move away.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.record import Record

READ, LIST, WRITE, CREATE_FILE, CREATE_DIRECTORY = "read", "list", "write", "create file", "create directory"
ATTRIBUTES, DELETE, RENAME, REPLACE = "change attributes", "delete", "rename away", "rename over"
HARD_LINK, CHANGE_DACL, CHANGE_OWNER, MOVE_ABOVE = "hard link", "change DACL", "change owner", "move with its directory"
TURN = "turn into a link"

OBJECT, PARENT = "object", "parent"


class Need(Record):
    """Any one bit of ``mask`` on ``on``, which is the object or the directory that holds it."""

    on: str
    mask: int


class Operation(Record):
    """``ways``: each a tuple of needs that must all be met.  ``asks``: ``read`` or ``write``, what of the policy it is.

    ``typical`` is what programs open the object with when they do this; 0 where the object is not opened for it.
    ``metadata``: it changes what is known of a file, not what is in it.
    """

    name: str
    asks: str
    ways: tuple[tuple[Need, ...], ...]
    typical: int = 0
    metadata: bool = False


def _on(mask: int) -> tuple[Need, ...]:
    return (Need(on=OBJECT, mask=mask),)


_CONTENT = bits.FILE_WRITE_DATA | bits.FILE_APPEND_DATA
_ABOUT = bits.FILE_WRITE_EA | bits.FILE_WRITE_ATTRIBUTES
_GONE = (_on(bits.DELETE), (Need(on=PARENT, mask=bits.FILE_DELETE_CHILD),))
_OPENED = bits.FILE_READ_ATTRIBUTES | bits.SYNCHRONIZE

_BOTH = (
    Operation(name=ATTRIBUTES, asks="write", ways=(_on(_ABOUT),), typical=_ABOUT | _OPENED, metadata=True),
    Operation(name=DELETE, asks="write", ways=_GONE, typical=bits.DELETE | _OPENED),
    Operation(name=RENAME, asks="write", ways=_GONE, typical=bits.DELETE | _OPENED),
    Operation(name=CHANGE_DACL, asks="dacl", ways=(_on(bits.WRITE_DAC),)),
    Operation(name=CHANGE_OWNER, asks="dacl", ways=(_on(bits.WRITE_OWNER),)),
)
FILE_OPERATIONS = (
    Operation(name=READ, asks="read", ways=(_on(bits.FILE_READ_DATA | bits.FILE_READ_EA | bits.FILE_EXECUTE),),
              typical=bits.FILE_GENERIC_READ),
    Operation(name=WRITE, asks="write", ways=(_on(_CONTENT),), typical=bits.FILE_GENERIC_WRITE),
    *_BOTH,
    # What is renamed over it may lie beside it already, and then may need no right in the directory (not public).
    Operation(name=REPLACE, asks="write", ways=_GONE),
    Operation(name=HARD_LINK, asks="write", ways=(_on(bits.FILE_WRITE_ATTRIBUTES),), metadata=True),
)
DIRECTORY_OPERATIONS = (
    Operation(name=LIST, asks="read", ways=(_on(bits.FILE_LIST_DIRECTORY | bits.FILE_READ_EA),),
              typical=bits.FILE_GENERIC_READ),
    *_BOTH,
)
CREATIONS = (
    Operation(name=CREATE_FILE, asks="write", ways=(_on(bits.FILE_ADD_FILE),), typical=bits.FILE_ADD_FILE | _OPENED),
    Operation(name=CREATE_DIRECTORY, asks="write", ways=(_on(bits.FILE_ADD_SUBDIRECTORY),),
              typical=bits.FILE_ADD_SUBDIRECTORY | _OPENED),
)
"""Asked of a directory about a name that is not in it."""

NEW_NAME = "sidewall-new-file"
"""A name that no rule speaks of, unless it speaks of its whole directory."""


EMPTY = Operation(name=TURN, asks="write", ways=(_on(bits.FILE_WRITE_DATA | bits.FILE_WRITE_ATTRIBUTES),))
"""An empty directory can be made a reparse point, and lead elsewhere (MS-FSA 2.1.5.10.37)."""
LINK_OPERATIONS = _BOTH
"""Of a reparse point that leads elsewhere: what is read and written through it is asked about where that lies."""


def operations(container: bool, leading: bool = False, empty: bool = False) -> tuple[Operation, ...]:
    """What is asked about an object that exists; ``leading``: it leads elsewhere; ``empty``: nothing is known in it."""
    if leading:
        return LINK_OPERATIONS
    if not container:
        return FILE_OPERATIONS
    return (*DIRECTORY_OPERATIONS, EMPTY) if empty else DIRECTORY_OPERATIONS


def named(name: str, *, container: bool) -> Operation:
    """The operation of this name on a file or directory that exists.  Raises KeyError for one that is none."""
    return {each.name: each for each in operations(container)}[name]


def open_ways(operation: Operation, own: int, above: int) -> tuple[Need, ...]:
    """The needs of the first way that is open, given the possible bits of the object and of its directory; () if none.

    Bits of the object that only the directory gives (FILE_READ_ATTRIBUTES by listing) open no way that counts here.
    """
    for way in operation.ways:
        if all((own if need.on == OBJECT else above) & need.mask for need in way):
            return way
    return ()


UNSETTLED_LINK = (
    "whether a hard link takes any right on the file is not public: if it takes none, a command can give every file of "
    "the volume one more name in the workspace, which changes the file's link count and nothing else"
)
