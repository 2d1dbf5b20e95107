"""Denied paths: gone from a cell, also when replaced, made later, linked, or named in a roundabout way.

Knows: what a home directory looks like.  Must not know: how a path is hidden.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.plan import steps
from sidewall.platforms.linux.facts import look
from sidewall.policy.model import DENY, READ

from .place import Opened, Place, rule, write

TOKEN = f"TOKEN-{secrets.token_hex(8)}"


SECRETS = (".ssh/id_ed25519", ".aws/credentials", ".netrc", ".config/gh/hosts.yml")


@pytest.fixture
def home(place: Place) -> Path:
    """A home with a few secrets."""
    for name in SECRETS:
        write(place.home / name, TOKEN, mode=0o600)
    write(place.home / ".bashrc", "# shell\n")
    write(place.home / ".config/tool/settings", "plain\n")
    return place.home


def reads(cell: Opened, *paths: Path | str) -> str:
    """All that can be read of these paths, one way or another."""
    script = 'for path; do cat "$path" "/proc/self/root$path" "/proc/self/cwd/../../../../../../..$path"; done 2>&1'
    return cell.run(["/bin/sh", "-c", script, "sh", *map(os.fspath, paths)]).output


def allowed(cell: Opened) -> list[str]:
    """The paths that Landlock lets be read."""
    (step,) = [step for step in cell.plan.steps if isinstance(step, steps.Landlock)]
    return [path for path, access in step.rules if access & 1 << 2]


def level(cell: Opened) -> str:
    return next(line.level for line in cell.plan.guarantees if line.name == "read-secrets")


def test_secrets_are_hidden_and_the_rest_is_not(place: Place, tier: str, home: Path) -> None:
    cell = place.open(tier)
    assert TOKEN not in reads(cell, *(home / name for name in SECRETS))
    assert reads(cell, home / ".bashrc").startswith("# shell\n# shell\n")
    assert cell.run(["cat", os.fspath(home / ".config/tool/settings")]).output == "plain\n"


def test_a_search_of_the_whole_home_finds_none(place: Place, tier: str, home: Path) -> None:
    cell = place.open(tier)
    said = cell.run(["grep", "-r", "-l", "TOKEN-", os.fspath(home)]).output
    assert "\n/" not in f"\n{said}".replace("\ngrep: ", "")


def test_every_process_shows_the_same_root(place: Place, namespace: str, home: Path) -> None:
    cell = place.open(namespace)
    loop = f"for p in /proc/[0-9]*; do cat $p/root{home}/.netrc $p/cwd/../.netrc; done"
    assert TOKEN not in cell.run(f"sleep 20 & {loop}; kill $!").output


def replace(path: Path, text: str) -> None:
    """As editors and programs save a file: beside it, then over it."""
    os.replace(write(path.with_name("." + secrets.token_hex(4)), text), path)


def test_replaced_and_made_later(place: Place, tier: str, home: Path) -> None:
    cell = place.open(tier)
    fresh = f"{TOKEN}-fresh"
    replace(home / ".netrc", fresh)
    replace(home / ".ssh/id_ed25519", fresh)
    write(home / ".ssh/later", fresh)
    write(home / ".pgpass", fresh)
    (home / ".aws").rename(home / ".aws.old")
    write(home / ".aws/credentials", fresh)
    write(home / ".kube/config", fresh)
    names = (".netrc", ".ssh/id_ed25519", ".ssh/later", ".pgpass", ".aws/credentials", ".kube/config")
    assert TOKEN not in reads(cell, *(home / name for name in names))


def test_a_directory_on_the_way_made_later(place: Place, tier: str) -> None:
    """The policy denies one file below a directory that does not exist yet, and nothing else beside it."""
    policy = place.policy(":full-read").files + (rule(DENY, place.home / "vault/box/key"),)
    cell = place.open(tier, files=policy)
    write(place.home / "vault/box/key", TOKEN)
    assert TOKEN not in reads(cell, place.home / "vault/box/key")


def test_renamed_inside(place: Place, tier: str, home: Path) -> None:
    cell = place.open(tier)
    said = cell.run(
        f"mv {home}/.ssh {home}/open; mv {home}/.ssh open; cp -r {home}/.ssh copy; cp -r {home} all; "
        f"ln {home}/.ssh/id_ed25519 hard; ln {home}/.netrc hard2; ln -s {home}/.ssh soft; cat soft/* hard hard2; "
        "grep -r TOKEN- . 2>/dev/null"
    ).output
    assert TOKEN not in said


def test_a_hard_link_to_a_secret(place: Place, tier: str, home: Path) -> None:
    """A hard link that the user made elsewhere is another name of the same file: that is not denied."""
    if tier == "namespace":
        # Landlock's rules are on files, so a name that may be read opens the other one as well.
        os.link(home / ".netrc", home / "same")
    cell = place.open(tier)
    assert TOKEN not in reads(cell, home / ".netrc")
    assert cell.run(f"ln {home}/.netrc mine; cat mine").output.count(TOKEN) == 0


@pytest.mark.parametrize("name", [".ssh", ".config"])
@pytest.mark.parametrize("beside", [True, False], ids=["in the home", "elsewhere"])
def test_reached_by_links(place: Place, tier: str, home: Path, name: str, beside: bool) -> None:
    """The secret, or a directory on the way to it, is a link of the user's: hidden where it really lies too."""
    real = (home / "dotfiles" if beside else place.elsewhere) / name.replace("/", "-")
    real.parent.mkdir(exist_ok=True)
    (home / name).rename(real)
    (home / name).symlink_to(real)
    cell = place.open(tier)
    found = [real] if real.is_file() else [path for path in real.rglob("*") if path.is_file()]
    files = [path for path in found if TOKEN in path.read_text()]
    assert files
    assert TOKEN not in reads(cell, *files, *(home / name for name in SECRETS))
    for path in files:
        replace(path, f"{TOKEN}-fresh")
    assert TOKEN not in reads(cell, *files)


