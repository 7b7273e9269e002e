"""What becomes of one song: what is written, in which form, from what; made once, before any work."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stems.batch.plan import Settings, hints_path, output_paths
from stems.batch.tasks import Task
from stems.clock import clock
from stems.errors import OptionError
from stems.files.audio import Song, is_alike
from stems.files.formats import OPUS_RATE, AudioFormat, output_format
from stems.hints import as_toml, check_against

HINTS_NOTE = "# The hints that this song was split with.\n"


@dataclass(frozen=True)
class SongPlan:
    """What becomes of one song.

    Attributes:
        task: the song, and what its files are called by.
        song: its file.
        settings: how it is split.
        format: of the files.
        outputs: where each goes, by name.
        is_finished: whether an earlier run has written all of them, with the same hints and in the same way, of the
            same of the song.
        is_outdated: whether the song has changed since: it is newer than one of them.
    """

    task: Task
    song: Path
    settings: Settings
    format: AudioFormat
    outputs: dict[str, Path]
    is_finished: bool
    is_outdated: bool

    @property
    def is_skipped(self) -> bool:
        """Whether nothing is to be split."""
        return self.is_finished and not self.settings.overwrite

    @property
    def note(self) -> str:
        """What the user should know of a song that is skipped."""
        return "The song is newer than its stems: --overwrite splits it again." if self.is_outdated else ""


def plan_song(song: Song, task: Task, settings: Settings) -> SongPlan:
    """The plan of a song, which can be carried out as far as its header tells.

    Raises:
        OptionError: where it cannot: a stem would replace the song, a hint lies outside of it, or a project could not
            hold its stems.
    """
    form = output_format(song.format, settings.container, settings.bit_depth)
    if settings.daw and form.container == "opus" and form.sample_rate != OPUS_RATE:
        raise OptionError(
            f"{song.path} is at {form.sample_rate} Hz and its opus stems would be at {OPUS_RATE} Hz, which no project "
            "puts together: choose another --format, or leave --daw out."
        )
    outputs = output_paths(task, settings, form.container)
    there = [path for path in outputs.values() if path.exists()]
    check_not_replaced(song.path, there)
    check_against(settings.hints, song, song.format.sample_rate)
    is_same = kept_hints(hints_path(task, settings)) == hints_of(settings)
    is_finished = len(there) == len(outputs) and is_same
    is_finished = is_finished and is_alike(there[0], song, form.encoding)
    is_outdated = is_finished and min(path.stat().st_mtime for path in there) < song.path.stat().st_mtime
    return SongPlan(task, song.path, settings, form, outputs, is_finished, is_outdated)


def check_not_replaced(song: Path, files: Iterable[Path]) -> None:
    """Raises OptionError where a song is one of the files, which are there, that are made of it."""
    for path in files:
        if path.samefile(song):
            raise OptionError(f"{path} is the song itself, which its stems must not replace: choose another --out.")


def hints_of(settings: Settings) -> str:
    """What is kept beside stems, so that others are not taken for them: hints, part of the file, and unusual settings.

    Another passage may be as long, and another track always is.
    """
    reading = settings.reading
    part = [f"track {reading.track}"] if reading.track > 1 else []
    if reading.begin or reading.end is not None:
        part.append(f"{clock(reading.begin)}-{'' if reading.end is None else clock(reading.end)}")
    usual = Settings(settings.preset)
    way = [f"sensitivity {settings.sensitivity}"] if settings.sensitivity != usual.sensitivity else []
    way += [f"clip mode {settings.clip_mode}"] if settings.clip_mode != usual.clip_mode else []
    way += [f"effects {json.dumps(settings.preset.chains, sort_keys=True)}"] if settings.preset.chains else []
    lines = [f"# {word} {', '.join(parts)}.\n" for word, parts in (("Of", part), ("By", way)) if parts]
    return "".join(lines) + as_toml(settings.hints)


def kept_hints(path: Path) -> str:
    """What an earlier run has kept there; nothing where the file is not ours."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return text.removeprefix(HINTS_NOTE) if text.startswith(HINTS_NOTE) else ""
