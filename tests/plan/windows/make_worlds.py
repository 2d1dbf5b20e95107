"""Writes the worlds of this directory: Windows machines put down from knowledge, not captured from any.

Knows: descriptors as Windows 11 and its installers leave them, and how an automatically inherited child looks (told in
a few lines of its own here, so that the model under test does not make its own test data).  Must not know: Sidewall.

    python tests/plan/windows/make_worlds.py        writes worlds/*.jsonl anew
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

MACHINE = "S-1-5-21-1004336348-1177238915-682003330"
DEV, ANNA = f"{MACHINE}-1001", f"{MACHINE}-1002"
OFFLINE, ONLINE, GROUP, EARLIER = f"{MACHINE}-1010", f"{MACHINE}-1011", f"{MACHINE}-1012", f"{MACHINE}-1006"
LOGON = "S-1-5-5-0-287431"
INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
SY, BA, BU, AU, WD, CO, IU, SU, BATCH, OW = (
    "S-1-5-18", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-11", "S-1-1-0", "S-1-3-0", "S-1-5-4", "S-1-5-6", "S-1-5-3",
    "S-1-3-4")
PACKAGES, RESTRICTED_PACKAGES = "S-1-15-2-1", "S-1-15-2-2"
GROUPS = [WD, "S-1-5-113", BU, IU, "S-1-2-1", AU, "S-1-5-15", "S-1-2-0", "S-1-5-64-10"]

FULL, MODIFY, READ, CHANGE = 0x1F01FF, 0x1301BF, 0x1200A9, 0xE0010000
MAPPED = {CHANGE: MODIFY, 0xA0000000: READ, 0x10000000: FULL}
OI, CI, NP, IO, ID = 1, 2, 4, 8, 16

Ace = tuple[str, int, int, str]
"""Type (A, D), flags, mask, SID."""


def allow(sid: str, mask: int, flags: int = OI | CI) -> Ace:
    return ("A", flags, mask, sid)


def deny(sid: str, mask: int, flags: int = 0) -> Ace:
    return ("D", flags, mask, sid)


def inherited(parent: list[Ace], container: bool, owner: str) -> list[Ace]:
    """What a child has of its parent's entries by automatic inheritance."""
    made: list[Ace] = []
    for kind, flags, mask, sid in parent:
        if not flags & (CI if container else OI):
            if container and flags & OI and not flags & NP:
                made.append((kind, OI | IO | ID, mask, sid))
            continue
        real = (kind, 0, MAPPED.get(mask, mask), owner if sid == CO else sid)
        if not container or flags & NP:
            made.append((real[0], ID, real[2], real[3]))
        elif (real[2], real[3]) != (mask, sid):
            made += [(real[0], ID, real[2], real[3]), (kind, flags & (OI | CI) | IO | ID, mask, sid)]
        else:
            made.append((kind, flags & (OI | CI) | ID, mask, sid))
    return made


def text(ace: Ace) -> str:
    kind, flags, mask, sid = ace
    words = "".join(word for bit, word in ((OI, "OI"), (CI, "CI"), (NP, "NP"), (IO, "IO"), (ID, "ID")) if flags & bit)
    return f"({kind};{words};{mask:#x};;;{sid})"


