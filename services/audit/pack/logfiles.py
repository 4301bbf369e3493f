"""The whole log as files: entry bundles and hash tiles in the C2SP tlog-tiles layout, 256 to a file.

Entries pass through while they are verified, so the log is read once and never held in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.audit.pack.archive import Archive
from services.ledger.merkle import leaf_hash, root_of
from services.ledger.ports import StoredEntry

WIDTH = 256
_LARGEST = 2**16 - 1


@dataclass(slots=True, kw_only=True)
class LogFiles:
    archive: Archive
    leaves: list[bytes] = field(default_factory=list)
    recorded: list[bytes] = field(default_factory=list)
    """The leaf hashes the database kept; an entry changed since then differs from its own."""
    _bundle: bytearray = field(default_factory=bytearray)

    def passing(self, entries: Iterator[StoredEntry], size: int) -> Iterator[StoredEntry]:
        """The first `size` entries, each written as it goes by."""
        for entry in entries:
            if len(self.leaves) >= size:
                return
            data = entry.envelope[:_LARGEST]
            self._bundle += len(data).to_bytes(2, "big") + data
            self.leaves.append(leaf_hash(entry.envelope))
            self.recorded.append(bytes.fromhex(entry.leaf_hash))
            if len(self.leaves) % WIDTH == 0:
                self._write_bundle()
            yield entry

    def finish(self) -> None:
        """Writes what remains, and the hash tiles above the entries."""
        if self._bundle:
            self._write_bundle()
        level, hashes = 0, self.recorded
        while hashes:
            for start in range(0, len(hashes), WIDTH):
                tile = hashes[start : start + WIDTH]
                name = tile_name(str(level), start // WIDTH, len(tile))
                self.archive.add(name, b"".join(tile), f"Hashes of level {level}")
            whole = len(hashes) // WIDTH * WIDTH
            hashes = [root_of(hashes[start : start + WIDTH]) for start in range(0, whole, WIDTH)]
            level += 1

    def _write_bundle(self) -> None:
        last = len(self.leaves)
        number = (last - 1) // WIDTH
        name = tile_name("entries", number, last - number * WIDTH)
        self.archive.add(name, bytes(self._bundle), f"Signed entries {number * WIDTH} to {last - 1}")
        self._bundle = bytearray()


def tile_name(kind: str, number: int, width: int) -> str:
    """`log/tile/entries/x001/234.p/17`: groups of three digits, and the width of a tile that is not full."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    return f"log/tile/{kind}/{'/'.join(groups)}" + (f".p/{width}" if width < WIDTH else "")