def test_made_later_below_a_linked_directory(place: Place, tier: str) -> None:
    (place.home / "dotfiles/local").mkdir(parents=True)
    (place.home / ".local").symlink_to(place.home / "dotfiles/local")
    cell = place.open(tier)
    made = write(place.home / "dotfiles/local/share/keyrings/login.keyring", TOKEN)
    assert TOKEN not in reads(cell, made, place.home / ".local/share/keyrings/login.keyring")


def test_a_secret_kept_in_a_repository_of_settings(place: Place, tier: str, home: Path) -> None:
    """The directory is the user's own, the files in it are links: hidden where they really lie."""
    real = write(home / "dotfiles/aws", TOKEN)
    (home / ".aws/credentials").unlink()
    (home / ".aws/credentials").symlink_to("../dotfiles/aws")
    write(home / "dotfiles/vimrc", "plain\n")
    (home / ".ssh/known").symlink_to(home)
    (home / ".ssh/dangling").symlink_to(home / "nowhere")
    cell = place.open(tier)
    assert TOKEN not in reads(cell, real, home / ".aws/credentials")
    assert cell.run(["cat", os.fspath(home / "dotfiles/vimrc")]).output == "plain\n"
    assert cell.run("echo x > made && cat made").output == "x\n"
    replace(real, f"{TOKEN}-fresh")
    assert TOKEN not in reads(cell, real)


def test_links_that_lead_nowhere_or_in_circles(place: Place, tier: str, home: Path) -> None:
    (home / ".gnupg").symlink_to(home / "nowhere")
    (home / ".kube").symlink_to(home / ".docker")
    (home / ".docker").symlink_to(home / ".kube")
    cell = place.open(tier)
    assert cell.run("echo up").output == "up\n"
    assert TOKEN not in reads(cell, home / ".ssh/id_ed25519")


def test_a_literal_path_with_the_marks_of_a_pattern(place: Place, tier: str) -> None:
    odd = write(place.home / "notes/a[1]*?.txt", TOKEN)
    even = write(place.home / "notes/a1.txt", "plain\n")
    cell = place.open(tier, rules=(rule(DENY, odd),))
    assert TOKEN not in reads(cell, odd)
    assert "plain" in reads(cell, even)


def test_readable_below_denied_and_denied_again(place: Place, namespace: str) -> None:
    box = place.home / "box"
    for name in ("hidden", "open/shown", "open/inner/hidden", "open/inner/beside"):
        write(box / name, f"{TOKEN} {name}")
    rules = (rule(DENY, box), rule(READ, box / "open"), rule(DENY, box / "open/inner/hidden"))
    cell = place.open(namespace, rules=rules)
    said = reads(cell, *(box / name for name in ("hidden", "open/shown", "open/inner/hidden", "open/inner/beside")))
    assert f"{TOKEN} open/shown" in said and f"{TOKEN} open/inner/beside" in said
    assert f"{TOKEN} hidden" not in said and f"{TOKEN} open/inner/hidden" not in said