class Machine:
    """A world in the making."""

    def __init__(self, about: str, workspace: str, *, sandbox: bool = True) -> None:
        head: dict[str, object] = {
            "world": 1, "origin": "modelled", "about": about, "home": "C:\\Users\\dev", "workspace": workspace,
            "user": DEV, "groups": GROUPS, "logon": LOGON, "machine": MACHINE}
        if sandbox:
            head |= {"offline": OFFLINE, "online": ONLINE, "group": GROUP}
        self.lines: list[dict[str, object]] = [head]
        self.aces: dict[str, list[Ace]] = {}
        self.owners: dict[str, str] = {}

    def volume(self, root: str, **fields: object) -> None:
        self.lines.append({"volume": root, **fields})

    def put(self, path: str, *own: Ace, file: bool = False, owner: str = "", protected: bool = False, label: str = "",
            **fields: object) -> None:
        """One entry: its own entries, and those of its directory unless it is protected."""
        above = path.rstrip("\\").rpartition("\\")[0]
        above = above + "\\" if above.endswith(":") else above
        owner = owner or self.owners.get(above, SY)
        aces = list(own)
        if not protected:
            aces += inherited(self.aces.get(above, []), not file, owner)
        self.aces[path], self.owners[path] = aces, owner
        control = "PAI" if protected else "AI"
        sddl = f"O:{owner}G:{owner if owner in (SY, INSTALLER) else MACHINE + '-513'}D:{control}"
        sddl += "".join(text(ace) for ace in aces) + label
        self.lines.append({"path": path, "kind": "file" if file else "directory", "sddl": sddl, **fields})

    def directories(self, base: str, names: str, owner: str = "") -> None:
        """Directories with nothing but what they inherit; ``a/b`` needs ``a`` before it, ``+`` is a space."""
        for name in names.split():
            self.put(base + "\\" + name.replace("/", "\\").replace("+", " "), owner=owner)

    def files(self, base: str, names: str, owner: str = "") -> None:
        for name in names.split():
            self.put(base + "\\" + name.replace("/", "\\"), file=True, owner=owner)

    def drive(self) -> None:
        """C:, its first directories, and the user's profile, as a new Windows 11 has them."""
        self.volume("C:\\", filesystem="NTFS")
        self.put("C:\\", allow(SY, FULL), allow(BA, FULL), allow(BU, READ), allow(AU, CHANGE, OI | CI | IO),
                 allow(AU, 4, 0), owner=INSTALLER, protected=True, label="S:(ML;OINPIO;NW;;;HI)")
        self.put("C:\\Users", allow(SY, FULL), allow(BA, FULL), allow(BU, READ, 0), allow(BU, 0xA0000000, OI | CI | IO),
                 allow(WD, READ, 0), allow(WD, 0xA0000000, OI | CI | IO), owner=SY, protected=True)
        self.profile("C:\\Users\\dev", DEV)

    def profile(self, home: str, user: str) -> None:
        self.put(home, allow(SY, FULL), allow(BA, FULL), allow(user, FULL), owner=SY, protected=True)

    def installed(self, path: str) -> None:
        """A directory that setup programs fill: the system's own, read by all."""
        self.put(path, allow(INSTALLER, FULL, CI), allow(SY, MODIFY, 0), allow(SY, 0x10000000, OI | CI | IO),
                 allow(BA, MODIFY, 0), allow(BA, 0x10000000, OI | CI | IO), allow(BU, READ, 0),
                 allow(BU, 0xA0000000, OI | CI | IO), allow(CO, 0x10000000, OI | CI | IO), allow(PACKAGES, READ, 0),
                 allow(PACKAGES, 0xA0000000, OI | CI | IO), allow(RESTRICTED_PACKAGES, READ, 0),
                 allow(RESTRICTED_PACKAGES, 0xA0000000, OI | CI | IO), owner=INSTALLER, protected=True)

    def repository(self, base: str, owner: str = DEV) -> None:
        """A git repository with what a build leaves."""
        self.directories(base, ".git .git/hooks .git/info .git/objects .git/objects/4b .git/objects/info "
                               ".git/objects/pack .git/refs .git/refs/heads .git/logs .git/logs/refs src", owner)
        self.files(base, ".git/HEAD .git/config .git/description .git/index .git/packed-refs "
                         ".git/hooks/pre-commit.sample .git/info/exclude "
                         ".git/objects/4b/825dc642cb6eb9a060e54bf8d69288fbee4904 .git/refs/heads/main .git/logs/HEAD "
                         ".gitignore README.md src/main.py", owner)

    def dump(self) -> str:
        return "".join(json.dumps(line) + "\n" for line in self.lines)


