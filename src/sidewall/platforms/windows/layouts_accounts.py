"""Structures of accounts, profiles and protected data, as ``lmaccess.h``, ``profinfo.h`` and ``dpapi.h`` have them.

Knows: fields, in order, with types of fixed width.  Must not know: any function.  Strings are plain pointers: whoever
fills one in keeps the text alive, whoever reads one copies it before the memory is freed.
"""

from __future__ import annotations

from ctypes import POINTER as pointer_to
from ctypes import Structure, c_uint8, c_uint32, c_void_p


class USER_INFO_1(Structure):
    """A new account."""

    _fields_ = [
        ("usri1_name", c_void_p), ("usri1_password", c_void_p), ("usri1_password_age", c_uint32),
        ("usri1_priv", c_uint32), ("usri1_home_dir", c_void_p), ("usri1_comment", c_void_p), ("usri1_flags", c_uint32),
        ("usri1_script_path", c_void_p),
    ]


class USER_INFO_4(Structure):
    """All that is known of an account."""

    _fields_ = [
        ("usri4_name", c_void_p), ("usri4_password", c_void_p), ("usri4_password_age", c_uint32),
        ("usri4_priv", c_uint32), ("usri4_home_dir", c_void_p), ("usri4_comment", c_void_p), ("usri4_flags", c_uint32),
        ("usri4_script_path", c_void_p), ("usri4_auth_flags", c_uint32), ("usri4_full_name", c_void_p),
        ("usri4_usr_comment", c_void_p), ("usri4_parms", c_void_p), ("usri4_workstations", c_void_p),
        ("usri4_last_logon", c_uint32), ("usri4_last_logoff", c_uint32), ("usri4_acct_expires", c_uint32),
        ("usri4_max_storage", c_uint32), ("usri4_units_per_week", c_uint32), ("usri4_logon_hours", pointer_to(c_uint8)),
        ("usri4_bad_pw_count", c_uint32), ("usri4_num_logons", c_uint32), ("usri4_logon_server", c_void_p),
        ("usri4_country_code", c_uint32), ("usri4_code_page", c_uint32), ("usri4_user_sid", c_void_p),
        ("usri4_primary_group_id", c_uint32), ("usri4_profile", c_void_p), ("usri4_home_dir_drive", c_void_p),
        ("usri4_password_expired", c_uint32),
    ]


class USER_INFO_1003(Structure):
    """A new password."""

    _fields_ = [("usri1003_password", c_void_p)]


class USER_INFO_1007(Structure):
    """A new comment."""

    _fields_ = [("usri1007_comment", c_void_p)]


class USER_INFO_1008(Structure):
    """New flags."""

    _fields_ = [("usri1008_flags", c_uint32)]


class USER_INFO_1011(Structure):
    """A new full name."""

    _fields_ = [("usri1011_full_name", c_void_p)]


class USER_MODALS_INFO_0(Structure):
    """What this machine asks of passwords; ages in seconds."""

    _fields_ = [
        ("usrmod0_min_passwd_len", c_uint32), ("usrmod0_max_passwd_age", c_uint32),
        ("usrmod0_min_passwd_age", c_uint32),
        ("usrmod0_force_logoff", c_uint32), ("usrmod0_password_hist_len", c_uint32),
    ]


class USER_MODALS_INFO_3(Structure):
    """When this machine locks an account; times in seconds."""

    _fields_ = [
        ("usrmod3_lockout_duration", c_uint32), ("usrmod3_lockout_observation_window", c_uint32),
        ("usrmod3_lockout_threshold", c_uint32),
    ]


class LOCALGROUP_INFO_1(Structure):
    """A local group."""

    _fields_ = [("lgrpi1_name", c_void_p), ("lgrpi1_comment", c_void_p)]


class LOCALGROUP_MEMBERS_INFO_0(Structure):
    """One member of a local group."""

    _fields_ = [("lgrmi0_sid", c_void_p)]


class LOCALGROUP_USERS_INFO_0(Structure):
    """One group that an account is in."""

    _fields_ = [("lgrui0_name", c_void_p)]


class PROFILEINFOW(Structure):
    """A user's profile that is loaded."""

    _fields_ = [
        ("dwSize", c_uint32), ("dwFlags", c_uint32), ("lpUserName", c_void_p), ("lpProfilePath", c_void_p),
        ("lpDefaultPath", c_void_p), ("lpServerName", c_void_p), ("lpPolicyPath", c_void_p), ("hProfile", c_void_p),
    ]


class CRYPT_INTEGER_BLOB(Structure):
    """DATA_BLOB: counted bytes."""

    _fields_ = [("cbData", c_uint32), ("pbData", pointer_to(c_uint8))]


class CRYPTPROTECT_PROMPTSTRUCT(Structure):
    """What a person would be asked; nobody is."""

    _fields_ = [("cbSize", c_uint32), ("dwPromptFlags", c_uint32), ("hwndApp", c_void_p), ("szPrompt", c_void_p)]
