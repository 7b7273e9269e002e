"""Files that are being made, under hidden names, until they are whole; and what killed runs have left of such."""

from __future__ import annotations

import os
import shutil
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

HIDDEN = ".stems-"  # what names of unfinished files begin with
PARTIAL_SUFFIX = ".partial"
_REPLACED_SUFFIX = ".replaced"
PATIENCE_SECONDS = 2.0  # for workers of a run that was killed, which end by themselves
_ABANDONED_SECONDS = 86_400.0  # without a change, where a system cannot lock a folder

if sys.platform == "win32":

    def _lock(descriptor: int, wait: bool) -> None:
        """Does nothing: what is open cannot be removed there."""
else:
    import fcntl

    def _lock(descriptor: int, wait: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


class Unfinished:
    """A file or folder that is being made beside the place where it will stand.

    It is locked as long as its maker lives, so that a later run can tell it from what a killed one has left. What
    killed runs have left in the same folder is removed first.

    Args:
        destination: where it will stand.
        is_folder: make a folder.
        is_shared: others may make the same at the same time, and the last one stays.

    Attributes:
        path: where it is made; replace its content, never the file itself.

    Raises:
        FileExistsError: another run is making it.
        OSError: the folder cannot be written to.
    """

    def __init__(self, destination: Path, is_folder: bool = False, is_shared: bool = True) -> None:
        remove_abandoned(destination.parent)
        key = uuid.uuid4() if is_shared else uuid.uuid5(uuid.NAMESPACE_URL, destination.name)
        self.path = destination.with_name(f"{HIDDEN}{key.hex}{PARTIAL_SUFFIX}")
        self.destination = destination
        self._is_folder, self._is_finished = is_folder, False
        self._descriptor = -1
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._descriptor < 0:
            try:
                self._descriptor = self._make()
            except FileExistsError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                remove_abandoned(destination.parent)

    def _make(self) -> int:
        """Makes and locks it; -1 where another run has taken it for abandoned before it was locked."""
        if self._is_folder:
            self.path.mkdir()
            place, mode = (os.devnull if sys.platform == "win32" else self.path), os.O_RDONLY
        else:
            place, mode = self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(place, mode, 0o666)
        except FileNotFoundError:
            if self._is_folder:
                return -1
            raise
        with suppress(OSError):  # some network drives know no locks
            _lock(descriptor, wait=True)
        with suppress(FileNotFoundError):
            if sys.platform == "win32" or os.path.samestat(os.fstat(descriptor), self.path.stat()):
                return descriptor
        os.close(descriptor)
        return -1

    def finish(self) -> None:
        """Gives it its name, replacing what stands there, if that is a folder as well or a file as well."""
        replaced = self.path.with_suffix(_REPLACED_SUFFIX)
        try:
            if self._is_folder and self.destination.is_dir():  # one with something in it cannot be renamed over
                replaced.mkdir()
                os.replace(self.destination, replaced / self.destination.name)
            if sys.platform == "win32":  # where what is open cannot be renamed
                self._close()
            os.replace(self.path, self.destination)
            self._is_finished = True
        finally:
            self._close()
            _restore(replaced)

    def discard(self) -> None:
        """Removes it, where it was not finished."""
        if sys.platform == "win32":
            self._close()
        if not self._is_finished:
            _remove(self.path)
        self._is_finished = True
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def remove_abandoned(folder: Path) -> None:
    """Removes what killed runs have left in a folder, and nothing of those that are alive."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(HIDDEN)]
    except OSError:  # not made yet, or not to be read
        return
    for path in (folder / name for name in names):
        if path.suffix == _REPLACED_SUFFIX:
            _restore(path)
        elif path.suffix == PARTIAL_SUFFIX:
            with suppress(OSError):  # locked, or gone
                _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    if sys.platform == "win32":
        if path.is_file() or time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            _remove(path)
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        _lock(descriptor, wait=False)
        _remove(path)  # before anybody else can lock it
    finally:
        os.close(descriptor)


def _restore(replaced: Path) -> None:
    """Puts back what was to be replaced, if nothing took its place, and removes it if something did."""
    with suppress(OSError):  # never made, or another run is at it
        for kept in replaced.iterdir():
            if not (replaced.parent / kept.name).exists():
                os.replace(kept, replaced.parent / kept.name)
        shutil.rmtree(replaced)


def _remove(path: Path) -> None:
    with suppress(OSError):  # gone, or on Windows in use
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