def windows11() -> Machine:
    world = Machine("Modelled, not captured: a new Windows 11 with one user's profile and a small project in it.",
                    "C:\\Users\\dev\\src\\app")
    world.drive()
    world.installed("C:\\Windows")
    world.directories("C:\\Windows", "System32 System32/drivers System32/spool Logs", INSTALLER)
    world.put("C:\\Windows\\Panther", allow(SY, FULL), allow(BA, FULL), owner=SY, protected=True)
    world.files("C:\\Windows", "explorer.exe System32/kernel32.dll System32/cmd.exe System32/drivers/ntfs.sys",
                INSTALLER)
    world.put("C:\\Windows\\System32\\config", allow(SY, FULL), allow(BA, FULL), owner=SY, protected=True)
    world.files("C:\\Windows\\System32\\config", "SAM SECURITY SOFTWARE")
    world.put("C:\\Windows\\Tasks", allow(AU, 0x1200AB, 0), allow(BA, FULL), allow(SY, FULL),
              allow(CO, FULL, OI | CI | IO), owner=SY, protected=True)
    world.put("C:\\Windows\\Temp", allow(BU, 0x100026, CI), allow(BA, FULL), allow(SY, FULL),
              allow(CO, FULL, OI | CI | IO), owner=SY, protected=True)
    world.installed("C:\\Program Files")
    world.installed("C:\\Program Files (x86)")
    world.directories("C:\\Program Files", "Common+Files Windows+Defender", INSTALLER)
    world.put("C:\\ProgramData", allow(SY, FULL), allow(BA, FULL), allow(CO, FULL, OI | CI | IO), allow(BU, READ),
              allow(BU, 0x116, CI), owner=SY, protected=True)
    world.put("C:\\ProgramData\\Microsoft", allow(SY, FULL), allow(BA, FULL), allow(BU, READ), owner=SY, protected=True)
    world.directories("C:\\ProgramData\\Microsoft", "Crypto Crypto/RSA")
    keys = "C:\\ProgramData\\Microsoft\\Crypto\\RSA\\MachineKeys"
    world.put(keys, allow(WD, 0x12019F, 0), allow(BA, FULL, 0), owner=SY, protected=True)
    world.put(keys + "\\f686aace6942fb7f", allow(SY, FULL, 0), file=True, owner=SY, protected=True)
    world.put("C:\\ProgramData\\ssh", allow(SY, FULL), allow(BA, FULL), owner=SY, protected=True)
    world.put("C:\\ProgramData\\regid.1991-06.com.microsoft")
    world.put("C:\\PerfLogs", allow(SY, FULL), allow(BA, FULL), owner=SY, protected=True)
    world.put("C:\\pagefile.sys", allow(SY, FULL, 0), allow(BA, FULL, 0), file=True, owner=BA, protected=True)
    world.put("C:\\Users\\Public", allow(CO, FULL, OI | CI | IO), allow(SY, FULL), allow(BA, FULL),
              *(ace for sid in (IU, SU, BATCH)
                for ace in (allow(sid, 0x1301FF, OI | CI | IO), allow(sid, 0x1200AF, 0))),
              owner=SY, protected=True)
    world.put("C:\\Users\\Public\\Documents")
    world.put("C:\\Users\\Default", allow(SY, FULL), allow(BA, FULL), allow(BU, READ), allow(WD, READ), owner=SY,
              protected=True)
    world.profile("C:\\Users\\anna", ANNA)
    world.put("C:\\Users\\anna\\Documents", owner=ANNA)
    world.put("C:\\Users\\anna\\Documents\\letter.docx", file=True, owner=ANNA)
    home = "C:\\Users\\dev"
    world.directories(home, "AppData Desktop Documents Downloads Pictures .ssh .aws .gnupg .config src", DEV)
    world.directories(home, "AppData/Local AppData/LocalLow AppData/Roaming AppData/Local/Temp AppData/Local/Microsoft "
                            "AppData/Local/Microsoft/Credentials AppData/Roaming/Microsoft AppData/Local/Packages "
                            "AppData/Roaming/Microsoft/Protect AppData/Roaming/Microsoft/Windows .config/gh", DEV)
    world.put(home + "\\AppData\\Roaming\\Microsoft\\Credentials", allow(SY, FULL), allow(DEV, FULL), allow(BA, FULL),
              owner=DEV, protected=True)
    world.directories(home, "AppData/Roaming/Microsoft/Windows/Start+Menu "
                            "AppData/Roaming/Microsoft/Windows/Start+Menu/Programs "
                            "AppData/Roaming/Microsoft/Windows/Start+Menu/Programs/Startup", DEV)
    world.put(home + "\\NTUSER.DAT", file=True, owner=SY)
    world.put(home + "\\Application Data", deny(WD, 1), allow(WD, READ, 0), allow(SY, FULL, 0), allow(BA, FULL, 0),
              owner=SY, protected=True, reparse="junction", target=home + "\\AppData\\Roaming")
    world.put(home + "\\.ssh\\id_ed25519", allow(SY, FULL, 0), allow(BA, FULL, 0), allow(DEV, FULL, 0), file=True,
              owner=DEV, protected=True)
    world.files(home, ".ssh/known_hosts .aws/credentials .config/gh/hosts.yml .gitconfig Documents/taxes.xlsx "
                      "Desktop/notes.txt Downloads/setup.exe AppData/Local/Temp/log.txt", DEV)
    world.put(home + "\\src\\app", owner=DEV)
    world.repository(home + "\\src\\app")
    world.put(home + "\\src\\other", owner=DEV)
    world.put(home + "\\src\\other\\main.c", file=True, owner=DEV)
    return world


