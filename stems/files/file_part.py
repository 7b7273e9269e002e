"""A part of a file that is read as if it were a file."""

from __future__ import annotations

from pathlib import Path


class FilePart:
    """Some bytes of a file, under a name that every library can spell.

    Args:
        path: of the file.
        begin: the first byte.
        end: the byte after the last, None for all that follow.
    """

    def __init__(self, path: Path, begin: int = 0, end: int | None = None) -> None:
        self._file = open(path, "rb")  # noqa: SIM115
        self._begin = begin
        self._end = self._file.seek(0, 2) if end is None else end
        self._file.seek(begin)
        self.name = "song" + (path.suffix if path.suffix.isascii() and path.suffix.isprintable() else "")

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that follow where it is negative."""
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left))

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        base = (self._begin, self._file.tell(), self._end)[whence]
        return self._file.seek(max(self._begin, base + offset)) - self._begin

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell() - self._begin

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
