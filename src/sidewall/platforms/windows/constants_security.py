"""Numbers of ``winnt.h``, ``ntsecapi.h`` and ``accctrl.h`` for tokens, descriptors, policies and accounts.

Knows: names and numbers.  Must not know: any function.  Masks of objects are in ``nt.mask``, attributes of groups in
``nt.token``.  A test compares each with win32metadata.
"""

TOKEN_ASSIGN_PRIMARY = 0x1
TOKEN_DUPLICATE = 0x2
TOKEN_IMPERSONATE = 0x4
TOKEN_QUERY = 0x8
TOKEN_ADJUST_PRIVILEGES = 0x20
TOKEN_ADJUST_GROUPS = 0x40
TOKEN_ADJUST_DEFAULT = 0x80
TOKEN_ADJUST_SESSIONID = 0x100
TOKEN_ALL_ACCESS = 0xF01FF

TokenUser = 1
TokenGroups = 2
TokenPrivileges = 3
TokenOwner = 4
TokenPrimaryGroup = 5
TokenDefaultDacl = 6
TokenType = 8
TokenImpersonationLevel = 9
TokenStatistics = 10
TokenRestrictedSids = 11
TokenSessionId = 12
TokenSandBoxInert = 15
TokenElevationType = 18
TokenLinkedToken = 19
TokenElevation = 20
TokenHasRestrictions = 21
TokenIntegrityLevel = 25
TokenMandatoryPolicy = 27
TokenLogonSid = 28
TokenIsAppContainer = 29
TokenIsRestricted = 40

TokenPrimary = 1
TokenImpersonation = 2
SecurityAnonymous = 0
SecurityIdentification = 1
SecurityImpersonation = 2

TokenElevationTypeDefault = 1
TokenElevationTypeFull = 2
TokenElevationTypeLimited = 3

DISABLE_MAX_PRIVILEGE = 0x1
SANDBOX_INERT = 0x2
LUA_TOKEN = 0x4
WRITE_RESTRICTED = 0x8

SE_PRIVILEGE_ENABLED_BY_DEFAULT = 0x1
SE_PRIVILEGE_ENABLED = 0x2
SE_PRIVILEGE_REMOVED = 0x4

OWNER_SECURITY_INFORMATION = 0x1
GROUP_SECURITY_INFORMATION = 0x2
DACL_SECURITY_INFORMATION = 0x4
SACL_SECURITY_INFORMATION = 0x8
LABEL_SECURITY_INFORMATION = 0x10
PROTECTED_DACL_SECURITY_INFORMATION = 0x80000000
UNPROTECTED_DACL_SECURITY_INFORMATION = 0x20000000

SE_FILE_OBJECT = 1
SE_SERVICE = 2
SE_REGISTRY_KEY = 4
SE_KERNEL_OBJECT = 6
SE_WINDOW_OBJECT = 7

SDDL_REVISION_1 = 1

LOGON32_LOGON_INTERACTIVE = 2
LOGON32_LOGON_NETWORK = 3
LOGON32_LOGON_BATCH = 4
LOGON32_PROVIDER_DEFAULT = 0

SidTypeUser = 1
SidTypeGroup = 2
SidTypeDomain = 3
SidTypeAlias = 4
SidTypeWellKnownGroup = 5
SidTypeDeletedAccount = 6
SidTypeInvalid = 7
SidTypeUnknown = 8
SidTypeComputer = 9

POLICY_VIEW_LOCAL_INFORMATION = 0x1
POLICY_CREATE_ACCOUNT = 0x10
POLICY_LOOKUP_NAMES = 0x800

UF_SCRIPT = 0x1
UF_ACCOUNTDISABLE = 0x2
UF_LOCKOUT = 0x10
UF_PASSWD_NOTREQD = 0x20
UF_PASSWD_CANT_CHANGE = 0x40
UF_NORMAL_ACCOUNT = 0x200
UF_DONT_EXPIRE_PASSWD = 0x10000
UF_SMARTCARD_REQUIRED = 0x40000
UF_PASSWORD_EXPIRED = 0x800000
USER_PRIV_USER = 1
FILTER_NORMAL_ACCOUNT = 0x2
LG_INCLUDE_INDIRECT = 0x1
MAX_PREFERRED_LENGTH = 0xFFFFFFFF
TIMEQ_FOREVER = 0xFFFFFFFF

PI_NOUI = 1

CRYPTPROTECT_UI_FORBIDDEN = 0x1
CRYPTPROTECT_LOCAL_MACHINE = 0x4

UOI_FLAGS = 1
UOI_NAME = 2
UOI_TYPE = 3
UOI_USER_SID = 4
WSF_VISIBLE = 0x1
CWF_CREATE_ONLY = 0x1
