"""Names and meanings of the errors that Sidewall's calls can give, by numbering.

Knows: numbers, names, what they say.  Must not know: which call failed; what to do about it (``error_remedies``).
Imported when something failed and not before.  A test compares each number with win32metadata.
"""

from __future__ import annotations

from sidewall.platforms.windows.prototypes import FILTERING, HRESULT, NET, STATUS

TYPE_CHECKING = False
if TYPE_CHECKING:
    Names = dict[int, tuple[str, str]]

WIN32_ERRORS: Names = {
    1: ("ERROR_INVALID_FUNCTION", "the file system or device cannot do this"),
    2: ("ERROR_FILE_NOT_FOUND", "there is no such file"),
    3: ("ERROR_PATH_NOT_FOUND", "a directory of the path does not exist"),
    4: ("ERROR_TOO_MANY_OPEN_FILES", "too many files are open"),
    5: ("ERROR_ACCESS_DENIED", "access is denied"),
    6: ("ERROR_INVALID_HANDLE", "the handle is not valid"),
    8: ("ERROR_NOT_ENOUGH_MEMORY", "there is not enough memory"),
    11: ("ERROR_BAD_FORMAT", "the file is not a program"),
    13: ("ERROR_INVALID_DATA", "the data is not valid"),
    15: ("ERROR_INVALID_DRIVE", "there is no such drive"),
    17: ("ERROR_NOT_SAME_DEVICE", "the two paths are on different volumes"),
    18: ("ERROR_NO_MORE_FILES", "there are no more files"),
    19: ("ERROR_WRITE_PROTECT", "the medium is write-protected"),
    24: ("ERROR_BAD_LENGTH", "the length is wrong"),
    32: ("ERROR_SHARING_VIOLATION", "another program has the file open"),
    33: ("ERROR_LOCK_VIOLATION", "another program has locked the file"),
    38: ("ERROR_HANDLE_EOF", "the end is reached"),
    39: ("ERROR_HANDLE_DISK_FULL", "the disk is full"),
    50: ("ERROR_NOT_SUPPORTED", "this is not supported here"),
    53: ("ERROR_BAD_NETPATH", "the network path was not found"),
    58: ("ERROR_BAD_NET_RESP", "the server did not answer as it should"),
    67: ("ERROR_BAD_NET_NAME", "the network name was not found"),
    80: ("ERROR_FILE_EXISTS", "the file exists"),
    87: ("ERROR_INVALID_PARAMETER", "an argument is wrong"),
    109: ("ERROR_BROKEN_PIPE", "the other end of the pipe is closed"),
    112: ("ERROR_DISK_FULL", "the disk is full"),
    120: ("ERROR_CALL_NOT_IMPLEMENTED", "this Windows does not implement the call"),
    121: ("ERROR_SEM_TIMEOUT", "the time is over"),
    122: ("ERROR_INSUFFICIENT_BUFFER", "the buffer is too small"),
    123: ("ERROR_INVALID_NAME", "the name has characters that are not allowed"),
    124: ("ERROR_INVALID_LEVEL", "there is no such level of information"),
    126: ("ERROR_MOD_NOT_FOUND", "a DLL was not found"),
    127: ("ERROR_PROC_NOT_FOUND", "the DLL lacks a function"),
    145: ("ERROR_DIR_NOT_EMPTY", "the directory is not empty"),
    161: ("ERROR_BAD_PATHNAME", "the path is not valid"),
    170: ("ERROR_BUSY", "it is in use"),
    183: ("ERROR_ALREADY_EXISTS", "it exists already"),
    193: ("ERROR_BAD_EXE_FORMAT", "the file is not a program for this Windows"),
    203: ("ERROR_ENVVAR_NOT_FOUND", "there is no such environment variable"),
    206: ("ERROR_FILENAME_EXCED_RANGE", "the name or the command line is too long"),
    225: ("ERROR_VIRUS_INFECTED", "the virus scanner refuses the file"),
    230: ("ERROR_BAD_PIPE", "the pipe is in no state for this"),
    231: ("ERROR_PIPE_BUSY", "all instances of the pipe are in use"),
    232: ("ERROR_NO_DATA", "the pipe is being closed"),
    233: ("ERROR_PIPE_NOT_CONNECTED", "no process is at the other end of the pipe"),
    234: ("ERROR_MORE_DATA", "there is more data"),
    258: ("WAIT_TIMEOUT", "the time is over"),
    259: ("ERROR_NO_MORE_ITEMS", "there is nothing more"),
    267: ("ERROR_DIRECTORY", "the directory name is not valid"),
    298: ("ERROR_TOO_MANY_POSTS", "too many posts were made"),
    299: ("ERROR_PARTIAL_COPY", "only a part could be read or written"),
    448: ("ERROR_UNTRUSTED_MOUNT_POINT", "the path leads through a link that this process may not follow"),
    535: ("ERROR_PIPE_CONNECTED", "a client is at the other end already"),
    536: ("ERROR_PIPE_LISTENING", "no client is at the other end yet"),
    565: ("ERROR_TOO_MANY_THREADS", "too many threads"),
    740: ("ERROR_ELEVATION_REQUIRED", "the program asks for an administrator"),
    995: ("ERROR_OPERATION_ABORTED", "the operation was cancelled"),
    996: ("ERROR_IO_INCOMPLETE", "the operation is not over"),
    997: ("ERROR_IO_PENDING", "the operation is under way"),
    998: ("ERROR_NOACCESS", "an address is not valid"),
    1008: ("ERROR_NO_TOKEN", "the thread wears no token"),
    1054: ("ERROR_SERVICE_NO_THREAD", "the service could not start a thread"),
    1056: ("ERROR_SERVICE_ALREADY_RUNNING", "the service runs already"),
    1058: ("ERROR_SERVICE_DISABLED", "the service is disabled"),
    1060: ("ERROR_SERVICE_DOES_NOT_EXIST", "there is no such service"),
    1062: ("ERROR_SERVICE_NOT_ACTIVE", "the service does not run"),
    1114: ("ERROR_DLL_INIT_FAILED", "a DLL could not begin, often for want of a desktop or of rights to it"),
    1130: ("ERROR_NOT_ENOUGH_SERVER_MEMORY", "there is not enough memory"),
    1168: ("ERROR_NOT_FOUND", "it was not found"),
    1219: ("ERROR_SESSION_CREDENTIAL_CONFLICT", "there is a connection with other credentials"),
    1223: ("ERROR_CANCELLED", "the person said no"),
    1244: ("ERROR_NOT_AUTHENTICATED", "nobody is logged on for this"),
    1260: ("ERROR_ACCESS_DISABLED_BY_POLICY", "a policy of this machine forbids the program"),
    1300: ("ERROR_NOT_ALL_ASSIGNED", "the token lacks one of the privileges"),
    1305: ("ERROR_UNKNOWN_REVISION", "the descriptor's revision is not known"),
    1306: ("ERROR_REVISION_MISMATCH", "two revisions do not go together"),
    1307: ("ERROR_INVALID_OWNER", "the caller may not make this SID an owner"),
    1308: ("ERROR_INVALID_PRIMARY_GROUP", "the caller may not make this SID a primary group"),
    1309: ("ERROR_NO_IMPERSONATION_TOKEN", "an impersonation token is needed"),
    1312: ("ERROR_NO_SUCH_LOGON_SESSION", "the logon session is over"),
    1313: ("ERROR_NO_SUCH_PRIVILEGE", "there is no such privilege"),
    1314: ("ERROR_PRIVILEGE_NOT_HELD", "the caller lacks a privilege"),
    1315: ("ERROR_INVALID_ACCOUNT_NAME", "the account's name is not valid"),
    1316: ("ERROR_USER_EXISTS", "the account exists"),
    1317: ("ERROR_NO_SUCH_USER", "there is no such account"),
    1318: ("ERROR_GROUP_EXISTS", "the group exists"),
    1319: ("ERROR_NO_SUCH_GROUP", "there is no such group"),
    1322: ("ERROR_LAST_ADMIN", "it is the last administrator"),
    1323: ("ERROR_WRONG_PASSWORD", "the password is wrong"),
    1324: ("ERROR_ILL_FORMED_PASSWORD", "the password has characters that are not allowed"),
    1325: ("ERROR_PASSWORD_RESTRICTION", "the password is not as the policy of this machine wants it"),
    1326: ("ERROR_LOGON_FAILURE", "the account's name or password is wrong"),
    1327: ("ERROR_ACCOUNT_RESTRICTION", "a restriction of the account forbids the logon"),
    1328: ("ERROR_INVALID_LOGON_HOURS", "the account may not log on at this hour"),
    1329: ("ERROR_INVALID_WORKSTATION", "the account may not log on at this machine"),
    1330: ("ERROR_PASSWORD_EXPIRED", "the account's password has expired"),
    1331: ("ERROR_ACCOUNT_DISABLED", "the account is disabled"),
    1332: ("ERROR_NONE_MAPPED", "there is no account of this name or SID"),
    1336: ("ERROR_INVALID_ACL", "the access control list is not valid"),
    1337: ("ERROR_INVALID_SID", "the SID is not valid"),
    1338: ("ERROR_INVALID_SECURITY_DESCR", "the security descriptor is not valid"),
    1344: ("ERROR_ALLOTTED_SPACE_EXCEEDED", "no more room for security information"),
    1346: ("ERROR_BAD_IMPERSONATION_LEVEL", "the impersonation level does not allow this"),
    1349: ("ERROR_BAD_TOKEN_TYPE", "the token is of the wrong type"),
    1350: ("ERROR_NO_SECURITY_ON_OBJECT", "the file system keeps no security information"),
    1376: ("ERROR_NO_SUCH_ALIAS", "there is no such local group"),
    1377: ("ERROR_MEMBER_NOT_IN_ALIAS", "the account is not in the group"),
    1378: ("ERROR_MEMBER_IN_ALIAS", "the account is in the group already"),
    1379: ("ERROR_ALIAS_EXISTS", "the local group exists"),
    1385: ("ERROR_LOGON_TYPE_NOT_GRANTED", "a policy of this machine forbids the account this kind of logon"),
    1387: ("ERROR_NO_SUCH_MEMBER", "there is no account with this SID"),
    1388: ("ERROR_INVALID_MEMBER", "this kind of account cannot be a member"),
    1392: ("ERROR_FILE_CORRUPT", "the file or directory is damaged"),
    1400: ("ERROR_INVALID_WINDOW_HANDLE", "the window handle is not valid"),
    1450: ("ERROR_NO_SYSTEM_RESOURCES", "the system has no more resources"),
    1455: ("ERROR_COMMITMENT_LIMIT", "the page file is full"),
    1460: ("ERROR_TIMEOUT", "the time is over"),
    1722: ("RPC_S_SERVER_UNAVAILABLE", "the service behind the call does not run"),
    1753: ("EPT_S_NOT_REGISTERED", "the service behind the call does not listen"),
    1764: ("RPC_S_CANNOT_SUPPORT", "the service behind the call cannot do this"),
    1775: ("RPC_X_SS_IN_NULL_CONTEXT", "the handle of the service is null"),
    1783: ("RPC_X_BAD_STUB_DATA", "the service was sent wrong data"),
    1784: ("ERROR_INVALID_USER_BUFFER", "the buffer is not valid"),
    1788: ("ERROR_TRUSTED_DOMAIN_FAILURE", "the domain does not trust this machine"),
    1789: ("ERROR_TRUSTED_RELATIONSHIP_FAILURE", "the trust between machine and domain is broken"),
    1792: ("ERROR_NETLOGON_NOT_STARTED", "the net logon service does not run"),
    1793: ("ERROR_ACCOUNT_EXPIRED", "the account has expired"),
    1816: ("ERROR_NOT_ENOUGH_QUOTA", "a quota is used up"),
    1907: ("ERROR_PASSWORD_MUST_CHANGE", "the account's password must be changed first"),
    1909: ("ERROR_ACCOUNT_LOCKED_OUT", "the account is locked out"),
    1920: ("ERROR_CANT_ACCESS_FILE", "the file cannot be reached (an app-execution alias, or a link)"),
    4390: ("ERROR_NOT_A_REPARSE_POINT", "it is not a link"),
    4393: ("ERROR_REPARSE_TAG_INVALID", "the link is of a kind that is not valid"),
    4394: ("ERROR_REPARSE_TAG_MISMATCH", "the link is of another kind"),
    4551: ("ERROR_SYSTEM_INTEGRITY_POLICY_VIOLATION", "application control of this machine forbids the program"),
    0x8009000B: ("NTE_BAD_KEY_STATE", "the user's key is in no state for this"),
}  # fmt: skip

