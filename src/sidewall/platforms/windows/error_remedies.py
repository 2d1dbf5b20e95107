"""One remedy for an error of Windows, by call and name.

Knows: what a person can do.  Must not know: ctypes, how an error is shown.  Imported when something failed.
"""

from __future__ import annotations

LOGON = ("LogonUserW", "CreateProcessWithLogonW")
FILES = ("CreateFileW", "NtCreateFile", "CreateDirectoryW", "MoveFileExW", "DeleteFileW", "RemoveDirectoryW",
         "SetFileInformationByHandle", "GetLongPathNameW")
STARTS = ("CreateProcessW", "CreateProcessAsUserW", "CreateProcessWithLogonW")
DESCRIPTORS = ("SetKernelObjectSecurity", "SetSecurityInfo", "SetNamedSecurityInfoW")

_ADMINISTRATOR = "run `sidewall setup` again and say yes to the prompt for an administrator"
_REPAIR = "run `sidewall setup`, which repairs the sandbox accounts"

BY_CALL: tuple[tuple[tuple[str, ...], dict[str, str]], ...] = (
    (LOGON, {
        "ERROR_LOGON_FAILURE": "the sandbox account's password was changed elsewhere: " + _REPAIR,
        "ERROR_ACCOUNT_DISABLED": "somebody disabled the sandbox account: " + _REPAIR,
        "ERROR_ACCOUNT_LOCKED_OUT": "wait until this machine's lock-out is over, or run `sidewall setup`; "
                                    "it is not tried again by itself",
        "ERROR_PASSWORD_EXPIRED": _REPAIR,
        "ERROR_PASSWORD_MUST_CHANGE": _REPAIR,
        "ERROR_ACCOUNT_EXPIRED": _REPAIR,
        "ERROR_LOGON_TYPE_NOT_GRANTED": "a policy lacks \"Allow log on locally\" for the sandbox accounts: ask whoever "
                                        "manages this machine, or use --tier token",
        "ERROR_ACCOUNT_RESTRICTION": "a policy of this machine restricts local accounts: ask whoever manages it",
        "ERROR_SERVICE_DISABLED": "start the service \"Secondary Logon\" (seclogon), or use --tier token",
        "ERROR_SERVICE_NOT_ACTIVE": "start the service \"Secondary Logon\" (seclogon), or use --tier token",
        "ERROR_ACCESS_DENIED": "start Sidewall outside other sandboxes and service accounts, or use --tier token",
        "": "start the service \"Secondary Logon\" (seclogon), or use --tier token",
    }),
    (STARTS, {
        "ERROR_FILE_NOT_FOUND": "check the program's name and PATH",
        "ERROR_PATH_NOT_FOUND": "check the program's path and the working directory",
        "ERROR_DIRECTORY": "check that the working directory exists and that the policy lets the command read it",
        "ERROR_ACCESS_DENIED": "check that the policy lets the command read the program",
        "ERROR_BAD_EXE_FORMAT": "name an interpreter before a script, for instance `python script.py`",
        "ERROR_ELEVATION_REQUIRED": "the program needs an administrator, which a sandboxed command never is",
        "ERROR_PRIVILEGE_NOT_HELD": "this user may not start processes with another token: use --tier token",
        "ERROR_FILENAME_EXCED_RANGE": "pass the arguments in a file",
        "ERROR_CANT_ACCESS_FILE": "name the real program and not its app-execution alias",
        "ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION": "ask whoever manages this machine to allow the program",
        "ERROR_ACCESS_DISABLED_BY_POLICY": "ask whoever manages this machine to allow the program",
        "ERROR_DLL_INIT_FAILED": "run `sidewall doctor`: the command may not reach its desktop",
    }),
    (DESCRIPTORS, {
        "ERROR_ACCESS_DENIED": "this user may not change the permissions there: choose a workspace that is yours, or "
                               "let its owner run `icacls PATH /grant YOU:(WDAC)`",
        "ERROR_INVALID_FUNCTION": "choose a workspace on NTFS or ReFS: this file system keeps no permissions",
        "ERROR_NOT_SUPPORTED": "choose a workspace on NTFS or ReFS: this file system keeps no permissions",
        "ERROR_INVALID_OWNER": _ADMINISTRATOR,
    }),
    (FILES, {
        "ERROR_SHARING_VIOLATION": "close the program that has it open and try again",
        "ERROR_ACCESS_DENIED": "check who owns the file: `icacls PATH` shows who may do what",
        "STATUS_ACCESS_DENIED": "check who owns the file: `icacls PATH` shows who may do what",
        "STATUS_REPARSE_POINT_ENCOUNTERED": "name the real directory and not a link",
        "ERROR_UNTRUSTED_MOUNT_POINT": "name the real directory and not a link",
        "ERROR_FILENAME_EXCED_RANGE": "choose a shorter path",
    }),
    (("ShellExecuteExW",), {
        "ERROR_CANCELLED": "say yes to the prompt for an administrator, or use --tier token",
        "ERROR_ACCESS_DISABLED_BY_POLICY": "ask whoever manages this machine to run `sidewall setup --for-user`",
    }),
    (("CryptUnprotectData",), {
        "": _REPAIR, "ERROR_INVALID_DATA": _REPAIR, "NTE_BAD_KEY_STATE": _REPAIR,
    }),
)  # fmt: skip

