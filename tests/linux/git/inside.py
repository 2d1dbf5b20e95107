"""Runs in a user and mount namespace: puts a layer over a git directory, then runs commands there on request.

Knows: mount(8), overlayfs with ``userxattr``.  Must not know: what is carried.
Started as ``unshare -Urm python inside.py SOCKET GIT_DIRECTORY STORE``; STORE is a directory for a private tmpfs.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20)


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    git_dir, store = sys.argv[2:4]
    try:
        mount("-t", "tmpfs", "-o", "mode=700", "layer", store)
        for name in ("upper", "work"):
            os.mkdir(f"{store}/{name}")
        upper = os.open(f"{store}/upper", os.O_RDONLY | os.O_DIRECTORY)
        mount("-t", "overlay", "-o", f"userxattr,lowerdir={git_dir},upperdir={store}/upper,workdir={store}/work",
              "overlay", git_dir)
    except (subprocess.CalledProcessError, OSError) as error:
        link.sendall(f"no overlay here: {error}".encode())
        return
    socket.send_fds(link, [b"ready"], [upper])
    os.close(upper)
    reader = link.makefile("r", encoding="utf-8")
    for line in reader:
        argv, directory, environment = json.loads(line)
        done = subprocess.run(argv, cwd=directory, env=environment, stdin=subprocess.DEVNULL, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        link.sendall(json.dumps([done.returncode, done.stdout.decode("utf-8", "replace")]).encode() + b"\n")


if __name__ == "__main__":
    main()