NET_ERRORS: Names = {
    2140: ("NERR_InternalError", "the service behind the call failed"),
    2202: ("NERR_BadUsername", "the account's name is not valid"),
    2220: ("NERR_GroupNotFound", "there is no such group"),
    2221: ("NERR_UserNotFound", "there is no such account"),
    2223: ("NERR_GroupExists", "the group exists"),
    2224: ("NERR_UserExists", "the account exists"),
    2226: ("NERR_NotPrimary", "only the domain's controller can do this"),
    2245: ("NERR_PasswordTooShort", "the password is not as the policy of this machine wants it"),
    2351: ("NERR_InvalidComputer", "the computer's name is not valid"),
}

STATUS_ERRORS: Names = {
    0xC0000002: ("STATUS_NOT_IMPLEMENTED", "this Windows does not implement the call"),
    0xC0000003: ("STATUS_INVALID_INFO_CLASS", "there is no such class of information"),
    0xC0000004: ("STATUS_INFO_LENGTH_MISMATCH", "the length is wrong"),
    0xC0000005: ("STATUS_ACCESS_VIOLATION", "the program used memory that is not its own"),
    0xC0000008: ("STATUS_INVALID_HANDLE", "the handle is not valid"),
    0xC000000D: ("STATUS_INVALID_PARAMETER", "an argument is wrong"),
    0xC000000F: ("STATUS_NO_SUCH_FILE", "there is no such file"),
    0xC0000022: ("STATUS_ACCESS_DENIED", "access is denied"),
    0xC0000023: ("STATUS_BUFFER_TOO_SMALL", "the buffer is too small"),
    0xC0000033: ("STATUS_OBJECT_NAME_INVALID", "the name is not valid"),
    0xC0000034: ("STATUS_OBJECT_NAME_NOT_FOUND", "there is nothing of this name"),
    0xC0000035: ("STATUS_OBJECT_NAME_COLLISION", "the name exists already"),
    0xC000003A: ("STATUS_OBJECT_PATH_NOT_FOUND", "a directory of the path does not exist"),
    0xC0000043: ("STATUS_SHARING_VIOLATION", "another program has the file open"),
    0xC0000056: ("STATUS_DELETE_PENDING", "the file is being deleted"),
    0xC0000060: ("STATUS_NO_SUCH_PRIVILEGE", "there is no such right"),
    0xC0000061: ("STATUS_PRIVILEGE_NOT_HELD", "the caller lacks a privilege"),
    0xC0000073: ("STATUS_NONE_MAPPED", "there is no account of this SID"),
    0xC000009A: ("STATUS_INSUFFICIENT_RESOURCES", "the system has no more resources"),
    0xC00000BA: ("STATUS_FILE_IS_A_DIRECTORY", "it is a directory"),
    0xC00000BB: ("STATUS_NOT_SUPPORTED", "this is not supported here"),
    0xC0000103: ("STATUS_NOT_A_DIRECTORY", "it is not a directory"),
    0xC0000135: ("STATUS_DLL_NOT_FOUND", "a library that the program needs was not found"),
    0xC0000139: ("STATUS_ENTRYPOINT_NOT_FOUND", "a library lacks a function that the program needs"),
    0xC0000142: ("STATUS_DLL_INIT_FAILED", "a library of the program did not start"),
    0xC000050B: ("STATUS_REPARSE_POINT_ENCOUNTERED", "there is a link in the path"),
    0x8000001A: ("STATUS_NO_MORE_ENTRIES", "there is nothing more"),
}