def developer_tools() -> Machine:
    world = Machine("Modelled, not captured: compilers, interpreters, package managers as their installers leave them.",
                    "C:\\Users\\dev\\src\\service")
    world.drive()
    world.installed("C:\\Program Files")
    programs = "C:\\Program Files"
    world.directories(programs, "Git Git/bin Git/cmd Git/usr Git/usr/bin nodejs nodejs/node_modules Python312 "
                                "Python312/Lib Python312/Scripts dotnet dotnet/sdk Microsoft+VS+Code", SY)
    world.files(programs, "Git/bin/git.exe Git/cmd/git.exe Git/usr/bin/bash.exe nodejs/node.exe nodejs/npm.cmd "
                          "Python312/python.exe Python312/python312.dll Python312/Lib/os.py dotnet/dotnet.exe", SY)
    world.put("C:\\ProgramData", allow(SY, FULL), allow(BA, FULL), allow(CO, FULL, OI | CI | IO), allow(BU, READ),
              allow(BU, 0x116, CI), owner=SY, protected=True)
    world.put("C:\\ProgramData\\chocolatey", allow(SY, FULL), allow(BA, FULL), allow(BU, READ), owner=BA,
              protected=True)
    world.directories("C:\\ProgramData\\chocolatey", "bin lib", BA)
    world.put("C:\\ProgramData\\chocolatey\\bin\\make.exe", file=True, owner=BA)
    home = "C:\\Users\\dev"
    world.directories(home, "AppData AppData/Local AppData/Local/Programs AppData/Local/Programs/Python "
                            "AppData/Local/Programs/Python/Python313 AppData/Local/Programs/Microsoft+VS+Code "
                            "AppData/Local/Microsoft AppData/Local/Microsoft/WindowsApps AppData/Local/Temp "
                            "AppData/Local/npm-cache AppData/Local/uv AppData/Roaming AppData/Roaming/npm "
                            "AppData/Roaming/npm/node_modules .cargo .cargo/bin .cargo/registry .rustup "
                            ".rustup/toolchains scoop scoop/apps scoop/shims .vscode .vscode/extensions .m2 .nuget "
                            ".nuget/packages go go/bin src", DEV)
    world.files(home, "AppData/Local/Programs/Python/Python313/python.exe AppData/Roaming/npm/tsc.cmd "
                      ".cargo/bin/cargo.exe .cargo/credentials.toml .npmrc scoop/shims/ripgrep.exe go/bin/gopls.exe "
                      ".m2/settings.xml", DEV)
    world.put(home + "\\AppData\\Local\\Microsoft\\WindowsApps\\python3.exe", file=True, owner=DEV, reparse="app")
    world.put(home + "\\scoop\\apps\\ripgrep", owner=DEV)
    world.put(home + "\\scoop\\apps\\ripgrep\\current", owner=DEV, reparse="junction",
              target=home + "\\scoop\\apps\\ripgrep\\14.1.1")
    world.put(home + "\\src\\service", owner=DEV)
    world.repository(home + "\\src\\service")
    return world


