"""Which environment variables reach a command, and with what values.

Knows: the harmless names (``core``), what a secret looks like, the user's own patterns.  Must not know: a process.

In ``core`` is what programs need to find themselves and to print well.  Not in it is what leads to a service of the
host (``SSH_AUTH_SOCK``, ``DBUS_*``, ``XDG_RUNTIME_DIR``, ``DISPLAY``, ``WAYLAND_DISPLAY``), what loads code
(``LD_*``, ``PYTHONPATH``, ``NODE_OPTIONS``, ``BASH_ENV``) and what makes git run programs (``GIT_SSH_COMMAND``).
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import globs
from sidewall.policy.paths import POSIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import AnyStr

    from sidewall.policy.model import Environ

INHERIT = ("none", "core", "all")

_CORE_NAMES = (
    # who and where
    "PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR EDITOR VISUAL PAGER MANPATH INFOPATH "
    # terminals and colours
    "TERM TERMINFO TERMINFO_DIRS COLORTERM COLUMNS LINES NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE LS_COLORS LESS "
    # people and times in commits
    "GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL GIT_COMMITTER_DATE "
    "EMAIL SOURCE_DATE_EPOCH "
    # builds and tests
    "CI GITHUB_ACTIONS GITLAB_CI DEBIAN_FRONTEND NODE_ENV RUST_BACKTRACE RUST_LOG CARGO_TERM_COLOR "
    "PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE PYTHONIOENCODING PYTHONUTF8 PYTHONHASHSEED PYTHONWARNINGS "
    "PYTHONFAULTHANDLER PYTHONSAFEPATH PY_COLORS PIP_NO_INPUT PIP_DISABLE_PIP_VERSION_CHECK "
    # where tool chains were installed
    "VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV CARGO_HOME RUSTUP_HOME RUSTUP_TOOLCHAIN GOPATH GOROOT GOTOOLCHAIN "
    "JAVA_HOME NVM_DIR NVM_BIN FNM_DIR VOLTA_HOME PNPM_HOME BUN_INSTALL DENO_DIR PYENV_ROOT PYENV_VERSION RBENV_ROOT "
    "RBENV_VERSION GEM_HOME ASDF_DIR ASDF_DATA_DIR SDKMAN_DIR DOTNET_ROOT ANDROID_HOME "
    "XDG_DATA_DIRS XDG_CONFIG_DIRS XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME "
    "NIX_PATH NIX_PROFILES LOCALE_ARCHIVE "
    # certificates that are trusted, which are public
    "SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS NIX_SSL_CERT_FILE"
)
CORE = frozenset(_CORE_NAMES.split())

_WINDOWS_NAMES = (
    # without these .NET, PowerShell and the C run-time do not start
    "PATHEXT SYSTEMROOT WINDIR SYSTEMDRIVE COMSPEC TEMP TMP USERPROFILE HOMEDRIVE HOMEPATH APPDATA LOCALAPPDATA "
    "PROGRAMDATA ALLUSERSPROFILE PUBLIC PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 COMMONPROGRAMFILES "
    "COMMONPROGRAMFILES(X86) COMMONPROGRAMW6432 USERNAME USERDOMAIN COMPUTERNAME NUMBER_OF_PROCESSORS OS "
    "PROCESSOR_ARCHITECTURE PROCESSOR_IDENTIFIER PROCESSOR_LEVEL PROCESSOR_REVISION"
)
CORE_WINDOWS = CORE | frozenset(_WINDOWS_NAMES.split())

_SECRET_WORDS = (
    "KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIAL", "COOKIE", "BEARER", "WEBHOOK",
    "CONNECTION_STRING", "DATABASE_URL", "PRIVATE",
)
_SECRET_ENDS = ("PASS", "_PWD", "_PAT", "_DSN", "_JWT", "_SAS", "_CREDS", "_PIN", "_OTP")
_HARMLESS = frozenset(("TOKENIZERS_PARALLELISM", "KEYBOARD_LAYOUT"))


def looks_secret(name: str) -> bool:
    """Whether a variable of this name is likely to hold a credential; case does not matter."""
    upper = name.upper()
    if upper in _HARMLESS:
        return False
    for word in _SECRET_WORDS:
        if word in upper:
            return True
    return upper.endswith(_SECRET_ENDS) or _has_auth(upper)


def filter_environ(environ: Environ, variables: Mapping[AnyStr, AnyStr], flavour: str = POSIX) -> dict[AnyStr, AnyStr]:
    """The variables that reach a command: those inherited, without what looks like a secret, with those allowed, set
    and not denied.  Names and values are all text or all bytes (UTF-8, undecodable bytes kept); so is the answer.

    A denied name is absent even when it is allowed or set.  On Windows names compare without regard to case.
    Raises PolicyError for an ``inherit`` that does not exist and for a pattern that cannot be read.
    """
    if environ.inherit not in INHERIT:
        raise PolicyError(f"environment: {environ.inherit!r} cannot be inherited", hint="Use none, core or all.")
    fold = _same if flavour == POSIX else _upper
    allow = tuple([fold(pattern) for pattern in environ.allow])
    deny = tuple([fold(pattern) for pattern in environ.deny])
    core = CORE if flavour == POSIX else CORE_WINDOWS
    kept: dict[AnyStr, AnyStr] = {}
    for raw, value in variables.items():
        name = raw if isinstance(raw, str) else raw.decode("utf-8", "surrogateescape")
        folded = fold(name)
        if deny and named(folded, deny):
            continue
        if (allow and named(folded, allow)) or _inherited(environ.inherit, core, folded, value):
            kept[raw] = value
    wants_bytes = any(isinstance(raw, bytes) for raw in variables)
    for name, text in environ.set:
        if not named(fold(name), deny):
            if flavour != POSIX:
                for other in [raw for raw in kept if _text(raw).upper() == name.upper()]:
                    del kept[other]
            _put(kept, name, text, wants_bytes)
    return kept


def named(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns (globs on names) matches the name.  Raises PolicyError."""
    return any(pattern == name or globs.matches_name(pattern, name) for pattern in patterns)


def _inherited(inherit: str, core: frozenset[str], name: str, value: str | bytes) -> bool:
    if inherit == "core":
        return (name in core or (name.startswith("LC_") and not looks_secret(name))) and not _holds_password(value)
    return inherit == "all" and not looks_secret(name) and not _holds_password(value)


def _has_auth(upper: str) -> bool:
    """AUTH as in AUTHORIZATION or NPM_AUTH, but not as in GIT_AUTHOR_NAME."""
    at = upper.find("AUTH")
    while at >= 0:
        after = upper[at + 4 :]
        if not (after.startswith("OR") and after[2:3] in ("", "_", "S")):
            return True
        at = upper.find("AUTH", at + 4)
    return False


def _holds_password(value: str | bytes) -> bool:
    """Whether the value is a URL with a user and a password in it, as proxies and package indexes have."""
    text = _text(value)
    _, mark, rest = text.partition("://")
    while mark:
        user, at, _ = rest.partition("/")[0].rpartition("@")
        if at and ":" in user:
            return True
        _, mark, rest = rest.partition("://")
    return False


def _put(kept: dict[AnyStr, AnyStr], name: str, value: str, wants_bytes: bool) -> None:
    store: dict[object, object] = kept  # type: ignore[assignment]  # one of the two, as the caller's mapping is
    if wants_bytes:
        store[name.encode("utf-8", "surrogateescape")] = value.encode("utf-8", "surrogateescape")
    else:
        store[name] = value


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def _same(name: str) -> str:
    return name


def _upper(name: str) -> str:
    return name.upper()