HRESULT_ERRORS: Names = {
    0x80004001: ("E_NOTIMPL", "this Windows does not implement the call"),
    0x80004005: ("E_FAIL", "no reason was given"),
    0x80070005: ("E_ACCESSDENIED", "access is denied"),
    0x80070006: ("E_HANDLE", "the handle is not valid"),
    0x8007000E: ("E_OUTOFMEMORY", "there is not enough memory"),
    0x80070057: ("E_INVALIDARG", "an argument is wrong"),
}

FILTERING_ERRORS: Names = {
    0x80320002: ("FWP_E_CONDITION_NOT_FOUND", "there is no such condition"),
    0x80320003: ("FWP_E_FILTER_NOT_FOUND", "there is no such filter"),
    0x80320004: ("FWP_E_LAYER_NOT_FOUND", "there is no such layer"),
    0x80320005: ("FWP_E_PROVIDER_NOT_FOUND", "there is no such provider"),
    0x80320007: ("FWP_E_SUBLAYER_NOT_FOUND", "there is no such sublayer"),
    0x80320008: ("FWP_E_NOT_FOUND", "it was not found"),
    0x80320009: ("FWP_E_ALREADY_EXISTS", "it exists already"),
    0x8032000A: ("FWP_E_IN_USE", "something still refers to it"),
    0x8032000B: ("FWP_E_DYNAMIC_SESSION_IN_PROGRESS", "the session is dynamic"),
    0x8032000D: ("FWP_E_NO_TXN_IN_PROGRESS", "no transaction is under way"),
    0x8032000E: ("FWP_E_TXN_IN_PROGRESS", "a transaction is under way"),
    0x8032000F: ("FWP_E_TXN_ABORTED", "the transaction was aborted"),
    0x80320011: ("FWP_E_INCOMPATIBLE_TXN", "the transaction is for reading only"),
    0x80320012: ("FWP_E_TIMEOUT", "another program has held the engine too long"),
    0x80320013: ("FWP_E_NET_EVENTS_DISABLED", "the engine collects no events"),
    0x80320017: ("FWP_E_BUILTIN_OBJECT", "it is a part of Windows"),
    0x8032001C: ("FWP_E_NULL_POINTER", "a pointer is null"),
    0x80320025: ("FWP_E_INVALID_WEIGHT", "the weight is not valid"),
    0x80320026: ("FWP_E_MATCH_TYPE_MISMATCH", "the field cannot be compared in this way"),
    0x80320027: ("FWP_E_TYPE_MISMATCH", "the value is of the wrong type"),
    0x80320028: ("FWP_E_OUT_OF_BOUNDS", "a value is out of bounds"),
    0x8032002A: ("FWP_E_DUPLICATE_CONDITION", "a condition stands there twice"),
    0x80320035: ("FWP_E_INVALID_PARAMETER", "an argument is wrong"),
}  # fmt: skip

