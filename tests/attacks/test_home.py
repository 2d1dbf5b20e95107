"""L-032 to L-038: leaving something in the home that runs later, under the user's hands.

Knows: which files of a home are executed or obeyed.  Must not know: how they are held back.  `docs/attacks.md`, L2.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

from pathlib import Path

import pytest

from .guards import Guard, guards
from .world import World

ROWS = {
    "L-032": (
        ".claude/settings.json", ".claude/hooks/x.sh", ".codex/config.toml", ".codex/hooks.json",
        ".gemini/settings.json", ".cursor/mcp.json", ".config/sidewall/config.toml", ".config/sidewall/trusted.toml",
        ".mcp.json", ".claude.json", ".agents/x.md",
        ".config/opencode/opencode.json", ".config/Code/User/settings.json", ".local/state/sidewall/x",
    ),
    "L-033": (
        ".config/autostart/notes.desktop", ".config/autostart/evil.desktop", ".config/systemd/user/notes.service",
        ".config/systemd/user/default.target.wants/evil.service", ".config/fish/config.fish",
        ".config/fish/conf.d/evil.fish", ".config/environment.d/e.conf", ".config/plasma-workspace/env/e.sh",
        ".xprofile", ".xsessionrc", ".pam_environment",
    ),
    "L-034": (".gitconfig", ".config/git/config", ".config/git/hooks/post-commit", ".config/git/attributes"),
    "L-035": (".local/bin/git", ".local/bin/tool", "bin/sudo", "bin/tool", ".cargo/bin/cargo", ".pyenv/shims/python"),
    "L-036": (".bashrc", ".bash_profile", ".profile", ".zshrc", ".zshenv", ".bash_aliases", ".bash_logout", ".inputrc",
              ".zprofile", ".login", ".vimrc", ".tmux.conf"),
    "L-037": (".ssh/authorized_keys", ".ssh/config", ".ssh/rc", ".ssh/environment", ".ssh/known_hosts"),
    "L-038": (
        ".npmrc", ".config/pip/pip.conf", ".cargo/config.toml", ".condarc", ".yarnrc.yml", ".m2/settings.xml",
        ".pydistutils.cfg", ".gradle/init.gradle", ".bundle/config", ".gemrc",
        ".local/lib/python3.11/site-packages/usercustomize.py",
    ),
}  # fmt: skip


def probe_leave(home, names):
    for name in names:
        path = os.path.join(home, name)
        attempt("directory", os.makedirs, os.path.dirname(path), exist_ok=True)
        attempt("append " + name, lambda: open(path, "a").write(NONCE))
        put_aside = os.getcwd() + "/payload"
        attempt("payload", put, put_aside, "#!/bin/sh\necho " + NONCE)
        attempt("rename over " + name, os.rename, put_aside, path)
    for folder in sorted({os.path.dirname(os.path.join(home, name)) for name in names}):
        attempt("swap " + folder, os.rename, folder, folder + "-gone")


@guards("write-outside")
@pytest.mark.parametrize("row", ROWS)
def test_persistence(guard: Guard, world: World, row: str) -> None:
    own = [world.home / name for name in ROWS[row] if name.startswith(".local/state/sidewall/")]
    outcome = guard.attack(world, probe_leave, home=world.home, names=ROWS[row])
    left = [str(path) for path in own if path.exists() and world.nonce in path.read_text()]
    guard.judge(outcome, world.changed() + left)


SYSTEM = (
    "/etc/cron.d", "/var/spool/cron", "/var/spool/cron/crontabs", "/var/spool/at", "/var/spool/cron/atjobs",
    "/etc/systemd/system", "/etc/ld.so.conf.d", "/usr/local/bin", "/usr/local/sbin", "/etc/apt/apt.conf.d", "/boot",
    "/lib/systemd/system", "/etc/xdg/autostart", "/etc/init.d", "/usr/lib/python3/dist-packages", "/opt", "/var/lib",
    "/etc/profile.d", "/etc/sudoers.d",
)  # fmt: skip


def probe_system(folders):
    for folder in folders:
        attempt(folder, put, f"{folder}/{NONCE}", "* * * * * root true")
    for helper in ("crontab", "at", "batch", "systemd-run"):
        attempt(helper, os.spawnvp, os.P_WAIT, helper, [helper, "-f", "/dev/null"])


@guards("write-outside", control=False)
def test_LX19_timers_and_system_directories(guard: Guard, world: World) -> None:
    """No control: it would change this machine."""
    outcome = guard.attack(world, probe_system, folders=SYSTEM)
    left = [path for folder in SYSTEM if (path := Path(folder) / world.nonce).exists()]
    for path in left:
        path.unlink()
    guard.judge(outcome, left)
