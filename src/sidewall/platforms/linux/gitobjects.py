"""Carries objects, loose and packed, from the layer of a cell into the real object store.

Knows: the layout of ``objects/``, the files of loose objects and packs.  Must not know: references, the index.

Append only: what the store has is neither replaced nor removed, whatever was done to it inside.  What comes in is
hashed here first, so that no object lies about its content (see ``gitpack``).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import zlib

from sidewall.platforms.linux import gitfiles, gitinflate, gitlookup, gitpack, gitrules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sidewall.platforms.linux.gitcarry import Limits

_CHUNK = 1 << 20
_FEW = 2000
"""As many missing objects of a larger pack are put in place one by one; for more the whole pack is."""
_TABLE_LIMIT = 512 << 20


class Store:
    """The object store below ``objects`` (a path in both trees).

    ``held`` is told (path, reason) of what stays back.  ``short`` is true after ``carry`` when objects stayed back, so
    that nothing which may need them should be carried.
    """

    def __init__(self, host: gitfiles.HostTree, upper: gitfiles.Tree, objects: str, hash_name: str, limits: Limits,
                 held: Callable[[str, str], None]) -> None:
        self._host = host
        self._upper = upper
        self._path = objects
        self._hash = hash_name
        self._limits = limits
        self._held = held
        digits = 64 if hash_name == "sha256" else 40
        self._loose = re.compile(rf"[0-9a-f]{{{digits - 2}}}")
        self._pack = re.compile(r"(pack-(?:[0-9a-f]{40}|[0-9a-f]{64}))\.(pack|idx|promisor)")
        self._seen: dict[str, tuple[int, ...]] = {}
        self._done: set[str] = set()
        self._refused: dict[str, tuple[tuple[int, ...], str]] = {}
        self.lookup = gitlookup.Lookup(host, objects)
        self.short = self.busy = False
        self.watched: dict[str, os.stat_result] = {}

    def carry(self, budget: gitinflate.Budget, settled_ns: int) -> int:
        """Brings in every new object; how many files were written.

        A directory that has not changed since before ``settled_ns`` (nanoseconds of the epoch) is not read again.
        """
        self.short = self.busy = False
        self.watched = {}
        top = self._upper.stat(self._path)
        if top is None or not stat.S_ISDIR(top.st_mode):
            return 0
        self.watched[self._path] = top
        try:
            return self._carry_all(budget, settled_ns)
        except (OSError, gitfiles.Refused) as error:
            self.short = True
            self._held(self._path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
            return 0

    def _carry_all(self, budget: gitinflate.Budget, settled_ns: int) -> int:
        written = 0
        for name, st in self._upper.listing(self._path):
            path = f"{self._path}/{name}"
            if gitfiles.whiteout(st) or gitrules.quiet(f"objects/{name}"):
                continue
            if stat.S_ISDIR(st.st_mode) and re.fullmatch(r"[0-9a-f]{2}", name):
                if self._seen.get(path) != gitfiles.signature(st):
                    written += self._carry_fan(path, budget)
                    if not self.short and st.st_ctime_ns < settled_ns:
                        self._seen[path] = gitfiles.signature(st)
            elif name == "pack" and stat.S_ISDIR(st.st_mode):
                self.watched[path] = st
                written += self._carry_packs(path, budget)
            elif name == "info" and stat.S_ISDIR(st.st_mode):
                for below, inner in self._upper.listing(path):
                    if not gitfiles.whiteout(inner) and not gitrules.quiet(f"objects/info/{below}"):
                        self._held(f"{path}/{below}", "it would lead git to objects elsewhere")
            else:
                self._held(path, "not a name of git's object store")
        return written

    def _carry_fan(self, fan: str, budget: gitinflate.Budget) -> int:
        written = 0
        for name, st in self._upper.listing(fan):
            path = f"{fan}/{name}"
            if path in self._done or gitfiles.whiteout(st) or gitrules.quiet(path):
                continue
            if len(self._done) >= self._limits.objects:
                self.short = True
                self._held(self._path, f"more than {self._limits.objects} objects")
                return written
            if not self._loose.fullmatch(name):
                self._held(path, "not a name of git's object store")
                continue

            def bring(path: str = path, oid: str = fan[-2:] + name) -> int:
                return self._carry_loose(path, bytes.fromhex(oid), budget)

            written += self._attempt(path, gitfiles.signature(st), bring, budget)
        return written

    def _attempt(self, path: str, signature: tuple[int, ...], bring: Callable[[], int],
                 budget: gitinflate.Budget) -> int:
        """Brings one thing in unless it was refused before; reports why not."""
        alone = budget.left == budget.full
        before = self._refused.get(path)
        if before is not None and before[0] == signature:
            self.short = True
            return 0
        try:
            written = bring()
        except (gitinflate.Exhausted, gitfiles.Busy) as error:
            self.short = True
            if alone and isinstance(error, gitinflate.Exhausted):
                # It would be no less the next time.
                self._refused[path] = (signature, str(error))
            else:
                self.busy = True
            self._held(path, str(error))
            return 0
        except (gitinflate.Forged, gitfiles.Refused) as error:
            self.short = True
            self._refused[path] = (signature, str(error))
            self._held(path, str(error))
            return 0
        except OSError as error:
            self.short = self.busy = True
            self._held(path, f"cannot be copied: {error.strerror}")
            return 0
        self._done.add(path)
        return written

    def _carry_loose(self, path: str, oid: bytes, budget: gitinflate.Budget) -> int:
        if self._host.stat(path) is not None:
            return 0
        fd, st = self._upper.open(path)
        try:
            if st.st_size > self._limits.object_bytes:
                raise gitfiles.Refused(f"larger than {self._limits.object_bytes} bytes")
            self._write_loose(path, oid, budget, lambda: os.read(fd, _CHUNK))
        finally:
            os.close(fd)
        return 1

    def _write_loose(self, path: str, oid: bytes, budget: gitinflate.Budget, read: Callable[[], bytes]) -> None:
        """Writes an object's file from the pieces that ``read`` gives, when they hold what the name says."""
        directory = path.rpartition("/")[0]
        self._host.make_directory(directory)
        copy, temporary = self._host.temporary(directory, "tmp_obj_")
        try:
            try:
                first = read()
                try:
                    head = zlib.decompressobj().decompress(first, 64)
                except zlib.error:
                    raise gitinflate.Forged("an object cannot be inflated") from None
                match = re.match(rb"(?:commit|tree|blob|tag) (0|[1-9][0-9]{0,14})\0", head)
                if match is None:
                    raise gitinflate.Forged("it is no object")

                def raw() -> Iterator[bytes]:
                    data, total = first, 0
                    while data:
                        total += len(data)
                        if total > self._limits.object_bytes:
                            raise gitfiles.Refused(f"larger than {self._limits.object_bytes} bytes")
                        gitfiles.write_all(copy, data)
                        yield data
                        data = read()

                size = match.end() + int(match.group(1))
                if size > self._limits.object_bytes * 4:
                    raise gitfiles.Refused(f"larger than {self._limits.object_bytes * 4} bytes")
                digest = hashlib.sha256() if self._hash == "sha256" else hashlib.sha1()
                for piece in gitinflate.inflate(raw(), size, budget):
                    digest.update(piece)
                if digest.digest() != oid:
                    raise gitinflate.Forged("an object is not what its name says")
            finally:
                os.close(copy)
            self._host.publish(temporary, path)
        except BaseException:
            self._discard(temporary)
            raise

    def _discard(self, temporary: str) -> None:
        try:
            self._host.remove(temporary)
        except OSError:
            return

    def _carry_packs(self, directory: str, budget: gitinflate.Budget) -> int:
        found: dict[str, dict[str, os.stat_result]] = {}
        for name, st in self._upper.listing(directory):
            path = f"{directory}/{name}"
            match = self._pack.fullmatch(name)
            if gitfiles.whiteout(st) or gitrules.quiet(f"objects/pack/{name}"):
                continue
            if match is None:
                self._held(path, "not a name of git's object store")
                continue
            found.setdefault(match.group(1), {})[match.group(2)] = st
        written = 0
        for stem, parts in found.items():
            path = f"{directory}/{stem}"
            # A pack without its index is one that is still being written.
            if path in self._done or not {"pack", "idx"} <= parts.keys():
                continue

            def bring(path: str = path, *, promisor: bool = "promisor" in parts) -> int:
                return self._carry_pack(path, budget, promisor=promisor)

            both = gitfiles.signature(parts["pack"]) + gitfiles.signature(parts["idx"])
            written += self._attempt(path, both, bring, budget)
        return written

    def _carry_pack(self, path: str, budget: gitinflate.Budget, *, promisor: bool) -> int:
        """A pack that brings objects which the store lacks; one that a ``gc`` made of old ones is left out."""
        if self._host.stat(path + ".idx") is not None:
            return 0
        index, _ = self._upper.read(path + ".idx", _TABLE_LIMIT)
        table = gitpack.PackIndex(index, self._hash)
        missing = self.lookup.missing(table.names)
        if not missing:
            return 0
        fd, st = self._upper.open(path + ".pack")
        try:
            if st.st_size > self._limits.pack_bytes:
                raise gitfiles.Refused(f"larger than {self._limits.pack_bytes} bytes")
            if not promisor and len(missing) <= min(_FEW, table.count // 4):
                pack = gitpack.Pack(fd, st.st_size, table, self._hash, budget)
                for oid in missing:
                    kind, content = pack.object(oid)
                    parts = iter((zlib.compress(b"%s %d\0%s" % (kind, len(content), content), 1),))
                    name = oid.hex()
                    self._write_loose(f"{self._path}/{name[:2]}/{name[2:]}", oid, budget,
                                      lambda parts=parts: next(parts, b""))  # type: ignore[misc]
                return len(missing)
            self._copy_pack(path, fd, st.st_size, index, table, budget, promisor=promisor)
            return 2
        finally:
            os.close(fd)

    def _copy_pack(self, path: str, source: int, length: int, index: bytes, table: gitpack.PackIndex,
                   budget: gitinflate.Budget, *, promisor: bool) -> None:
        """Copies a pack, checks the copy (the original can change meanwhile), and only then gives it its name."""
        directory = path.rpartition("/")[0]
        self._host.make_directory(directory)
        copy, temporary = self._host.temporary(directory, "tmp_pack_")
        try:
            try:
                digest = hashlib.sha256() if self._hash == "sha256" else hashlib.sha1()
                left = length - table.size
                while left > 0 and (data := os.read(source, min(_CHUNK, left))):
                    digest.update(data)
                    gitfiles.write_all(copy, data)
                    left -= len(data)
                if left or digest.digest() != table.pack_checksum:
                    raise gitinflate.Forged("the pack has a wrong checksum")
                gitfiles.write_all(copy, table.pack_checksum)
                gitpack.Pack(copy, length, table, self._hash, budget).verify()
            finally:
                os.close(copy)
            if promisor:
                self._put(path + ".promisor", b"")
            if not self._host.publish(temporary, path + ".pack"):
                raise gitfiles.Refused("there is another pack of that name outside")
        except BaseException:
            self._discard(temporary)
            raise
        self._put(path + ".idx", index)
        self.lookup.release()

    def _put(self, path: str, data: bytes) -> None:
        fd, temporary = self._host.temporary(path.rpartition("/")[0], "tmp_idx_")
        try:
            try:
                gitfiles.write_all(fd, data)
            finally:
                os.close(fd)
            self._host.publish(temporary, path)
        except BaseException:
            self._discard(temporary)
            raise
