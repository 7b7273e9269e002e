"""Lists of songs: every format names the same songs, in the same places, and shards have all of them once."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stems.batch.manifest import entries
from stems.batch.plan import Settings, plan
from stems.batch.presets import load_preset
from stems.batch.tasks import Task, Tasks, shard
from stems.errors import OptionError

ROWS = [
    ("m/a.wav", ""),
    ("m/x/é b.flac", "album, 1/the title"),
    ("/elsewhere/y/c.mp3", ""),
    ("/elsewhere/z/c.mp3", "c"),
]


def text(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("#EXTM3U\n\n" + "".join(f"{song}\n" for song, _ in rows), encoding="utf-8")


def table(path: Path, rows: list[tuple[str, str]]) -> None:
    separator = "\t" if path.suffix == ".tsv" else ","
    quoted = [separator.join(f'"{cell}"' for cell in (track, "7", song)) for song, track in rows]
    path.write_text("\n".join([separator.join(("track", "year", "song")), *quoted]), encoding="utf-8-sig")


def lines(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("".join(json.dumps({"song": song, "track": track}) + "\n\n" for song, track in rows))


def parquet(path: Path, rows: list[tuple[str, str]]) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"song": [song for song, _ in rows], "track": [track or None for _, track in rows]}), path)


def planned(manifest: str, **options: object) -> list[Task]:
    settings = replace(Settings(load_preset("stems")), **options)
    return [*plan([], settings, entries=entries(manifest))]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "write"),
    [("l.csv", table), ("l.tsv", table), ("l.jsonl", lines), ("l.ndjson", lines), ("l.parquet", parquet)],
)
def test_every_format_names_the_same_songs_in_the_same_places(name: str, write: Callable) -> None:
    Path("lists").mkdir()
    write(Path("lists", name), ROWS)
    assert planned(f"lists/{name}") == [
        Task(Path("lists/m/a.wav"), Path("m"), "a"),
        Task(Path("lists/m/x/é b.flac"), Path("album, 1"), "the title"),
        Task(Path("/elsewhere/y/c.mp3"), Path("y"), "c"),
        Task(Path("/elsewhere/z/c.mp3"), Path("."), "c"),
    ]


@pytest.mark.parametrize("name", ["list", "list.txt", "list.m3u8"])
def test_text_has_a_song_in_each_line(name: str) -> None:
    text(Path(name), ROWS)
    places = [(str(task.song), str(task.folder), task.track) for task in planned(name)]
    assert places == [
        ("m/a.wav", "m", "a"), ("m/x/é b.flac", "m/x", "é b"), ("/elsewhere/y/c.mp3", "y", "c"),
        ("/elsewhere/z/c.mp3", "z", "c"),
    ]  # fmt: skip


def test_songs_elsewhere_keep_their_places_below_what_they_share() -> None:
    songs = ["s3://b/lib/x/a b.flac", "s3://b/lib/y/z/a b.flac", "s3://b/lib/y/z/#1.wav"]
    text(Path("list.txt"), [(song, "") for song in [*songs, songs[0]]])
    assert [(str(task.song), str(task.folder), task.track) for task in planned("list.txt")] == [
        (songs[0], "x", "a b"), (songs[1], "y/z", "a b"), (songs[2], "y/z", "#1"),
    ]  # fmt: skip


def test_a_signature_is_no_part_of_a_name() -> None:
    text(Path("list.txt"), [("https://h/a/one%20two.mp3?Signature=a/b.wav", "")])
    assert [(task.track, task.song.suffix) for task in planned("list.txt")] == [("one two", ".mp3")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("no.txt", None, "cannot be read"),
        ("l.csv", "file\na.wav\n", "no column 'song'"),
        ("l.jsonl", '{"song": "a.wav"}\n{"file": 1}\n', "song 2: there is no song"),
        ("l.jsonl", "a.wav\n", "is not what its suffix says"),
        ("l.parquet", "a.wav\n", "is not what its suffix says"),
        ("l.csv", "song,track\na.wav,../up\n", "must be a place below --out"),
        ("l.csv", "song,track\na.wav,/etc/x\n", "must be a place below --out"),
        ("l.csv", "song,track\na.wav,t\nb.wav,t\n", "a.wav and b.wav would be written to the same files"),
    ],
)
def test_lists_that_cannot_be_followed_say_why(name: str, content: str | None, message: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    if content is not None:
        Path(name).write_text(content)
    with pytest.raises(OptionError, match=message):
        planned(name)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_shards_have_every_song_once_and_are_of_one_size(count: int) -> None:
    names = [f"{number}.wav" for number in range(50)]
    tasks = Tasks(names, ["."] * 50, names)
    parts = [tasks[shard(f"{number}/{count}")] for number in range(1, count + 1)]
    assert sorted(str(task.song) for part in parts for task in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("part", ["0/4", "5/4", "1", "a/b", "1/0", "-1/4", "1/2/3"])
def test_what_is_no_shard_is_refused(part: str) -> None:
    with pytest.raises(OptionError, match="is no part: write 1/64"):
        shard(part)


def test_songs_of_large_libraries_take_little_memory() -> None:
    count = 20_000
    rows = [(f"s3://bucket/library/artist {n % 1000}/album {n % 5000}/{n} title.flac", "") for n in range(count)]
    text(Path("list.txt"), rows)
    tracemalloc.start()
    tasks = plan([], Settings(load_preset("stems")), entries=entries("list.txt"))
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tasks) == count
    assert size / count < 1000 and peak / count < 2000  # bytes: 200 MB for 100,000 of them


def test_a_list_and_a_shard_on_the_command_line(stems: Callable, small_weights: Path) -> None:
    import numpy as np
    import soundfile

    for name in "abc":
        soundfile.write(f"{name}.wav", np.random.default_rng(1).uniform(-0.1, 0.1, (4000, 2)), 8000)
    Path("songs.txt").write_text("a.wav\nb.wav\nc.wav\n")
    options = ("--model", small_weights, "--jobs", "1", "--manifest", "songs.txt")
    code, said, _ = stems("split", *options, "--shard", "1/2")
    assert (code, said.splitlines()[-1]) == (0, "2 done.")
    assert sorted(path.name for path in Path("separated").iterdir()) == ["a", "c"]
    code, said, _ = stems("split", *options)
    assert (code, said.splitlines()[-1]) == (0, "1 done, 2 skipped.")
    code, _, complaint = stems("split", "--model", small_weights)
    assert code and "Name songs, or a list of them by --manifest." in complaint
