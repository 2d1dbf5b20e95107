"""The world an attack lives in: a fake home with secrets and canaries, a neighbour's project, a workspace under git.

Knows: files, their metadata, what the user's own git does.  Must not know: sandboxes.  Follows `docs/attacks.md`.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

SECRET_FILES = (
    ".ssh/id_ed25519",
    ".ssh/id_rsa",
    ".gnupg/private-keys-v1.d/0A1B.key",
    ".aws/credentials",
    ".config/gcloud/application_default_credentials.json",
    ".docker/config.json",
    ".netrc",
    ".git-credentials",
    ".config/gh/hosts.yml",
    ".npmrc",
    ".mozilla/firefox/ab12.default/logins.json",
    ".bash_history",
)
# The rest of the well-known ones, for the tests that are about the list.
MORE_SECRET_FILES = (
    ".ssh/config",
    ".azure/msal_token_cache.json",
    ".config/gcloud/credentials.db",
    ".oci/oci_api_key.pem",
    ".kube/config",
    ".config/containers/auth.json",
    ".config/git/credentials",
    ".config/glab-cli/config.yml",
    ".yarnrc.yml",
    ".pypirc",
    ".cargo/credentials.toml",
    ".gem/credentials",
    ".m2/settings.xml",
    ".gradle/gradle.properties",
    ".config/pip/pip.conf",
    ".pgpass",
    ".my.cnf",
    ".vault-token",
    ".terraform.d/credentials.tfrc.json",
    ".config/rclone/rclone.conf",
    ".config/sops/age/keys.txt",
    ".password-store/bank.gpg",
    ".local/share/keyrings/login.keyring",
    ".local/share/kwalletd/kdewallet.kwl",
    ".mozilla/firefox/ab12.default/cookies.sqlite",
    ".config/google-chrome/Default/Login Data",
    ".config/google-chrome/Default/Cookies",
    ".config/chromium/Default/Cookies",
    ".config/BraveSoftware/Brave-Browser/Default/Cookies",
    ".config/op/config",
    ".config/Bitwarden CLI/data.json",
    ".claude/.credentials.json",
    ".codex/auth.json",
    ".gemini/oauth_creds.json",
    ".config/github-copilot/apps.json",
    ".cache/huggingface/token",
    ".kaggle/kaggle.json",
    ".zsh_history",
    ".python_history",
    ".local/share/fish/fish_history",
)
PLAIN_FILES = {
    ".bashrc": "# bashrc\n",
    ".bash_profile": "# profile\n",
    ".profile": "# profile\n",
    ".zshrc": "# zshrc\n",
    ".zshenv": "# zshenv\n",
    ".config/fish/config.fish": "# fish\n",
    ".gitconfig": "[user]\n\tname = Ann\n\temail = ann@example.invalid\n[init]\n\tdefaultBranch = main\n",
    ".config/git/ignore": "*.swp\n",
    ".ssh/authorized_keys": "# keys\n",
    ".claude/settings.json": "{}\n",
    ".codex/config.toml": "# codex\n",
    ".gemini/settings.json": "{}\n",
    ".cursor/mcp.json": "{}\n",
    ".config/sidewall/config.toml": "schema = 1\n",
    ".config/autostart/notes.desktop": "[Desktop Entry]\n",
    ".config/systemd/user/notes.service": "[Service]\n",
    ".config/Code/User/settings.json": "{}\n",
    ".condarc": "channels: [defaults]\n",
    ".local/bin/tool": "#!/bin/sh\n",
    "bin/tool": "#!/bin/sh\n",
    "documents/canary.txt": "the canary's content\n",
    "documents/deep/below.txt": "below\n",
    "projects/neighbour/src/main.py": "print('neighbour')\n",
    "projects/neighbour/README.md": "# neighbour\n",
}
WORKSPACE_FILES = {
    "README.md": "# work\n",
    "Makefile": "all:\n\t@echo built\n",
    "package.json": '{"scripts": {"test": "echo tested"}}\n',
    "conftest.py": "",
    "setup.py": "from setuptools import setup\nsetup(name='work')\n",
    "src/app.py": "print('app')\n",
    ".claude/settings.json": "{}\n",
    ".vscode/settings.json": "{}\n",
    ".vscode/tasks.json": "{}\n",
    "AGENTS.md": "Be kind.\n",
    ".gitignore": ".env\nvendor/\ngo-*\n__pycache__/\n",
}
# What the launcher writes for itself below the home (audit and state) is no escape of the command.
OWN_STATE = (".local/state/sidewall", ".local/share/sidewall", ".cache/sidewall")
FS_IOC_GETFLAGS = 0x80086601


def places() -> list[Path]:
    """Directories in which a world may be built, outside ``/tmp`` (which is private inside the sandbox)."""
    checkout = Path(__file__).resolve().parents[2]
    found = []
    for place in (Path.home(), checkout.parent, checkout, Path("/var/tmp")):
        real = place.resolve()
        if os.access(real, os.W_OK | os.X_OK) and not real.is_relative_to("/tmp") and real != Path("/"):
            found.append(real)
    return found


def git(where: Path, *argv: str, home: Path, check: bool = True, timeout: float = 30) -> str:
    """The host's own git, as the user would run it; never asks, never waits for an editor."""
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "true",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        ["git", *argv], cwd=where, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
    )
    text = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    if check and done.returncode:
        raise AssertionError(f"git {argv} in {where}: {text}")
    return text


