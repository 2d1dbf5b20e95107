"""Servers of the host, which are real and outside, and know who came.

Knows: unix(7), tcp(7).  Must not know: what a policy lends.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path


class Service:
    """A server of the host: it answers each guest with its name and counts them."""

    def __init__(self, name: str, listener: socket.socket) -> None:
        self.name = name
        self.listener = listener
        self.guests: list[bytes] = []
        self._guest: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                guest = self.listener.accept()[0]
            except OSError:
                return
            guest.settimeout(10)
            self._guest = guest
            try:
                self.guests.append(guest.recv(100))
                guest.sendall(self.name.encode())
            except OSError:
                self.guests.append(b"broken")
            guest.close()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self._guest is not None:
            try:
                self._guest.shutdown(socket.SHUT_RDWR)  # one that says nothing is not waited for
            except OSError:
                pass  # it has gone
        self._thread.join(10)


class Services:
    """Servers of one test."""

    def __init__(self) -> None:
        self.made: list[Service] = []

    def unix(self, path: Path | str) -> Service:
        listener = socket.socket(socket.AF_UNIX)
        directory = os.open(os.path.dirname(os.fspath(path)) or "/", os.O_PATH) if "/" in os.fspath(path) else -1
        try:
            name = os.fspath(path)
            # A test's directory may be longer than an address.
            listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(name)}" if directory >= 0 else name)
        finally:
            if directory >= 0:
                os.close(directory)
        listener.listen(50)
        return self._add(Service(os.path.basename(name), listener))

    def tcp(self, address: str = "127.0.0.1", port: int = 0) -> Service:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(50)
        return self._add(Service("tcp", listener))

    def _add(self, service: Service) -> Service:
        self.made.append(service)
        return service
