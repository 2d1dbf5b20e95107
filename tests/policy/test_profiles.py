"""The built-in profiles, their secrets, and the directories that never become writable.

Knows: what the profiles promise.  Must not know: files of configuration.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from sidewall.errors import PolicyError
from sidewall.policy import profiles, secrets
from sidewall.policy.decide import decide
from sidewall.policy.model import DEFAULT_REQUIRE, GUARANTEES, Policy, Request
from sidewall.policy.paths import POSIX, WINDOWS
from sidewall.policy.roots import check_writable_root

from . import dice as own
from .dice import Dice

HOME = "/home/u"
WORK = "/home/u/src/project"


def built(name: str) -> Policy:
    return profiles.build(name, workspace=WORK, home=HOME)


def allowed(policy: Policy, action: str, target: str) -> bool:
    return decide(policy, Request(action=action, target=target)).allowed


@pytest.mark.parametrize(("name", "writes", "reads_secrets"), [
    (":workspace", True, False), (":read-only", False, False), (":offline", True, False), (":full-read", True, True),
    (":strict", True, False),
])
def test_what_each_profile_promises(name: str, *, writes: bool, reads_secrets: bool) -> None:
    policy = built(name)
    assert allowed(policy, "write", WORK + "/x") is writes
    assert allowed(policy, "read", HOME + "/.ssh/id_ed25519") is reads_secrets
    assert allowed(policy, "read", "/etc/shadow") is reads_secrets
    assert allowed(policy, "read", "/usr/lib/x") and allowed(policy, "read", HOME + "/src/other/y")
    assert allowed(policy, "write", "/tmp/x") and allowed(policy, "write", "/dev/shm/x")
    assert not allowed(policy, "write", HOME + "/src/other/y") and not allowed(policy, "write", "/etc/passwd")
    assert not allowed(policy, "connect", "example.org") and allowed(policy, "connect", "localhost:8000")
    assert not allowed(policy, "read", HOME + "/.local/state/sidewall/trust.json")
    assert policy.require == (GUARANTEES if name == ":strict" else DEFAULT_REQUIRE)
    assert policy.name == name and policy.confined
    hash(policy)


def test_unconfined_confines_nothing_and_must_be_asked_for() -> None:
    policy = profiles.build(":unconfined", workspace="/", home="/")
    assert not policy.confined and policy.require == ()
    for action, target in (("write", "/etc/passwd"), ("read", "/root/.ssh"), ("connect", "example.org:22")):
        assert allowed(policy, action, target)


def test_names_and_meanings() -> None:
    assert profiles.names()[0] == profiles.DEFAULT == ":workspace"
    assert all(profiles.meaning(name) for name in profiles.names())
    with pytest.raises(PolicyError) as caught:
        profiles.build("workspace", workspace=WORK, home=HOME)
    assert caught.value.hint == "Write :workspace."
    with pytest.raises(PolicyError):
        profiles.meaning(":nothing")


CREDENTIALS = (
    ".ssh/id_ed25519", ".aws/credentials", ".gnupg/private-keys-v1.d/a.key", ".kube/config", ".netrc",
    ".docker/config.json",
    ".config/gh/hosts.yml", ".config/gcloud/application_default_credentials.json", ".azure/msal_token_cache.json",
    ".npmrc",
    ".pypirc", ".cargo/credentials.toml", ".gem/credentials", ".git-credentials", ".config/git/credentials",
    ".mozilla/firefox/x/logins.json", ".config/google-chrome/Default/Cookies", ".config/chromium/Default/Cookies",
    ".config/BraveSoftware/Brave-Browser/Default/Cookies", ".local/share/keyrings/login.keyring",
    ".password-store/a.gpg",
    ".local/share/kwalletd/kdewallet.kwl", ".bash_history", ".zsh_history", ".local/share/fish/fish_history",
    ".python_history",
    ".codex/auth.json", ".claude/.credentials.json", ".gemini/oauth_creds.json", ".config/github-copilot/apps.json",
    ".terraform.d/credentials.tfrc.json", ".config/rclone/rclone.conf", ".config/op/config", ".vault-token",
    ".databrickscfg",
    ".cache/huggingface/token", ".s3cfg", ".boto", ".my.cnf", ".pgpass", ".config/glab-cli/config.yml",
    ".kaggle/kaggle.json",
    ".config/containers/auth.json", ".m2/settings.xml", ".gradle/gradle.properties", ".config/pip/pip.conf",
    ".oci/key.pem",
    ".config/sops/age/keys.txt", ".yarnrc.yml", ".config/Bitwarden CLI/data.json", ".Xauthority",
    ".doppler/.doppler.yaml", ".infisical/infisical-config.json", ".config/wireguard/wg0.conf", ".edgerc",
    ".expo/state.json",
    ".config/crush/crush.json", ".local/share/crush/crush.json", ".config/cursor/auth.json", ".codex/.credentials.json",
    ".codex/.env", ".gemini/mcp-oauth-tokens.json", ".mcp-auth/x/tokens.json", ".local/share/amazon-q/data.sqlite3",
    ".pi/agent/auth.json", ".ollama/id_ed25519", ".gcm/store/git/x", ".talos/config", ".dockercfg",
    ".jfrog/jfrog-cli.conf",
    ".rattler/credentials.json", ".config/pnpm/rc", ".influxdbv2/configs", ".duckdb/stored_secrets/x",
    ".ipython/profile_default/history.sqlite", ".local/share/atuin/history.db", ".config/msmtp/config",
    ".vscode-server/data/User/globalStorage/state.vscdb", ".config/code-server/config.yaml", ".config/Postman/x",
    ".local/share/jupyter/runtime/jpserver-1.json", ".smbcredentials", ".local/state/syncthing/key.pem",
)
WINDOWS_CREDENTIALS = (
    r".doppler\.doppler.yaml", r".infisical\x", r".config\crush\crush.json", r"AppData\Local\crush\crush.json",
    r".config\wireguard\x", r"AppData\Roaming\Block\goose\config\secrets.yaml", r"AppData\Roaming\Claude\x",
    r"AppData\Roaming\uv\credentials\x", r"AppData\Local\pnpm\config\rc",
    r"AppData\Roaming\xdg.config\.wrangler\config\default.toml", r"AppData\Roaming\hcloud\cli.toml",
    r"AppData\Roaming\Code - Insiders\User\globalStorage\state.vscdb", r"AppData\Roaming\Postman\x",
    r"AppData\Local\clink\clink_history", r"AppData\Roaming\WinSCP.ini", r"AppData\Roaming\mRemoteNG\confCons.xml",
    r"AppData\Roaming\OpenVPN Connect\profiles\x", r"OpenVPN\config\x.ovpn", r"AppData\Roaming\Electrum\wallets\x",
    r".local\share\atuin\key", r".codex\auth.json", r".ssh\id_ed25519", r"_netrc",
)


@pytest.mark.parametrize("path", CREDENTIALS)
def test_well_known_credentials_are_not_readable(path: str) -> None:
    decision = decide(built(":workspace"), Request(action="read", target=f"{HOME}/{path}"))
    assert not decision.allowed
    assert decision.kind == "secret"


@pytest.mark.parametrize("path", [
    ".bashrc", ".gitconfig", ".config/git/ignore", ".config/fish/config.fish", ".cargo/bin/cargo", ".cargo/registry/x",
    ".docker/cli-plugins/x", ".cache/pip/x", ".claude/settings.json", ".codex/config.toml", ".local/share/fonts/x",
    ".m2/repository/x",
    ".gradle/caches/x", ".npm/_cacache/x", ".pyenv/versions/x", ".config/Code/User/settings.json", ".sshx",
    ".ollama/models/x", ".gemini/settings.json", ".config/opencode/opencode.json", ".local/share/pnpm/store/x",
    ".config/Code - Insiders/User/settings.json", ".vscode-server/bin/x", ".local/share/jupyter/kernels/x",
    ".duckdb/extensions/x", ".ipython/profile_default/startup/x", ".config/pnpm/x", ".pi/agent/settings.json",
])
def test_what_tools_need_stays_readable(path: str) -> None:
    assert allowed(built(":workspace"), "read", f"{HOME}/{path}")


@pytest.mark.parametrize("flavour", [POSIX, WINDOWS])
def test_the_list_of_secrets_is_in_order(flavour: str) -> None:
    from sidewall.policy import paths

    home = "/home/u" if flavour == POSIX else "C:\\Users\\u"
    rules = secrets.rules(home, flavour)
    keys = [paths.key(rule.path, flavour, wide=True) for rule in rules]
    assert len(set(keys)) == len(keys), "a place stands twice"
    assert all(paths.validate(rule.path, flavour) == rule.path for rule in rules)
    covered = [key for key in keys for other in keys if key != other and key[: len(other)] == other]
    assert covered == [], "one below another"
    assert all(rule.access == "deny" and rule.source == secrets.SOURCE for rule in rules)
    assert secrets.rules("/") != () and secrets.rules("/")[0].path.count("//") == 0


@pytest.mark.parametrize("path", WINDOWS_CREDENTIALS)
def test_well_known_credentials_are_not_readable_on_windows(path: str) -> None:
    policy = profiles.build(":workspace", workspace="D:\\src\\p", home="C:\\Users\\u", flavour=WINDOWS)
    decision = decide(policy, Request(action="read", target=f"C:\\Users\\u\\{path}"))
    assert decision.kind == "secret" and not decision.allowed


def test_on_windows() -> None:
    policy = profiles.build(":workspace", workspace="D:\\src\\p", home="C:\\Users\\u", flavour=WINDOWS)
    assert allowed(policy, "write", "d:/SRC/p/x") and allowed(policy, "read", "C:\\Windows\\notepad.exe")
    for place in ("C:\\Users\\u\\.SSH\\id", "c:/users/U/AppData/Roaming/Microsoft/Credentials/x",
    "C:\\Windows\\System32\\Config\\SAM",
                  "C:\\Users\\u\\.ssh.\\id", "C:\\Users\\u\\.ssh::$INDEX_ALLOCATION\\id",
                  "\\\\?\\C:\\Users\\u\\.ssh\\id"):
        assert decide(policy, Request(action="read", target=place)).kind == "secret", place
    for place in ("C:\\Users\\u\\SSH~1\\id", "\\\\.\\C:\\Users\\u\\.ssh\\id", "\\\\?\\GLOBALROOT\\Device\\x\\.ssh",
                  "\\\\localhost\\C$\\Users\\u\\.ssh\\id", "D:\\src\\p\\GIT~1\\config"):
        assert not allowed(policy, "read", place), place


REFUSED = (
    "/", "/home", "/home/u", "/etc", "/etc/x", "/usr", "/usr/lib", "/usr/lib/python3", "/usr/local", "/usr/local/bin",
    "/bin", "/var",
    "/var/lib", "/var/lib/dpkg/x", "/tmp", "/var/tmp", "/dev", "/dev/shm/x", "/proc/self", "/sys", "/run",
    "/run/user/1000", "/root", "/opt",
    "/srv", "/mnt", "/media", "/boot", "/nix/store/x", "/home/u/", "/home/./u", "//",
)


@pytest.mark.parametrize("path", REFUSED)
def test_never_writable(path: str) -> None:
    with pytest.raises(PolicyError) as caught:
        check_writable_root(path, HOME)
    assert caught.value.hint
    with pytest.raises(PolicyError) as caught:
        profiles.build(":workspace", workspace=path, home=HOME)
    assert "workspace" in caught.value.message and caught.value.hint
    assert profiles.build(":read-only", workspace=path, home=HOME)


@pytest.mark.parametrize("path", [
    "/home/u/p", "/home/v/p", "/tmp/x", "/var/tmp/x", "/opt/app", "/srv/www", "/mnt/data", "/usr/src/app",
    "/var/www/site", "/var/lib/ci/x",
    "/run/media/u/disk/p", "/workspace", "/work/project", "/root/p", "/usr/local/src/x", "/home/u/.cache/pip",
])
def test_may_be_writable(path: str) -> None:
    check_writable_root(path, HOME)


def test_the_home_of_root_and_a_home_that_is_the_workspace() -> None:
    check_writable_root("/root/p", "/root")
    for path, home in (("/app", "/app"), ("/data", "/data/home/u"), ("/root", "/root")):
        with pytest.raises(PolicyError):
            check_writable_root(path, home)


@pytest.mark.parametrize("path", [
    "C:\\", "d:", "D:\\", "c:/windows", "C:\\Windows\\Temp\\x", "C:\\Program Files", "C:\\PROGRAM FILES (x86)\\x",
    "C:\\Users", "C:\\Users\\u",
    "c:\\users\\U\\", "C:\\Users\\u\\AppData", "C:\\Users\\u\\AppData\\Local", "C:\\Users\\u\\AppData\\Local\\Temp",
    "C:\\ProgramData",
    "C:\\Users\\Public", "C:\\$Recycle.Bin\\x", "E:\\System Volume Information", "\\\\srv\\share",
    "\\\\localhost\\C$\\x",
    "C:\\Users\\u\\AppData\\Local\\Packages\\x", "C:\\Users\\u\\AppData\\Local\\Microsoft\\x", "\\\\.\\C:\\x",
    "C:\\Users\\U~1",
])
def test_never_writable_on_windows(path: str) -> None:
    with pytest.raises(PolicyError):
        check_writable_root(path, "C:\\Users\\u", WINDOWS)


@pytest.mark.parametrize("path", [
    "C:\\Users\\u\\src\\p", "D:\\p", "C:\\src", "\\\\srv\\share\\p", "C:\\Users\\u\\AppData\\Local\\Programs\\x",
])
def test_may_be_writable_on_windows(path: str) -> None:
    check_writable_root(path, "C:\\Users\\u", WINDOWS)


def test_a_workspace_where_credentials_lie_is_refused() -> None:
    for place in (".ssh", ".password-store", ".config/sidewall"):
        with pytest.raises(PolicyError) as caught:
            profiles.build(":workspace", workspace=f"{HOME}/{place}", home=HOME)
        assert caught.value.hint


@given(dice=own.dice)
@settings(max_examples=200, deadline=None)
def test_a_bound_never_widens(dice: Dice) -> None:
    policy = dice.policy()
    for name in profiles.names():
        bound = profiles.constrain(policy, name)
        for request in [dice.request() for _ in range(6)]:
            assert decide(policy, request).allowed or not decide(bound, request).allowed
        if name == ":read-only":
            place = dice.place()
            assert decide(bound, Request(action="write", target=place)).kind in {
                "private", "default", "rule", "glob", "secret", "protected"}
            assert not any(rule.access == "write" for rule in bound.files)
        if name in (":read-only", ":offline"):
            assert bound.network.mode == "off"
