#!/bin/sh
# Prints the path of a Python 3.11 or later that can carry Sidewall, or says in one line which package brings one.
#
# $PYTHON, when set, is the only candidate.  A candidate is run, not just looked for: version managers leave
# forwarding scripts on the PATH for versions that are not installed.
set -u

probe='import sys, ctypes, ssl, venv, zlib
sys.exit(0 if sys.version_info >= (3, 11) else 1)'

for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    path=$(command -v "$candidate" 2>/dev/null) || continue
    if "$path" -I -c "$probe" 2>/dev/null; then
        "$path" -I -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

echo "setup: no Python 3.11 or later among: ${PYTHON:-python3, python3.11 to python3.14}; on Debian: apt-get install python3 python3-venv" >&2
exit 1
