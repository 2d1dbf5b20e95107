#!/bin/sh
# Writes requirements-dev.lock: every development dependency for every Python and platform, pinned, with hashes.
#
# Needs uv.  The lock names no index: a mirror, or a directory of wheels, serves as well as the public one.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "lock: uv is needed: pip install uv" >&2; exit 1; }
{
    echo "# Made by \`make lock\` from pyproject.toml; do not edit."
    uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet
} >requirements-dev.lock.new
mv requirements-dev.lock.new requirements-dev.lock