def test_a_pattern(place: Place, namespace: str) -> None:
    shut = [write(place.home / name, TOKEN) for name in ("work/.env", "work/a/b/.env", "other/.env")]
    cell = place.open(namespace, rules=(rule(DENY, f"{place.home}/**/.env", glob=True),))
    assert TOKEN not in reads(cell, *shut)
    assert level(cell) == "partial"
    assert cell.run("echo new > a/new && cat a/new").output == "new\n"


def test_a_pattern_outside_the_workspace_in_the_landlock_tier(place: Place, landlock: str) -> None:
    shut = write(place.home / "other/.env", TOKEN)
    cell = place.open(landlock, rules=(rule(DENY, f"{place.home}/**/.env", glob=True),))
    assert TOKEN not in reads(cell, shut)


def test_a_pattern_that_matches_nothing_yet_is_reported(place: Place, tier: str) -> None:
    cell = place.open(tier, rules=(rule(DENY, f"{place.home}/**/.env", glob=True),))
    assert level(cell) == "partial"


def test_a_link_that_a_pattern_matches_masks_nothing(place: Place, tier: str, home: Path) -> None:
    """An earlier command may have made it: where it leads to stays as it is, and the cell opens."""
    (place.work / ".env").symlink_to(home / ".bashrc")
    cell = place.open(tier, rules=(rule(DENY, f"{place.home}/**/.env", glob=True),))
    assert cell.run(["cat", os.fspath(home / ".bashrc")]).output == "# shell\n"


def test_denied_inside_the_workspace(place: Place, namespace: str) -> None:
    key = write(place.work / "keys/key", TOKEN)
    linked = write(place.elsewhere / "far", TOKEN)
    (place.work / "far").symlink_to(linked)
    cell = place.open(namespace, rules=(rule(DENY, key), rule(DENY, place.work / "far")))
    assert TOKEN not in reads(cell, key, place.work / "far", linked)
    said = cell.run("echo x > keys/key; rm -f keys/key; mv keys/key k; mv keys old; cat old/key k; ls -la keys").output
    assert TOKEN not in said
    # A directory may be moved, with what is masked in it; no byte of that is changed.
    assert next(place.work.glob("*/key")).read_text() == TOKEN


def test_landlock_says_what_it_cannot_hide(place: Place, landlock: str) -> None:
    key = write(place.work / "key", TOKEN)
    cell = place.open(landlock, rules=(rule(DENY, key),))
    line = next(line for line in cell.plan.guarantees if line.name == "read-secrets")
    assert (line.level, os.fspath(key) in line.reason) == ("partial", True)


@pytest.mark.parametrize("off", [(steps.Landlock, steps.Seccomp), (steps.Seccomp,)])
def test_hidden_by_composition_alone(place: Place, namespace: str, home: Path, off: tuple[type, ...]) -> None:
    cell = place.open(namespace, without=off)
    script = f"umount {home}; umount -l {home}/.config; mount -o bind / /mnt; cat {home}/.ssh/* /mnt{home}/.ssh/*; "
    script += f"grep -r TOKEN- {home}"
    assert TOKEN not in cell.run(["unshare", "-Urm", "sh", "-c", script]).output


@pytest.fixture
def system() -> Iterator[Path]:
    """A directory where only the administrator changes things, with a secret and another file."""
    base = Path("/opt") / f"sidewall-{secrets.token_hex(8)}"
    try:
        base.mkdir()
    except OSError:
        pytest.skip("only root can make a directory of the system")
    write(base / "secret", TOKEN)
    write(base / "plain", "plain\n")
    (base / "link").symlink_to("plain")
    yield base
    shutil.rmtree(base)


@pytest.mark.parametrize("required", [True, False])
def test_a_secret_of_the_system_that_is_replaced(place: Place, namespace: str, system: Path, required: bool) -> None:
    """As passwd(1) replaces the file of passwords; a mask alone ends with that, and the report has said so."""
    rules = (rule(DENY, system / "secret"), rule(DENY, system / "later"))
    cell = place.open(namespace, rules=rules, require=("read-secrets",) if required else ())
    names = [system / name for name in ("secret", "later", "plain", "link")]
    assert reads(cell, *names).count("plain\n") == 6 and TOKEN not in reads(cell, *names)
    for name in ("secret", "later"):
        write(system / "new", TOKEN)
        (system / "new").rename(system / name)
    if required:
        assert level(cell) == "enforced"
        assert TOKEN not in reads(cell, *names)
        assert reads(cell, system / "plain").startswith("plain\n")
    else:
        assert level(cell) == "partial"


