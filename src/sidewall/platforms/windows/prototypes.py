"""C prototypes of the Win32 reference as data: one text a DLL, read when a function is first used.

    BOOL OpenProcessToken(HANDLE ProcessHandle, FLAGS DesiredAccess, HANDLE* TokenHandle);

Knows: how such a text is read; what each word for a result says about failure.  Must not know: ctypes, any DLL, what a
function is good for.  Parameter names are Microsoft's (win32metadata), since an error speaks in them.

Words for parameters are C's own (DWORD, HANDLE, PWSTR ...), a trailing ``*`` a pointer.  Two words say more than the
type: ``FLAGS`` is a DWORD that an error shows in hexadecimal, ``SECRET`` a PWSTR that no error ever shows.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LAST, WIN32, NET, STATUS, HRESULT, FILTERING = "GetLastError", "Win32", "Net", "NTSTATUS", "HRESULT", "WFP"
"""Where the number of an error comes from: the thread's last error, or the result itself, in five numberings."""

INVALID_HANDLE = 2**64 - 1
"""INVALID_HANDLE_VALUE as a pointer; ctypes gives NULL as None."""

WAIT_FAILED = 0xFFFFFFFF
"""WAIT_FAILED, INVALID_FILE_ATTRIBUTES, and what ResumeThread gives on failure."""

RESULTS: dict[str, tuple[str, Callable[[int | None], bool]] | None] = {
    "BOOL": (LAST, lambda result: not result),
    "COUNT": (LAST, lambda result: not result),  # DWORD: a length, 0 on failure
    "HANDLE": (LAST, lambda result: not result),
    "HWINSTA": (LAST, lambda result: not result),
    "HDESK": (LAST, lambda result: not result),
    "FILE_HANDLE": (LAST, lambda result: result in (None, INVALID_HANDLE)),  # HANDLE: INVALID_HANDLE_VALUE
    "ATTRIBUTES": (LAST, lambda result: result == WAIT_FAILED),  # DWORD: INVALID_FILE_ATTRIBUTES
    "WAIT": (LAST, lambda result: result == WAIT_FAILED),  # DWORD
    "WIN32_ERROR": (WIN32, bool),
    "NET_API_STATUS": (NET, bool),
    "FWP_STATUS": (FILTERING, bool),  # DWORD: a Win32 error or an HRESULT of the filtering platform
    "NTSTATUS": (STATUS, lambda result: result is not None and result < 0),
    "HRESULT": (HRESULT, lambda result: result is not None and result < 0),
    "NULLABLE_HANDLE": None,  # HANDLE that may be none
    "ANSWER": None,  # BOOL that is an answer
    "VOID": None,
    "DWORD": None,
    "HLOCAL": None,  # NULL when memory was freed
}
"""Word for a result: where its error comes from and whether a result is one; None where nothing can fail."""


class Parameter:
    """One parameter: ``word`` is its type, ``stars`` how many pointers stand before it, ``name`` is Microsoft's."""

    __slots__ = ("name", "stars", "word")

    def __init__(self, word: str, stars: int, name: str) -> None:
        self.word = word
        self.stars = stars
        self.name = name


class Prototype:
    """One function: its name, the word for its result, its parameters in order."""

    __slots__ = ("name", "parameters", "result")

    def __init__(self, name: str, result: str, parameters: tuple[Parameter, ...]) -> None:
        self.name = name
        self.result = result
        self.parameters = parameters


def statements(text: str) -> dict[str, str]:
    """The statements of a text, by the name of the function; none is read yet."""
    found: dict[str, str] = {}
    for statement in text.split(";"):
        head, parenthesis, _ = statement.partition("(")
        if parenthesis:
            found[head.split()[-1]] = statement
    return found


def read(statement: str) -> Prototype:
    """Reads one statement.  Raises KeyError for a result that no word of ``RESULTS`` names."""
    head, _, tail = statement.partition("(")
    result, name = head.split()
    if result not in RESULTS:
        raise KeyError(f"{name}: unknown word for a result: {result}")
    listed = [item.split() for item in tail.rpartition(")")[0].split(",")]
    parameters = [Parameter(word.rstrip("*"), word.count("*"), own) for word, own in [item for item in listed if item]]
    return Prototype(name, result, tuple(parameters))


HUNGARIAN = frozenset(
    "lp lpsz lpdw lpcch lpcb lpn lpv p ph pp psz ppsz ppsid psid pe pv dw h hp b c f n u w sz".split()
)
COUNTS = frozenset({"cb", "cch"})


def meaning(name: str) -> str:
    """What a parameter's name says without its Hungarian prefix: ``lpszUserName`` is ``user name``."""
    words: list[str] = []
    for index, letter in enumerate(name):
        within = index > 0 and name[index - 1].isupper() and not name[index + 1 : index + 2].islower()
        if not words or (letter.isupper() and not within):
            words.append(letter)
        else:
            words[-1] += letter
    if len(words) > 1 and words[0] in HUNGARIAN:
        words = words[1:]
    elif len(words) > 1 and words[0] in COUNTS:
        words[0] = "length of"
    return " ".join([word if word.isupper() and len(word) > 1 else word.lower() for word in words])


__all__ = ["FILTERING", "HRESULT", "INVALID_HANDLE", "LAST", "NET", "RESULTS", "STATUS", "WIN32", "Parameter",
           "Prototype", "meaning", "read", "statements"]
