"""An Ogg file of one or several links, decoded one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stems.errors import AudioError
from stems.files.decoding import READABLE, Damaged, Decoder
from stems.files.file_part import FilePart
from stems.files.libav import Libav
from stems.files.ogg import Link
from stems.files.sndfile import Sndfile


class ChainedOgg:
    """Links each decoded as the file of its own that it is, see `stems.files.decoding.Decoder`.

    Vorbis by libsndfile, since FFmpeg miscounts where a link of it ends.
    """

    seekable = False

    def __init__(self, path: Path, links: Sequence[Link], track: int = 1, downmix: bool = False) -> None:
        self.path, self._track, self._downmix = path, track, downmix
        self._links = list(links[1:])
        self._now = self._open(links[0])
        self.format, self.layout_channels = self._now.format, self._now.layout_channels
        self.stated = None if self._links else self._now.stated
        self.may_lack = self._now.may_lack
        self._given = 0  # of this link

    def seek(self, sample: int) -> None:
        """Is never called, since compressed songs are only read forward."""
        raise NotImplementedError

    def read(self, count: int) -> npt.NDArray[np.floating]:
        """The next samples, `(samples, channels)`."""
        blocks = [self._now.read(count)]
        self._given += len(blocks[0])
        missing = count - len(blocks[0])
        while missing > 0 and self._links:
            if self._given < (self._now.stated or 0) - self._now.may_lack:
                raise Damaged
            self._now.close()
            self._now = self._open(self._links.pop(0))
            if self._now.format != self.format:
                raise AudioError(f"{self.path} changes its sample rate or its channels on the way: {READABLE}.")
            blocks.append(self._now.read(missing))
            self._given = len(blocks[-1])
            missing -= self._given
        return np.concatenate(blocks)

    def close(self) -> None:
        """Closes the file."""
        self._now.close()

    def _open(self, link: Link) -> Decoder:
        part = FilePart(self.path, link.begin, link.end)
        sound = Sndfile.opened(part) if link.is_vorbis and self._track == 1 and not self._downmix else None
        return sound or Libav(self.path, self._track, self._downmix, part)
