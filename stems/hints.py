"""Hints: what a listener knows of a song, such as `vocals=0:31-0:35.5` or `bass=1:10-1:12@40-250Hz`."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stems.clock import clock
from stems.errors import OptionError
from stems.files.toml import read_toml
from stems.limits import can_name_a_file

if TYPE_CHECKING:
    from stems.song.level import Readable

SHORTEST_SECONDS = 0.1
SILENT_DB = -80.0  # a span whose loudest block is below has nothing to hear
RESERVED_NAMES = ("mixture", "hints")  # which files beside the stems have

_TIME = r"(?:\d+:[0-5]?\d:[0-5]?\d|\d+:[0-5]?\d|\d+)(?:\.\d+)?"
_HINT = re.compile(
    rf"(?P<stem>[^=]+)=\s*(?P<start>{_TIME})\s*-\s*(?P<end>{_TIME})\s*"
    r"(?:@\s*(?P<low>\d+(?:\.\d+)?)\s*-\s*(?P<high>\d+(?:\.\d+)?)\s*(?P<unit>k?Hz)\s*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Hint:
    """In this span, and in this band, a song is mostly one stem.

    Attributes:
        stem: one of the model's, or the name of a further one.
        start: seconds.
        end: seconds.
        low_hz: lower end of the band.
        high_hz: upper end of the band.
    """

    stem: str
    start: float
    end: float
    low_hz: float = 0.0
    high_hz: float = inf

    @classmethod
    def parse(cls, text: str) -> Hint:
        """Reads `STEM=START-END` or `STEM=START-END@LOW-HIGHHz`; times are seconds, m:ss or h:mm:ss.

        Raises:
            OptionError: where it is none.
        """
        found = _HINT.fullmatch(text.strip())
        if found is None:
            raise OptionError(
                f"The hint {text!r} is not of the form STEM=START-END: write vocals=0:31-0:35.5, or with a band "
                "bass=1:10-1:12@40-250Hz."
            )
        name = found["stem"].strip().lower()
        if not can_name_a_file(name) or name in RESERVED_NAMES:
            raise OptionError(
                f"The hint {text!r} names a stem that cannot be part of a file's name: call it otherwise."
            )
        start, end = _seconds(found["start"]), _seconds(found["end"])
        if round(end - start, 3) < SHORTEST_SECONDS:
            raise OptionError(f"The hint {text!r} spans less than {SHORTEST_SECONDS:g} s: end it later.")
        if found["unit"] is None:
            return cls(name, start, end)
        unit = 1000 if found["unit"].lower() == "khz" else 1
        low, high = float(found["low"]) * unit, float(found["high"]) * unit
        if not low < high:
            raise OptionError(f"The band of the hint {text!r} is empty: give the lower end first, such as 40-250Hz.")
        return cls(name, start, end, low, high)

    def __str__(self) -> str:
        band = "" if self.high_hz == inf else f"@{self.low_hz:.10g}-{self.high_hz:.10g}Hz"
        return f"{self.stem}={clock(self.start)}-{clock(self.end)}{band}"

    def contradicts(self, other: Hint) -> bool:
        """Whether another hint gives some of the same sound to another stem."""
        in_time = self.start < other.end and other.start < self.end
        in_band = self.low_hz < other.high_hz and other.low_hz < self.high_hz
        return self.stem != other.stem and in_time and in_band


def _seconds(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return round(total, 3)  # so that texts and seconds are the same hints


def gather(given: Iterable[str | os.PathLike[str] | Hint], known: Sequence[str]) -> tuple[Hint, ...]:
    """Hints from hints, texts and paths of TOML files, in a fixed order.

    Args:
        given: a text that ends in `.toml` is a path.
        known: names of the model's stems.

    Raises:
        OptionError: where one is no hint, or two contradict each other.
    """
    found: set[Hint] = set()
    for each in (given,) if isinstance(given, str) else given:
        if isinstance(each, Hint):
            found.add(each)
        elif str(each).lower().endswith(".toml"):
            found.update(read_hints(Path(each)))
        else:
            found.add(Hint.parse(str(each)))
    hints = tuple(sorted(found, key=lambda hint: (hint.start, hint.end, hint.stem, hint.low_hz, hint.high_hz)))
    for hint in hints:
        for name in known:
            if hint.stem != name and hint.stem.rstrip("s") == name.rstrip("s"):
                raise OptionError(f"The hint {hint} names {hint.stem!r}, which is not the stem {name!r}: write {name}.")
    for one, other in combinations(hints, 2):
        if one.contradicts(other):
            raise OptionError(
                f"The hints {one} and {other} give the same sound to two stems: shorten one of them, or give them "
                "bands that do not overlap."
            )
    return hints


def read_hints(path: Path) -> tuple[Hint, ...]:
    """The hints of a TOML file, in which each stem has a list of spans: `vocals = ["0:31-0:35.5"]`.

    Raises:
        OptionError: where the file cannot be read, or holds something else.
    """
    data = read_toml(path, OptionError, "give the path of a TOML file with hints")
    for stem, spans in data.items():
        if not isinstance(spans, list) or not all(isinstance(span, str) for span in spans):
            raise OptionError(f'{path}: {stem} must be a list of spans, such as {stem} = ["0:31-0:35.5"].')
    return tuple(Hint.parse(f"{stem}={span}") for stem, spans in data.items() for span in spans)


def as_toml(hints: Iterable[Hint]) -> str:
    """The text of a file that `read_hints` reads."""
    spans: dict[str, list[str]] = {}
    for hint in hints:
        spans.setdefault(hint.stem, []).append(str(hint).partition("=")[2])
    quoted = {stem: ", ".join(f'"{span}"' for span in found) for stem, found in spans.items()}
    return "".join(f'"{stem}" = [{found}]\n' for stem, found in quoted.items())


def own_stems(hints: Iterable[Hint], known: Collection[str]) -> tuple[str, ...]:
    """The stems that hints name and the model does not know, in the order in which they first sound."""
    return tuple(dict.fromkeys(hint.stem for hint in hints if hint.stem not in known))


def check_against(hints: Iterable[Hint], song: Readable, sample_rate: float) -> None:
    """Raises OptionError where a hint lies outside of a song, or where nothing is to be heard in it."""
    seconds = song.samples / sample_rate
    for hint in hints:
        if hint.end > seconds + SHORTEST_SECONDS or seconds - hint.start < SHORTEST_SECONDS:
            raise OptionError(f"The hint {hint} lies outside of the song, which ends at {clock(seconds)}: move it.")
        if hint.low_hz >= sample_rate / 2:
            raise OptionError(f"The band of the hint {hint} lies above {sample_rate / 2:g} Hz, where the song ends.")
    for hint in hints:
        if _loudest_db(hint, song, sample_rate) < SILENT_DB:
            where = "" if hint.high_hz == inf else " in its band"
            raise OptionError(f"The hint {hint} is silent{where}: choose a span in which {hint.stem} can be heard.")


def _loudest_db(hint: Hint, song: Readable, sample_rate: float) -> float:
    """Level of the loudest block in the span and band of a hint; 0 dB is a sine of full scale."""
    stop = min(song.samples, round(hint.end * sample_rate))
    size = max(16, round(sample_rate / 10))
    loudest = 0.0
    for start in range(round(hint.start * sample_rate), stop, size):
        audio = song.read(start, min(size, stop - start))
        taper = np.hanning(audio.shape[1] + 2)[1:-1]
        spectrum = np.fft.rfft(audio * taper / max(taper.sum() / 2, 1e-9))
        hz = np.fft.rfftfreq(audio.shape[1], 1 / sample_rate)
        step = sample_rate / audio.shape[1]
        inside = (hz > hint.low_hz - step) & (hz < hint.high_hz + step)
        loudest = max(loudest, float(np.abs(spectrum[:, inside]).max()))
    return 20 * float(np.log10(max(loudest, 1e-12)))
