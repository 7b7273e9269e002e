"""A file of what became of each song: JSON lines or Parquet."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stems.batch.outcome import Result
from stems.errors import OptionError
from stems.files.destination import check_can_be_written, whole
from stems.files.remote import RemotePath, check_writable, exists, fetch, place, upload

_LINES = (".jsonl", ".ndjson", ".json")
_ROWS_AT_ONCE = 4096
_FIGURES = ("seconds", "elapsed", "loudness")


class ResultsFile:
    """What became of each song, a row for each, written as the songs end.

    Rows of earlier runs stay, but for songs of which there is a new one; a song that is skipped keeps its earlier row,
    which has its figures. A run that is killed leaves the rows that it has written, those for Parquet in
    `NAME.parquet.jsonl`, with which the next one goes on. Use it in a `with` block.

    Args:
        name: of the file, `.jsonl`, `.json`, `.ndjson` or `.parquet`, on this machine or elsewhere.

    Raises:
        OptionError: it has another suffix, or cannot be written or read.
        PlaceError: its place cannot be reached.
    """

    def __init__(self, name: str) -> None:
        self.where = place(name)
        self._suffix = self.where.suffix.lower()
        if self._suffix not in (*_LINES, ".parquet"):
            raise OptionError(f"--results {name} must end in .jsonl or .parquet, which is its format.")
        if self._suffix == ".parquet" and find_spec("pyarrow") is None:
            raise OptionError(f"--results {name} needs pyarrow: pip install 'openband-stems[parquet]'.")
        if isinstance(self.where, RemotePath):
            check_writable(self.where.parent)
            self._folder = TemporaryDirectory(prefix="stems-")
            self._file = Path(self._folder.name) / f"results{self._suffix}"
            if exists(self.where):
                fetch(self.where, self._file)
        else:
            self._file = self.where
            check_can_be_written(self._file, OptionError)
        self._journal = self._file if self._suffix in _LINES else self._file.with_name(f"{self._file.name}.jsonl")
        try:
            for row in self._all():  # before any work: it may be something else
                if not isinstance(row, dict) or not isinstance(row.get("song"), str):
                    raise ValueError("a row names no song")
        except (ValueError, OSError) as error:
            raise OptionError(f"--results {name} holds something else ({error}): name another file.") from error

    def __enter__(self) -> ResultsFile:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        torn = self._journal.exists() and _is_torn(self._journal)
        self._rows = open(self._journal, "a", encoding="utf-8")
        self._rows.write("\n" * torn)
        return self

    def add(self, result: Result) -> None:
        """Writes the row of a song that is over.

        Raises:
            OptionError: the disk is full.
        """
        try:
            self._rows.write(json.dumps(result.as_json()) + "\n")
            self._rows.flush()
        except OSError as error:
            remedy = "free some space, or name another file"
            raise OptionError(f"--results {self.where} cannot be written ({error.strerror}): {remedy}.") from error

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        with whole(self._file, OptionError) as unfinished:
            _write_parquet(unfinished, self._kept()) if self._suffix == ".parquet" else _write(unfinished, self._kept())
        if self._journal != self._file:
            self._journal.unlink()
        if isinstance(self.where, RemotePath):
            upload({self._file: self.where})
            self._folder.cleanup()

    def _kept(self) -> Iterator[dict[str, Any]]:
        """The row that counts of each song, in the order in which these were written."""
        last: dict[str, int] = {}
        for number, row in enumerate(self._all()):
            if row.get("status") != "skipped" or row["song"] not in last:
                last[row["song"]] = number
        kept = set(last.values())
        return (row for number, row in enumerate(self._all()) if number in kept)

    def _all(self) -> Iterator[dict[str, Any]]:
        if self._suffix == ".parquet" and self._file.exists():
            yield from _read_parquet(self._file)
        if self._journal.exists():
            yield from _read(self._journal)


def _read(path: Path) -> Iterator[Any]:
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                if line[:1] != "{":  # as the last row of a run that was killed does not
                    raise


def _is_torn(path: Path) -> bool:
    """Whether the last row was not written to its end, as that of a run that was killed."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read() not in (b"", b"\n")


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _schema() -> Any:
    import pyarrow as pa

    texts, numbers = pa.map_(pa.string(), pa.string()), pa.map_(pa.string(), pa.float64())
    return pa.schema(
        [("song", pa.string()), ("status", pa.string())]
        + [(figure, pa.float64()) for figure in _FIGURES]
        + [("tempo_bpm", pa.float64()), ("key", pa.string())]
        + [("confidence", numbers), ("silhouette", numbers), ("checksum", pa.string())]
        + [("outputs", texts), ("exports", pa.list_(pa.string())), ("note", pa.string()), ("error", pa.string())]
    )


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    def written(some: list[dict[str, Any]]) -> None:
        rows = [{key: [*v.items()] if isinstance(v, dict) else v for key, v in row.items()} for row in some]
        writer.write_table(pa.Table.from_pylist(rows, schema=_schema()))

    with ParquetWriter(os.fspath(path), _schema()) as writer:
        some: list[dict[str, Any]] = []
        for row in rows:
            some.append(row)
            if len(some) == _ROWS_AT_ONCE:
                written(some)
                some = []
        written(some)


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                yield {key: value for key, value in row.items() if value is not None}