def shared_tools() -> Machine:
    """What many machines have besides: tools unpacked right below the drive, where all users may change them."""
    world = Machine("Modelled, not captured: tools unpacked below C:\\, which every signed-in user may change.",
                    "C:\\Users\\dev\\src\\service")
    world.drive()
    world.put("C:\\tools", owner=BA)
    world.directories("C:\\tools", "msys64 msys64/usr", BA)
    world.put("C:\\tools\\msys64\\usr\\bash.exe", file=True, owner=BA)
    world.put("C:\\exchange", allow(WD, FULL), owner=DEV, protected=True)
    world.put("C:\\exchange\\list.csv", file=True, owner=DEV)
    world.put("C:\\Users\\dev\\src", owner=DEV)
    world.put("C:\\Users\\dev\\src\\service", owner=DEV)
    world.repository("C:\\Users\\dev\\src\\service")
    return world


def data_drive() -> Machine:
    world = Machine("Modelled, not captured: a data drive as the disk manager formats it, and a memory stick.",
                    "D:\\projects\\site")
    world.drive()
    world.volume("D:\\", filesystem="NTFS")
    world.put("D:\\", allow(BA, FULL), allow(SY, FULL), allow(AU, CHANGE, OI | CI | IO), allow(AU, MODIFY, 0),
              allow(BU, READ), owner=BA, protected=True)
    world.directories("D:\\".rstrip("\\"), "projects projects/site projects/other backup media", DEV)
    world.files("D:", "projects/other/secret-plan.txt backup/2025.zip media/film.mkv", DEV)
    world.repository("D:\\projects\\site")
    return world


def memory_stick() -> Machine:
    world = Machine("Modelled, not captured: a memory stick without descriptors beside the user's profile.",
                    "C:\\Users\\dev\\src\\app")
    world.drive()
    world.directories("C:\\Users\\dev", "src src/app", DEV)
    world.repository("C:\\Users\\dev\\src\\app")
    world.volume("E:\\", filesystem="exFAT", acls=False)
    for path, kind in (("E:\\", "directory"), ("E:\\photos", "directory"), ("E:\\photos\\1.jpg", "file")):
        world.lines.append({"path": path, "kind": kind})
    return world


def repository() -> Machine:
    world = Machine("Modelled, not captured: a repository with a linked worktree, a submodule, hard-linked packages.",
                    "C:\\Users\\dev\\src\\app")
    world.drive()
    home = "C:\\Users\\dev"
    world.directories(home, "AppData AppData/Local AppData/Local/pnpm AppData/Local/pnpm/store "
                            "AppData/Local/pnpm/store/v10 AppData/Local/pnpm/store/v10/files "
                            "AppData/Local/pnpm/store/v10/files/a1 src src/app src/app-fix", DEV)
    base = home + "\\src\\app"
    world.repository(base)
    world.directories(base, ".git/worktrees .git/worktrees/app-fix .git/modules .git/modules/lib "
                            ".git/modules/lib/hooks .git/modules/lib/objects .git/modules/lib/refs lib .vscode "
                            "packages packages/web packages/web/.vscode node_modules node_modules/.pnpm "
                            "node_modules/.pnpm/left-pad@1.3.0", DEV)
    world.files(base, ".git/worktrees/app-fix/HEAD .git/worktrees/app-fix/gitdir .git/worktrees/app-fix/commondir "
                      ".git/worktrees/app-fix/index .git/modules/lib/HEAD .git/modules/lib/config lib/.git lib/lib.c "
                      ".vscode/tasks.json packages/web/.vscode/settings.json packages/web/index.ts package.json "
                      "pnpm-lock.yaml .gitmodules", DEV)
    world.files(home + "\\src\\app-fix", ".git main.py", DEV)
    store = home + "\\AppData\\Local\\pnpm\\store\\v10\\files\\a1"
    for number in range(3):
        name, identity = f"{number}f3c9e", f"0x4000000011a{number}"
        world.put(f"{store}\\{name}", file=True, owner=DEV, links=2, identity=identity)
        world.put(f"{base}\\node_modules\\.pnpm\\left-pad@1.3.0\\{number}.js", file=True, owner=DEV, links=2,
                  identity=identity)
    world.put(base + "\\node_modules\\left-pad", owner=DEV, reparse="junction",
              target=base + "\\node_modules\\.pnpm\\left-pad@1.3.0")
    return world