UNSAID = ("", "Windows gave no reason")


def name_of(source: str, code: int) -> tuple[str, str]:
    """Name ('' for none) and meaning of an error.  HRESULTs that carry a Win32 number are named by it."""
    if code in (0, 0xFFFFFFFF):
        return UNSAID
    tables: dict[str, tuple[Names, ...]] = {
        NET: (NET_ERRORS, WIN32_ERRORS), STATUS: (STATUS_ERRORS,), HRESULT: (HRESULT_ERRORS,),
        FILTERING: (FILTERING_ERRORS, WIN32_ERRORS),
    }  # fmt: skip
    for table in tables.get(source, (WIN32_ERRORS,)):
        if code in table:
            return table[code]
    if source in (HRESULT, FILTERING) and code >> 16 == 0x8007 and code & 0xFFFF in WIN32_ERRORS:
        return WIN32_ERRORS[code & 0xFFFF]
    return "", _system_text(code)


def _system_text(code: int) -> str:
    """What Windows itself says, in the language of this machine."""
    import sys

    if sys.platform != "win32":
        return "no meaning is known here"
    import ctypes

    # It takes a signed number.
    return ctypes.FormatError(code - 2**32 if code >= 2**31 else code).strip() or "no meaning is known here"


__all__ = ["FILTERING_ERRORS", "HRESULT_ERRORS", "NET_ERRORS", "STATUS_ERRORS", "WIN32_ERRORS", "name_of"]