BY_NAME = {
    "ERROR_PRIVILEGE_NOT_HELD": _ADMINISTRATOR,
    "STATUS_PRIVILEGE_NOT_HELD": _ADMINISTRATOR,
    "STATUS_ACCESS_DENIED": _ADMINISTRATOR,
    "ERROR_ACCESS_DENIED": _ADMINISTRATOR,
    "ERROR_PASSWORD_RESTRICTION": "a policy of this machine asks for another kind of password: ask whoever manages it",
    "NERR_PasswordTooShort": "a policy of this machine asks for another kind of password: ask whoever manages it",
    "NERR_UserNotFound": _REPAIR,
    "NERR_GroupNotFound": _REPAIR,
    "ERROR_NO_SUCH_ALIAS": _REPAIR,
    "ERROR_NONE_MAPPED": _REPAIR,
    "NERR_NotPrimary": "local accounts cannot be made on a domain controller: use --tier token",
    "RPC_S_SERVER_UNAVAILABLE": "start the services \"Base Filtering Engine\" (BFE) and \"Server\" (LanmanServer)",
    "EPT_S_NOT_REGISTERED": "start the service \"Base Filtering Engine\" (BFE)",
    "RPC_S_CANNOT_SUPPORT": "this Windows has no filtering platform: the network cannot be confined here",
    "FWP_E_TIMEOUT": "another firewall program holds the engine: try again",
    "ERROR_NOT_ENOUGH_MEMORY": "close other programs and try again",
    "ERROR_NO_SYSTEM_RESOURCES": "close other programs and try again",
    "ERROR_COMMITMENT_LIMIT": "close other programs and try again",
    "ERROR_DISK_FULL": "free some room on the disk",
    "ERROR_HANDLE_DISK_FULL": "free some room on the disk",
    "ERROR_CALL_NOT_IMPLEMENTED": "Windows 10 version 1809 or later is needed",
    "E_NOTIMPL": "Windows 10 version 1809 or later is needed",
    "STATUS_NOT_IMPLEMENTED": "Windows 10 version 1809 or later is needed",
}

LAST_RESORT = "run `sidewall doctor`, which says what this machine can do"


def remedy(call: str, name: str) -> str:
    """What to do about an error; ``name`` is '' for one without a name."""
    for calls, known in BY_CALL:
        if call in calls and name in known:
            return known[name]
    return BY_NAME.get(name, LAST_RESORT)


__all__ = ["BY_CALL", "BY_NAME", "LAST_RESORT", "remedy"]
