"""Runs in a user and mount namespace: puts a layer over a git directory, then runs commands there on request.

Knows: mount(8), overlayfs with ``userxattr``.  Must not know: what is carried.
Started as ``unshare -Urm python inside.py SOCKET GIT_DIRECTORY STORE READ_ONLY``; STORE is a directory for a private
tmpfs, READ_ONLY a file that commands may read only.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import sys

MS_REMOUNT = 32


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20)


def main() -> None:
    link = socket.socket(fileno=int(sys.argv[1]))
    git_dir, store, canary = sys.argv[2:5]
    try:
        mount("-t", "tmpfs", "-o", "mode=700", "layer", store)
        for name in ("upper", "work"):
            os.mkdir(f"{store}/{name}")
        upper = os.open(f"{store}/upper", os.O_RDONLY | os.O_DIRECTORY)
        mount("-t", "overlay", "-o", f"userxattr,lowerdir={git_dir},upperdir={store}/upper,workdir={store}/work",
              "overlay", git_dir)
        mount("--bind", canary, canary)
        mount("-o", "remount,bind,ro", canary)
    except (subprocess.CalledProcessError, OSError) as error:
        link.sendall(f"no overlay here: {error}".encode())
        return
    socket.send_fds(link, [b"ready"], [upper])
    os.close(upper)
    reader = link.makefile("r", encoding="utf-8")
    for line in reader:
        request = json.loads(line)
        if request == "remount":
            code = ctypes.CDLL(None, use_errno=True).mount(b"overlay", os.fsencode(git_dir), None, MS_REMOUNT, None)
            link.sendall(json.dumps(ctypes.get_errno() if code else 0).encode() + b"\n")
            continue
        argv, directory, environment = request
        done = subprocess.run(argv, cwd=directory, env=environment, stdin=subprocess.DEVNULL, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        link.sendall(json.dumps([done.returncode, done.stdout.decode("utf-8", "replace")]).encode() + b"\n")


if __name__ == "__main__":
    main()
