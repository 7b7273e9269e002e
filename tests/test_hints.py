"""Hints as text, in files, and against the song that they are about."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from stems.clock import clock
from stems.errors import OptionError
from stems.hints import Hint, as_toml, check_against, gather, own_stems, read_hints

KNOWN = ("drums", "bass", "vocals", "other")


class Array:
    def __init__(self, audio: np.ndarray) -> None:
        self.audio, self.samples = audio, audio.shape[1]

    def read(self, start: int, count: int) -> np.ndarray:
        assert 0 <= start <= start + count <= self.samples
        return self.audio[:, start : start + count]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("vocals=0:31-0:35.5", Hint("vocals", 31, 35.5)),
        ("drums=0:00-0:04", Hint("drums", 0, 4)),
        ("bass=1:10-1:12@40-250Hz", Hint("bass", 70, 72, 40, 250)),
        (" Lead Guitar = 70 - 72.25 @ 0.5-2 kHz ", Hint("lead guitar", 70, 72.25, 500, 2000)),
        ("strings=1:02:03-1:02:04", Hint("strings", 3723, 3724)),
    ],
)
def test_hints_are_read(text: str, hint: Hint) -> None:
    assert Hint.parse(text) == hint
    assert Hint.parse(str(hint)) == hint


@given(
    some.text(some.characters(categories=["Ll", "Nd"]), min_size=1, max_size=9),
    some.integers(0, 10**7),
    some.integers(100, 10**6),
    some.none() | some.tuples(some.integers(0, 20_000), some.integers(1, 2000)),
)
def test_every_hint_survives_as_text(stem: str, start: int, length: int, band: tuple[int, int] | None) -> None:
    limits = (0.0, inf) if band is None else (band[0], sum(band))
    hint = Hint(stem.lower(), start / 1000, (start + length) / 1000, *limits)
    assert Hint.parse(str(hint)) == hint


@pytest.mark.parametrize(
    "text",
    ["", "vocals", "vocals=", "vocals=0:31", "=0:31-0:32", "vocals=0:31-0:32@", "vocals=0:31-0:32@40Hz", "vocals=-1-2",
     "vocals=a-b", "vocals=0:31-0:32@40-250", "vocals=1-2,3-4", "vocals=1-2@40-250Hz@3-4Hz", "vocals=nan-inf",
     "vocals=0:05-0:99", "vocals=0:05-1:60:00"],
)  # fmt: skip
def test_what_is_no_hint_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"not of the form STEM=START-END: write vocals=0:31-0:35\.5"):
        Hint.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vocals=0:35-0:31", "spans less than 0.1 s"),
        ("vocals=0:31-0:31.05", "spans less than 0.1 s"),
        ("bass=0:31-0:32@250-40Hz", "is empty: give the lower end first"),
        ("a/b=0:31-0:32", "cannot be part of a file's name"),
        (".hidden=0:31-0:32", "cannot be part of a file's name"),
        ("a\nb=0:31-0:32", "cannot be part of a file's name"),
    ],
)
def test_impossible_hints_are_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Hint.parse(text)


def test_hints_come_from_texts_files_and_objects_in_one_order(tmp_path: Path) -> None:
    path = tmp_path / "song.toml"
    path.write_text('vocals = ["0:31-0:35.5", "0:01-0:02"]\nbass = ["1:10-1:12@40-250Hz"]\n')
    texts = ["bass=1:10-1:12@40-250Hz", "vocals=0:31-0:35.5", "vocals=1-2"]
    hints = gather([path], KNOWN)
    assert [hint.start for hint in hints] == [1, 31, 70]
    assert gather(texts, KNOWN) == gather(map(Hint.parse, texts), KNOWN) == gather([str(path), *texts], KNOWN) == hints
    assert gather("vocals=1-2", KNOWN) == (Hint("vocals", 1, 2),)
    path.write_text(as_toml(hints))
    assert gather([path], KNOWN) == hints
    assert as_toml(()) == "" and gather((), KNOWN) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("vocals = 3", 'vocals must be a list of spans, such as vocals = ["0:31-0:35.5"]'),
        ("vocals = [3]", "must be a list"),
        ("vocals", "is not TOML"),
        ('vocals = ["3"]', "not of the form"),
    ],
)
def test_files_without_hints_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "song.toml"
    path.write_text(content)
    with pytest.raises(OptionError) as caught:
        read_hints(path)
    assert message in str(caught.value)
    with pytest.raises(OptionError, match=r"nosuch\.toml cannot be read"):
        gather(["nosuch.toml"], KNOWN)


@pytest.mark.parametrize(
    ("first", "second", "contradict"),
    [
        ("vocals=1-3", "drums=2-4", True),
        ("vocals=1-3", "drums=3-4", False),
        ("vocals=1-3", "vocals=2-4", False),
        ("vocals=1-3@300-4000Hz", "bass=1-3@40-300Hz", False),
        ("vocals=1-3@300-4000Hz", "bass=1-3@40-301Hz", True),
        ("vocals=1-3", "bass=2-2.5@40-100Hz", True),
    ],
)
def test_the_same_sound_cannot_be_two_stems(first: str, second: str, contradict: bool) -> None:
    if contradict:
        with pytest.raises(OptionError, match="give the same sound to two stems") as caught:
            gather([second, first], KNOWN)
        assert str(Hint.parse(first)) in str(caught.value) and str(Hint.parse(second)) in str(caught.value)
    else:
        assert len(gather([first, second], KNOWN)) == 2


def test_own_stems_are_those_that_no_model_knows() -> None:
    hints = gather(["guitar=9-10", "vocals=1-2", "brass=5-6", "guitar=3-4"], KNOWN)
    assert own_stems(hints, KNOWN) == ("guitar", "brass")
    with pytest.raises(OptionError, match="which is not the stem 'vocals': write vocals"):
        gather(["vocal=1-2"], KNOWN)


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_hints_are_checked_against_the_song(rate: int, channels: int) -> None:
    time = np.arange(4 * rate) / rate
    tone = 0.1 * np.sin(2 * np.pi * 1000 * time) * (time > 2)
    song = Array(np.stack([tone] * channels).astype(np.float32))
    check_against(gather(["vocals=2.2-4.0", "bass=1.5-2.1@900-1100Hz"], KNOWN), song, rate)
    for text, message in (
        ("vocals=3-4.2", "lies outside of the song, which ends at 0:04"),
        ("vocals=9-10", "lies outside of the song"),
        ("vocals=0-1.9", "vocals=0:00-0:01.9 is silent: choose a span in which vocals can be heard"),
        ("bass=2-4@40-250Hz", "is silent in its band"),
        (f"bass=2-4@{rate / 2}-{rate}Hz", "lies above"),
    ):
        with pytest.raises(OptionError, match=message):
            check_against([Hint.parse(text)], song, rate)


def test_clocks_rise_with_time() -> None:
    assert [clock(seconds) for seconds in (0, 4, 35.5, 59.9999, 70, 3723.25)] == [
        "0:00", "0:04", "0:35.5", "1:00", "1:10", "62:03.25",
    ]  # fmt: skip
    seconds = np.linspace(0, 100, 501)
    assert all(Hint.parse(f"a={clock(a)}-{clock(b + 1)}").start == pytest.approx(a) for a, b in pairwise(seconds))


@pytest.mark.parametrize("name", ["mixture", "Hints", "a\x1b[31m", 200 * "x"])
def test_names_that_other_files_have_or_no_file_can_have_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="cannot be part of a file's name"):
        Hint.parse(f"{name}=0:00-0:01")
