"""A song that was heard, opened to be separated in this way and that."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from threading import RLock

import numpy as np
import torch

from stems.cores import Cores
from stems.files.audio import Song, open_song
from stems.files.spool import SpooledSong, spooled
from stems.hints import as_toml, check_against
from stems.separator import Separator
from stems.song.encoded import EncodedSong
from stems.song.landmarks import Cells
from stems.studio.library import Wishes
from stems.studio.separation import Separation

MOST_SEPARATIONS = 8  # of a song, that are kept: what hints and sensitivities led to, some kilobytes each


class OneAtATime:
    """A song that any thread may read."""

    def __init__(self, song: Song | SpooledSong) -> None:
        self._song, self._lock = song, RLock()
        self.format, self.samples, self.seconds = song.format, song.samples, song.seconds

    def read(self, start: int, count: int) -> np.ndarray:
        """float32 (channels, count)."""
        with self._lock:
            return self._song.read(start, count)


class OpenSong:
    """A song that was heard, with its audio; close it in the end.

    Args:
        path: of its file.
        encoded: what it was heard as; is closed with it.
        separator: that heard it, without hints.
        cores: that share the work.

    Raises:
        AudioError: the file cannot be read any more.
    """

    def __init__(self, path: Path, encoded: EncodedSong, separator: Separator, cores: Cores) -> None:
        self.path, self.encoded, self.cores = path, encoded, cores
        self.model = separator.model
        self._separator = separator
        self._lock, self._finding = RLock(), RLock()  # so that what was found is had while other clusters are sought
        self._separations: OrderedDict[Wishes, Separation] = OrderedDict()
        self._closing = ExitStack()
        try:
            self._closing.callback(encoded.close)
            file = self._closing.enter_context(open_song(path))
            self.song = OneAtATime(self._closing.enter_context(spooled(file)))
        except BaseException:
            self._closing.close()
            raise
        self.grid = self.model.grid(self.song.format.sample_rate)

    def close(self) -> None:
        """Forgets what was opened."""
        with self._lock:
            self._closing.close()

    def known(self, key: str) -> Separation | None:
        """The separation of a key, if it was made not long ago."""
        with self._lock:
            return next((made for made in self._separations.values() if made.key == key), None)

    def separator_for(self, wishes: Wishes) -> Separator:
        """What separates the song under some hints.

        Raises:
            OptionError: where hints contradict each other.
        """
        return Separator(self.model, str(self._separator.device), wishes.hints)

    def separation(self, wishes: Wishes) -> Separation:
        """The song under some hints and sensitivities; what was found once is not sought again soon.

        Raises:
            OptionError: where hints contradict each other or lie outside of the song, or a stem is unknown.
        """
        with self._finding:
            with self._lock:
                if wishes in self._separations:
                    self._separations.move_to_end(wishes)
                    return self._separations[wishes]
            separator = self.separator_for(wishes)
            wishes.sensitivity.check_against(separator.stems)
            check_against(separator.hints, self.song, self.song.format.sample_rate)
            made = self._find(separator, wishes)
            with self._lock:
                self._separations[wishes] = made
                while len(self._separations) > MOST_SEPARATIONS:
                    self._separations.popitem(last=False)
            return made

    @torch.inference_mode()
    def _find(self, separator: Separator, wishes: Wishes) -> Separation:
        is_known = self.encoded.landmarks is not None
        self.encoded.keep(separator.frames_needed(self.grid, self.encoded.total, is_known), self.cores)
        masks, found = separator.masks(self.encoded, self.grid, wishes.sensitivity)
        self.encoded.forget_kept()
        if self.encoded.landmarks is None:
            weights = self.model.weigh(found.powers.gather(1, found.loudest))
            self.encoded.landmarks = Cells(found.contexts, found.powers, found.loudest, found.embeddings, weights)
        key = f"{wishes.sensitivity} {as_toml(separator.hints)}"
        return Separation(key, self.song, self.encoded, masks, found, self.cores)