def build_template(at: Path) -> Path:
    """Lay out home and workspace once a test process; worlds are copies of it."""
    home = at / "home"
    for name, text in PLAIN_FILES.items():
        write(home / name, text)
    for name in SECRET_FILES:
        write(home / name, "to be replaced\n", mode=0o600)
    for name in OWN_STATE:
        (home / name).mkdir(parents=True)
    (home / ".ssh").chmod(0o700)
    workspace = home / "projects/work"
    for name, text in WORKSPACE_FILES.items():
        write(workspace / name, text)
    for repository in (workspace, workspace / "vendor/lib"):
        write(repository / "notes.txt", "notes\n")
        git(repository, "init", "-q", "--template=", home=home)
        write(repository / ".git/hooks/pre-commit.sample", "#!/bin/sh\nexit 0\n", mode=0o755)
        write(repository / ".git/info/exclude", "# exclude\n")
        git(repository, "add", "-A", home=home)
        git(repository, "commit", "-q", "-m", "first", home=home)
        git(repository, "repack", "-a", "-d", "-q", home=home)
    write(workspace / ".env", "to be replaced\n")
    return home


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Make a file with its parents."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)


def flags(path: Path) -> int:
    """The inode flags (``chattr``) of a file or directory; 0 where the file system has none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, b"\0" * 8)[:4], "little")
    except OSError:
        return 0
    finally:
        os.close(descriptor)


def look(path: Path) -> tuple[object, ...]:
    """All that can be seen of one file from outside: content, mode, owner, size, times, inode, links, xattrs, flags."""
    status = path.lstat()
    extra = tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in _xattrs(path))
    seen: tuple[object, ...] = (status.st_mode, status.st_uid, status.st_gid, status.st_ino, status.st_mtime_ns, extra)
    if stat.S_ISLNK(status.st_mode):
        return (*seen, os.readlink(path))
    if stat.S_ISREG(status.st_mode):
        content = path.read_bytes()
        return (*seen, content, status.st_size, status.st_nlink, status.st_ctime_ns, flags(path))
    return seen


def _xattrs(path: Path) -> list[str]:
    try:
        return sorted(os.listxattr(path, follow_symlinks=False))
    except OSError:
        return []


def tree(root: Path, skip: tuple[Path, ...] = ()) -> dict[str, tuple[object, ...]]:
    """`look` at a directory and everything below it, but for what is skipped."""
    if not root.is_dir():
        return {}
    seen = {str(root): look(root)}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if here / name not in skip]
        for name in (*folders, *files):
            seen[str(here / name)] = look(here / name)
    return seen


class World:
    """One attack's world; ``nonce`` is in every secret, payload and marker of it and in no other."""

    def __init__(self, place: Path, template: Path) -> None:
        self.nonce = "N" + secrets.token_hex(8)
        self.base = Path(tempfile.mkdtemp(prefix="sidewall-attacks-", dir=place))
        try:
            self._fill(template)
        except BaseException:
            self.remove()
            raise

    def _fill(self, template: Path) -> None:
        self.home = self.base / "home"
        subprocess.run(["cp", "-a", template, self.home], check=True, timeout=60)
        self.workspace = self.home / "projects/work"
        self.neighbour = self.home / "projects/neighbour"
        self.outside = self.home / "documents"
        self.canary = self.outside / "canary.txt"
        self.markers = self.base / "markers"
        self.run = self.base / "run"
        self.markers.mkdir()
        self.run.mkdir(mode=0o700)
        self.tokens: dict[str, Path] = {}
        for name in SECRET_FILES:
            self.plant_secret(self.home / name)
        self.plant_secret(self.neighbour / ".env")
        self.workspace_token = self.plant_secret(self.workspace / ".env")
        self.before: dict[str, tuple[object, ...]] = {}
        self.freeze()

    def plant_secret(self, path: Path) -> str:
        """Put a fresh token into a file and remember it."""
        token = f"TOKEN-{self.nonce}-{len(self.tokens):03d}"
        write(path, f"password={token}\n", mode=0o600)
        self.tokens[token] = path
        return token

    def plant_more_secrets(self) -> None:
        """Every well-known credential file of a home."""
        for name in MORE_SECRET_FILES:
            self.plant_secret(self.home / name)
        self.freeze()

    def credentials(self) -> list[Path]:
        """The secrets that lie in the home itself, not in a project."""
        return [path for path in self.tokens.values() if path.name != ".env"]

    def freeze(self) -> None:
        """Remember how everything outside the workspace looks now."""
        self.before = self._seen()

    def _seen(self) -> dict[str, tuple[object, ...]]:
        skip = (self.workspace, *(self.home / name for name in OWN_STATE))
        return tree(self.home, skip)

    def changed(self) -> list[str]:
        """What differs outside the workspace since `freeze`, by path; the workspace's parent included."""
        now = self._seen()
        names = sorted(set(now) | set(self.before))
        return [name for name in names if now.get(name) != self.before.get(name)]

    def leaked(self, *texts: bytes | str, among: tuple[str, ...] | None = None) -> list[str]:
        """Paths of the secrets whose token is in a text or in a file of the workspace."""
        heap = b"\0".join(text.encode() if isinstance(text, str) else text for text in texts)
        for folder, _, files in os.walk(self.workspace):
            for name in files:
                path = Path(folder) / name
                if path.is_file() and not path.is_symlink():
                    heap += path.read_bytes()
        wanted = among if among is not None else tuple(t for t in self.tokens if t != self.workspace_token)
        return [str(self.tokens[token].relative_to(self.base)) for token in wanted if token.encode() in heap]

    def marker(self, name: str = "ran") -> Path:
        """A path that only an unsandboxed process can create."""
        return self.markers / f"{name}-{self.nonce}"

    def fired(self) -> list[str]:
        """The markers that exist: something of the attack ran outside."""
        return sorted(path.name for path in self.markers.iterdir())

    def evil_config(self, name: str = "config") -> str:
        """git configuration that runs a command at the next status, commit, diff or alias."""
        touch = f"touch {self.marker(name)}"
        return (
            f'\n[core]\n\tfsmonitor = "{touch}; :"\n\tpager = "{touch}; cat"\n'
            f"\thooksPath = {self.workspace}/evil-hooks\n"
            f'[alias]\n\tst = "!{touch}"\n[diff]\n\texternal = "{touch}; :"\n'
            f'[filter "x"]\n\tclean = "{touch}; cat"\n\tsmudge = "{touch}; cat"\n'
        )

    def evil_hook(self, name: str = "hook") -> str:
        """A git hook that leaves a marker."""
        return f"#!/bin/sh\ntouch {self.marker(name)}\n"

    def use_git(self, *where: Path) -> list[str]:
        """What the user does next in these directories, outside: status, diff, add, commit, gc. Returns the markers."""
        for directory in where or (self.workspace,):
            for argv in (
                ("status",),
                ("diff", "HEAD"),
                ("add", "-A"),
                ("commit", "-q", "--allow-empty", "-m", "by the user"),
                ("checkout", "-q", "."),
                ("gc", "--auto", "-q"),
            ):
                git(directory, *argv, home=self.home, check=False)
        return self.fired()

    def remove(self) -> None:
        """Leave nothing behind, whatever modes the attack set, and though a survivor of a control still writes."""
        for _ in range(20):
            shutil.rmtree(self.base, ignore_errors=True)
            if not self.base.exists():
                return
            for folder, folders, _ in os.walk(self.base):
                for name in folders:  # before they are listed themselves
                    if not os.path.islink(f"{folder}/{name}"):
                        os.chmod(f"{folder}/{name}", 0o700)
            time.sleep(0.05)
        shutil.rmtree(self.base)