def test_what_the_host_replaces_in_a_listed_directory(place: Place, landlock: str, home: Path) -> None:
    """Without mounts a directory with a secret in it is listed entry by entry, as it was when the cell was made."""
    cell = place.open(landlock)
    assert reads(cell, home / ".bashrc").count("# shell\n") == 3
    write(home / "new", "# new\n")
    (home / "new").rename(home / ".bashrc")
    assert "# new" not in reads(cell, home / ".bashrc")
    assert "# new" in reads(place.open(landlock), home / ".bashrc")


def test_the_rest_of_a_directory_of_the_system_is_seen_as_it_is(place: Place, landlock: str) -> None:
    """For an ordinary user, whom the modes keep from its secrets."""
    cell = place.open(landlock)
    listed = [path for path in allowed(cell) if path.startswith("/etc/")]
    secret = [rule.path for rule in cell.plan.policy.files if rule.access == DENY and rule.path.startswith("/etc/")]
    assert bool(listed) == (os.geteuid() == 0 or any(look(path, {}).readable for path in secret
                                                     if os.path.lexists(path)))
    assert "root:" in reads(cell, "/etc/passwd")
    assert "root:" not in reads(cell, "/etc/shadow", "/etc/gshadow", "/etc/shadow-")


def test_a_secret_directory_that_may_be_entered_but_not_listed(tmp_path: Path) -> None:
    """Whoever knows a name in it can read what is there: it counts as readable; and so does one that is closed to its
    own user, since a command could open it again."""
    secret = tmp_path / "secret"
    secret.mkdir()
    for mode in (0o311, 0o611, 0o200, 0):
        secret.chmod(mode)
        try:
            assert look(os.fspath(secret), {}).readable
        finally:
            secret.chmod(0o700)
    if os.path.exists("/etc/shadow"):
        assert look("/etc/shadow", {}).readable is os.access("/etc/shadow", os.R_OK)


def test_the_strict_profile(place: Place, namespace: str, home: Path) -> None:
    """As root too, whom no mode keeps from the system's secrets."""
    cell = place.open(namespace, profile=":strict", require=("read-secrets",))
    assert level(cell) == "enforced"
    assert "root:" not in reads(cell, "/etc/shadow", "/etc/gshadow", "/etc/shadow-")
    said = cell.run("cat /etc/passwd /etc/nsswitch.conf | wc -l; test -d /etc/ssl && ls /etc/ssl; id -un").output
    assert int(said.split()[0]) > 5
    assert TOKEN not in reads(cell, *(home / name for name in SECRETS))


def test_no_descriptor_or_memory_leads_back(place: Place, namespace: str, home: Path) -> None:
    """Directories of the host that the building of the cell had open are closed."""
    cell = place.open(namespace)
    loop = f"for p in /proc/[0-9]*/fd/*; do cat $p{home}/.netrc $p/.netrc $p/../.netrc; done 2>/dev/null"
    assert TOKEN not in cell.run(loop).output
    if os.geteuid() == 0:
        held = [os.readlink(f"/proc/{cell.init}/fd/{name}") for name in os.listdir(f"/proc/{cell.init}/fd")]
        assert not [name for name in held if name.startswith("/") and name != "/dev/null"]


def test_the_hosts_temporary_files_and_runtime_are_not_there(place: Place, namespace: str) -> None:
    mark = Path("/tmp") / f"sidewall-{secrets.token_hex(8)}"
    mark.write_text(TOKEN)
    try:
        cell = place.open(namespace)
        assert TOKEN not in reads(cell, mark)
        assert cell.run(f"echo mine > {mark} && cat {mark}").output == "mine\n"
        assert mark.read_text() == TOKEN
        assert cell.run("ls -A /run /dev/shm /var/tmp").output.count(mark.name) == 0
    finally:
        mark.unlink()


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o600])
def test_a_closed_file_of_ones_own_is_no_secret_by_its_mode(tmp_path: Path, mode: int) -> None:
    """A command could open it again where nothing keeps it from changing a mode."""
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(mode)
    assert look(str(secret), {}).readable
