"""Files that lie elsewhere: object stores, web servers and machines over SFTP, all of them through fsspec."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from stems.errors import OptionError, PlaceError
from stems.files.destination import file_name

EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"} | {
    "https": "https",
    "http": "https",
    "sftp": "sftp",
    "ssh": "sftp",
    "memory": "memory",
}
"""Kinds of places, each with the extra of this project that brings what it needs."""

_STORES = ("s3", "gs", "az", "memory")
"""Where what is uploaded shows at once and whole; elsewhere it is uploaded beside its name and renamed."""

_LISTED = ("s3", "gs", "az", "https")
"""Whose file systems would keep listings, which then know neither what others nor what we write."""

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)

_SEPARATORS = re.compile(r"[/\\]")
"""Of names, on any system."""


@dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder elsewhere, by its URL; joined and taken apart as a `Path` is."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, below: str | PurePath) -> RemotePath:
        part = below.as_posix() if isinstance(below, PurePath) else below
        return self if part in ("", ".") else RemotePath(f"{self.url.rstrip('/')}/{part}")

    @property
    def scheme(self) -> str:
        """The kind of the place, such as `s3`."""
        return self.url.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """What the file is called."""
        path = self.url
        if EXTRAS[self.scheme] == "https":  # whose names are quoted, and may have a signature after them
            path = unquote(urlsplit(self.url).path)
        return path.rstrip("/").rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePath(self.name).stem

    @property
    def suffix(self) -> str:
        """What the name ends in, with its dot."""
        return PurePath(self.name).suffix

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        scheme, _, path = self.url.partition("://")
        return RemotePath(f"{scheme}://{path.rstrip('/').rpartition('/')[0]}")


Place = Path | RemotePath
"""A file or folder on this machine or elsewhere."""


def is_remote(text: str) -> bool:
    """Whether a text names a file elsewhere; `file://` does not."""
    return bool(_URL.match(text)) and not text.lower().startswith("file://")


def place(text: str) -> Place:
    """What a text names.

    Raises:
        OptionError: it is a URL of a kind that is not known here.
    """
    found = _URL.match(text)
    if not found:
        return Path(text)
    if found[1].lower() == "file":
        from urllib.request import url2pathname  # which loads all that the web needs

        return Path(url2pathname(urlsplit(text).path))
    if found[1].lower() not in EXTRAS:
        kinds = ", ".join(f"{scheme}://" for scheme in ("s3", "gs", "az", "https", "sftp", "memory"))
        raise OptionError(f"{text} is no place that is known here: it may begin with {kinds}.")
    return RemotePath(text)


def fetch(source: RemotePath, destination: Path) -> None:
    """Copies a file to this machine.

    Raises:
        PlaceError: it is not there, or cannot be reached.
    """
    with _in_words(source):
        system, path = _system(source)
        system.get_file(path, str(destination))
        if not destination.is_file():
            raise FileNotFoundError(source.url)


@contextmanager
def on_this_machine(there: Place) -> Iterator[Path]:
    """A file, or a folder with all files below it, as one that can be opened here; what was fetched is removed later.

    Raises:
        PlaceError: it is not there, or cannot be reached.
    """
    if isinstance(there, Path):
        yield there
        return
    with TemporaryDirectory(prefix="stems-") as folder:
        here = Path(folder) / (file_name(there.name) or "song")
        files = [] if EXTRAS[there.scheme] == "https" else below(there)
        if files in ([], [there]):
            fetch(there, here)
        for file in files if files != [there] else ():
            path = here / file.url.removeprefix(there.url.rstrip("/") + "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            fetch(file, path)
        yield here


def fetch_text(source: RemotePath) -> str | None:
    """The text of a small file; None where there is none. Raises PlaceError where it cannot be reached."""
    with _in_words(source):
        system, path = _system(source)
        with suppress(FileNotFoundError):
            return str(system.cat_file(path).decode("utf-8", "replace"))
    return None


def upload(files: Mapping[Path, RemotePath]) -> None:
    """Copies files of this machine elsewhere; each shows under its name once it is whole.

    Raises:
        PlaceError: one cannot be written.
    """
    for file, destination in files.items():
        with _in_words(destination):
            system, path = _system(destination)
            if EXTRAS[destination.scheme] in _STORES:
                system.put_file(str(file), path)
                continue
            folder, _, name = path.rpartition("/")
            unfinished = f"{folder}/.stems-{uuid.uuid4().hex}.partial"
            system.makedirs(folder, exist_ok=True)
            try:
                system.put_file(str(file), unfinished)
                system.mv(unfinished, f"{folder}/{name}")
            except BaseException:
                with suppress(Exception):
                    system.rm_file(unfinished)
                raise


def remove(there: RemotePath) -> None:
    """Removes a file. Raises PlaceError where it cannot be reached."""
    with _in_words(there), suppress(FileNotFoundError):
        system, path = _system(there)
        system.rm_file(path)


def exists(there: Place) -> bool:
    """Whether a file is there. Raises PlaceError where that cannot be told."""
    if isinstance(there, Path):
        return there.exists()
    with _in_words(there):
        system, path = _system(there)
        return bool(system.exists(path))


@contextmanager
def opened(there: RemotePath, block_bytes: int = 2**16) -> Iterator[Any]:
    """A file to read from at any position, of which only blocks that are looked at are fetched.

    Raises:
        PlaceError: it is not there, or cannot be reached.
    """
    with _in_words(there):
        system, path = _system(there)
        with system.open(path, "rb", block_size=block_bytes, cache_type="readahead") as file:
            yield file


def below(folder: RemotePath) -> list[RemotePath]:
    """All files below a folder, or those that a pattern such as `s3://bucket/*/*.flac` names, sorted.

    Raises:
        PlaceError: the place cannot be reached, or holds a name that leads out of it.
    """
    with _in_words(folder):
        system, path = _system(folder)
        pattern = has_magic(path) and not system.exists(path)
        found = system.glob(path) if pattern else system.find(path)
        for name in found:
            if ".." in _SEPARATORS.split(name) and ".." not in _SEPARATORS.split(path):  # as keys of stores may have it
                raise PlaceError(f"{folder} holds {name}, which leads out of it: rename it, or name files one by one.")
        before = folder.url.rstrip("/").removesuffix(path.strip("/"))  # some file systems' names have no host
        return [RemotePath(before + name.lstrip("/")) for name in sorted(found)]


def check_writable(folder: RemotePath) -> None:
    """Raises PlaceError or OptionError, before any work, where nothing could be written to a place."""
    if EXTRAS[folder.scheme] == "https":
        raise OptionError(f"{folder} can be read, but not written to: choose another --out.")
    with _in_words(folder):
        system, path = _system(folder)
        bucket = path.strip("/").partition("/")[0]
        if EXTRAS[folder.scheme] in _LISTED:
            try:
                known = system.exists(bucket)
            except PermissionError:
                return  # who may write below a prefix need not be allowed to look at all of the bucket
            if not known:
                raise FileNotFoundError(f"bucket {bucket}")
        else:
            system.exists(path)


def _system(there: RemotePath) -> tuple[Any, str]:
    """The file system of a place, and the path in it."""
    import fsspec

    kind = EXTRAS[there.scheme]
    options: dict[str, Any] = {"use_listings_cache": False} if kind in _LISTED else {}
    if kind == "sftp":
        from stems.files.known_hosts import KnownHosts

        machine, slash, path = there.url.partition("://")[2].partition("/")  # names may have # and ? in them
        system, _ = fsspec.core.url_to_fs(f"sftp://{machine}/", host_key_policy=KnownHosts)
        return system, slash + path
    system, path = fsspec.core.url_to_fs(there.url, **options)
    return system, path


@contextmanager
def _in_words(there: RemotePath) -> Iterator[None]:
    """Turns what goes wrong at a place into one sentence with a remedy."""
    try:
        yield
    except (PlaceError, OptionError):
        raise
    except ImportError as error:
        extra = EXTRAS[there.scheme]
        raise PlaceError(f"{there.scheme}:// needs a package: pip install 'openband-stems[{extra}]'.") from error
    except FileNotFoundError as error:
        if "bucket" in str(error):
            bucket = there.url.partition("://")[2].partition("/")[0]
            raise PlaceError(f"{there}: there is no bucket {bucket}: make it first, or check its name.") from error
        raise PlaceError(f"{there} does not exist: check its name.") from error
    except Exception as error:  # of as many kinds as there are libraries below fsspec
        raise PlaceError(_reason(there, error)) from error


def _reason(there: RemotePath, error: Exception) -> str:
    kinds = {kind.__name__ for kind in type(error).__mro__}
    text = " ".join(str(error).split()) or type(error).__name__
    if any("Credential" in kind for kind in kinds):
        return f"{there} needs credentials, and none were found: set them as its other tools have them set."
    if kinds & {"PermissionError", "AuthenticationException"}:
        return f"{there} may not be used with these credentials ({text}): check them and what they allow."
    return f"{there} cannot be reached ({text}): check the name, the network and the endpoint."
