#!/bin/sh
# Programs of Debian's that some tests drive: installed when this is root on Debian, else left to be skipped by name.
set -u
missing=
for pair in git:git gcc:gcc make:make tmux:tmux node:nodejs; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
# The oracle of the Windows model lies in the system's own interpreter, which may be another than ours.
/usr/bin/python3 -c 'import samba.security' >/dev/null 2>&1 || missing="$missing python3-samba"

# A Samba server that keeps access lists and enforces them; with users of its own, so for root only.
if [ "$(id -u)" -eq 0 ]; then
    command -v smbd >/dev/null 2>&1 || missing="$missing samba"
    ls /usr/lib/*/samba/vfs/acl_xattr.so >/dev/null 2>&1 || missing="$missing samba-vfs-modules"
fi

[ -z "$missing" ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    export DEBIAN_FRONTEND=noninteractive
    install="apt-get install -y -qq --no-install-recommends$missing"
    $install >/dev/null 2>&1 || { apt-get update -qq >/dev/null 2>&1; $install >/dev/null 2>&1; } && exit 0
fi
echo "tools: not here, their tests will be skipped:$missing (on Debian: apt-get install$missing)" >&2