def onedrive() -> Machine:
    world = Machine("Modelled, not captured: documents in OneDrive, some of them only in the cloud.",
                    "C:\\Users\\dev\\OneDrive\\Documents\\thesis")
    world.drive()
    home = "C:\\Users\\dev"
    world.put(home + "\\OneDrive", owner=DEV, reparse="cloud")
    for name in ("Documents", "Documents\\thesis", "Pictures"):
        world.put(f"{home}\\OneDrive\\{name}", owner=DEV, reparse="cloud")
    world.put(home + "\\Documents", owner=DEV)
    for name in ("thesis\\chapter1.tex", "thesis\\figures.zip"):
        world.put(f"{home}\\OneDrive\\Documents\\{name}", file=True, owner=DEV, reparse="cloud")
    world.put(home + "\\OneDrive\\Pictures\\1.jpg", file=True, owner=DEV, reparse="cloud")
    return world


def administrators_root() -> Machine:
    world = Machine("Modelled, not captured: a workspace that an elevated prompt made, owned by Administrators.",
                    "C:\\work\\tool")
    world.drive()
    world.put("C:\\work", owner=BA)
    world.put("C:\\work\\tool", allow(SY, FULL), allow(BA, FULL), allow(BU, READ), owner=BA, protected=True)
    world.repository("C:\\work\\tool", BA)
    return world


def earlier_account() -> Machine:
    world = Machine("Modelled, not captured: what an earlier sandbox left: files, entries, private directories.",
                    "C:\\Users\\dev\\src\\app")
    world.drive()
    base = "C:\\Users\\dev\\src\\app"
    world.put("C:\\Users\\dev\\src", owner=DEV)
    world.put(base, allow(EARLIER, FULL), allow("S-1-5-21-3920115513-1408217471-2749109112-1", MODIFY), owner=DEV)
    world.repository(base)
    world.directories(base, "build build/obj", EARLIER)
    world.files(base, "build/app.exe build/obj/main.obj", EARLIER)
    # Python's tempfile since 3.12.4: a directory for its owner alone.
    world.put(base + "\\build\\pytest-0", allow(SY, FULL), allow(BA, FULL), allow(OW, FULL), owner=OFFLINE,
              protected=True)
    world.put(base + "\\build\\pytest-0\\out.txt", file=True, owner=OFFLINE)
    world.put("C:\\Users\\dev\\src\\moved", owner=DEV)
    world.put("C:\\Users\\dev\\src\\moved\\report.txt", file=True, owner=OFFLINE)
    return world


WORLDS: dict[str, Callable[[], Machine]] = {
    "windows11": windows11, "developer-tools": developer_tools, "shared-tools": shared_tools, "data-drive": data_drive,
    "memory-stick": memory_stick, "repository": repository, "onedrive": onedrive,
    "administrators-root": administrators_root, "earlier-account": earlier_account,
}

if __name__ == "__main__":
    place = Path(__file__).with_name("worlds")
    place.mkdir(exist_ok=True)
    for title, make in WORLDS.items():
        (place / f"{title}.jsonl").write_text(make().dump(), encoding="utf-8", newline="\n")
