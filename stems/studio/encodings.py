"""What songs were heard as, kept on disk in bounded space: those that were not used for longest go first."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

import torch

from stems.errors import AudioError
from stems.files.destination import whole
from stems.files.unfinished import remove_abandoned
from stems.model import Model
from stems.network.precision import fastest_precision
from stems.song.encoded import EncodedSong
from stems.song.frames import Frames

FORMAT = 1
PARTS = ("frames", "textures", "levels")
_PRECISIONS = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


class Encodings:
    """Encoded songs in a folder, by the ids of the songs.

    An encoding takes some 13 MB for a minute of song, of which levels, textures and what the recurrent layers give are
    what clustering and masks need.

    Args:
        folder: is made where it is missing.
        model: that heard them; those of another are not used.
        most_bytes: that all of them may take.
    """

    def __init__(self, folder: Path, model: Model, most_bytes: int) -> None:
        self.folder, self.model, self.most_bytes = folder, model, most_bytes
        self._lock = RLock()
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)

    def has(self, key: str, song: Path) -> bool:
        """Whether the song of an id was heard, as it is now and by this model."""
        return self._about(key, song) is not None

    def keep(self, key: str, song: Path, encoded: EncodedSong) -> None:
        """Keeps what a song was heard as, and lets go of others where there is no room.

        Raises:
            AudioError: the disk is full.
        """
        about: dict[str, Any] = {"of": self._identity(song), "total": encoded.total, "gain": encoded.gain}
        with self._lock, whole(self.folder / key, AudioError, is_folder=True) as unfinished:
            for part in PARTS:
                frames: Frames | None = getattr(encoded, part)
                if frames is not None:
                    frames.save(unfinished / part)
                    precision = str(frames.precision).removeprefix("torch.")
                    about[part] = {"total": frames.total, "size": frames.size, "precision": precision}
            (unfinished / "about.json").write_text(json.dumps(about), encoding="utf-8")
        self._make_room(key)

    def open(self, key: str, song: Path) -> EncodedSong | None:
        """What a song was heard as; None where that is not known any more."""
        with self._lock:
            about = self._about(key, song)
            if about is None:
                return None
            network, device = self.model.network, self.model.network.scale.device
            try:
                parts = {part: self._frames(key, part, about[part]) for part in PARTS if part in about}
                os.utime(self.folder / key / "about.json")
            except (OSError, KeyError, TypeError):
                return None
            if not {"frames", "levels"} <= set(parts):
                return None
            return EncodedSong(
                recurrent=network.recurrent,
                total=about["total"],
                gain=about["gain"],
                frames=parts["frames"],
                textures=parts.get("textures"),
                levels=parts["levels"],
                kept=torch.arange(0),
                kept_contexts=torch.empty(0, network.context_size, dtype=torch.float16, device=device),
                kept_levels=torch.empty(2, 0, self.model.design.bands.count, device=device),
            )

    def remove(self, key: str) -> None:
        """Forgets what a song was heard as."""
        with self._lock:
            shutil.rmtree(self.folder / key, ignore_errors=True)

    def _frames(self, key: str, part: str, about: dict[str, Any]) -> Frames:
        return Frames(about["total"], about["size"], _PRECISIONS[about["precision"]], self.folder / key / part)

    def _about(self, key: str, song: Path) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / key / "about.json").read_text(encoding="utf-8"))
            return found if isinstance(found, dict) and found["of"] == self._identity(song) else None
        except (OSError, ValueError, KeyError):
            return None

    def _identity(self, song: Path) -> list[Any]:
        """Of what an encoding is, and by what it was made."""
        status = song.stat()
        precision = str(fastest_precision(self.model.network.scale.device))
        return [FORMAT, self.model.card.get("sha256"), precision, status.st_size, status.st_mtime_ns]

    def _make_room(self, newest: str) -> None:
        with self._lock:
            sizes, used = {}, {}
            for place in self.folder.iterdir():
                with suppress(OSError):
                    sizes[place.name] = sum(file.stat().st_size for file in place.iterdir())
                    used[place.name] = (place / "about.json").stat().st_mtime
            for key in sorted(used, key=lambda key: used[key]):
                if key != newest and sum(sizes.values()) > self.most_bytes:
                    self.remove(key)
                    del sizes[key]
