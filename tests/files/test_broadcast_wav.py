from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pedalboard.io import AudioFile
from split_songs import add_notes

from stems.errors import ExportError
from stems.files import broadcast_wav, riff
from stems.files.broadcast_wav import Marker, Notes, read_notes
from stems.files.formats import AudioFormat
from stems.files.stem_notes import StemNotes
from stems.files.wav import WavFile

wavinfo = pytest.importorskip("wavinfo")

NOTES = Notes(
    start=2**32 + 12_345,
    markers=(Marker("Verse 'été' & 🎵", 100), Marker("", 250), Marker("Chorus", 300, length=500)),
    tempo_bpm=98.5,
    time_signature=(7, 8),
    tags={"title": "Für “Élise”", "artist": "A & B", "year": "2019"},
)


def chunk(key: bytes, content: bytes) -> bytes:
    return struct.pack("<4sI", key, len(content)) + content + b"\0" * (len(content) % 2)


def chunks_in(path: Path) -> dict[bytes, bytes]:
    """Read chunks independently of the code under test, RIFF only."""
    content, offset, found = path.read_bytes(), 12, {}
    while offset < len(content):
        key, size = struct.unpack_from("<4sI", content, offset)
        body = content[offset + 8 : offset + 8 + size]
        found[key + (body[:4] if key == b"LIST" else b"")] = body
        offset += 8 + size + size % 2
    assert struct.unpack_from("<I", content, 4)[0] == len(content) - 8
    return found


def write_wav(path: Path, rate: int = 44_100, channels: int = 2, subtype: str = "PCM_24", samples: int = 1_001) -> Path:
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, (samples, channels))
    soundfile.write(path, noise, rate, subtype=subtype, format="WAV")
    return path


def song_with(path: Path, *chunks: bytes) -> Path:
    """Write a wav with chunks on both sides of its audio."""
    form = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    half = len(chunks) // 2
    body = [*chunks[:half], chunk(b"fmt ", form), chunk(b"data", bytes(2 * 999)), *chunks[half:]]
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(b"".join(body)), b"WAVE") + b"".join(body))
    return path


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_audio_stays_and_notes_come_back(tmp_path: Path, rate: int, channels: int, subtype: str) -> None:
    stem = write_wav(tmp_path / "drums.wav", rate, channels, subtype)
    before = chunks_in(stem)
    add_notes(stem, NOTES, "drums of song")
    after = chunks_in(stem)
    assert after[b"data"] == before[b"data"]
    assert after[b"fmt "][:16] == before[b"fmt "][:16]
    found = read_notes(stem)
    assert (found.start, found.markers, found.tags) == (NOTES.start, NOTES.markers, NOTES.tags)
    assert (found.tempo_bpm, found.time_signature) == (NOTES.tempo_bpm, NOTES.time_signature)


def test_wavinfo_reads_it(tmp_path: Path) -> None:
    stem = write_wav(tmp_path / "vocals.wav")
    add_notes(stem, NOTES, "vocals of “song”", created=datetime(2024, 5, 6, 7, 8, 9))
    info = wavinfo.WavInfoReader(str(stem), info_encoding="utf-8")
    assert info.bext.time_reference == NOTES.start
    assert info.bext.originator == "stems"
    assert info.bext.description == "vocals of ?song?"
    assert (info.bext.originator_date, info.bext.originator_time) == ("2024-05-06", "07:08:09")
    assert "F=44100,W=24,M=stereo" in info.bext.coding_history
    assert info.info.title == NOTES.tags["title"]
    assert info.info.artist == NOTES.tags["artist"]
    assert [cue.sample_offset for cue in info.cues.cues] == [100, 250, 300]
    assert [label.text for label in info.cues.labels] == [marker.name for marker in NOTES.markers]
    assert [(span.name, span.length) for span in info.cues.ranges] == [(3, 500)]


@pytest.mark.parametrize("limit", [riff.RIFF_LIMIT, 1_000])
def test_other_programs_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Also as RF64, which a limit of 1000 bytes in place of 4 GiB brings about."""
    monkeypatch.setattr(riff, "RIFF_LIMIT", limit)
    stem = write_wav(tmp_path / "bass.wav")
    expected, rate = soundfile.read(stem, dtype="float32")
    add_notes(stem, replace(NOTES, chunks={b"iXML": b"<BWFXML/>"}), "bass of song")
    assert stem.read_bytes()[:4] == (b"RIFF" if limit > 1_000 else b"RF64")

    samples, found_rate = soundfile.read(stem, dtype="float32")
    np.testing.assert_array_equal(samples, expected)
    assert found_rate == rate
    with AudioFile(str(stem)) as file:
        np.testing.assert_allclose(file.read(file.frames), expected.T, atol=2**-23)
    assert read_notes(stem).start == NOTES.start
    if shutil.which("ffprobe"):
        command = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(stem)]
        probed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        tags = probed["format"]["tags"]
        assert int(tags["time_reference"]) == NOTES.start
        assert (tags["title"], tags["encoded_by"]) == (NOTES.tags["title"], "stems")
        assert probed["streams"][0]["duration_ts"] == len(expected)
    if shutil.which("sox"):
        command = ["sox", str(stem), "-t", "f32", "-"]
        raw = subprocess.run(command, check=True, capture_output=True).stdout
        np.testing.assert_allclose(np.frombuffer(raw, "<f4").reshape(-1, 2), expected, atol=2**-23)


def test_chunks_of_the_song_are_repeated_byte_by_byte(tmp_path: Path) -> None:
    label = struct.pack("<I", 9) + "Pont d'été".encode("cp1252") + b"\0"
    kept = {
        b"iXML": "<BWFXML><NOTE>été & 🎵</NOTE></BWFXML>".encode(),
        b"acid": struct.pack("<IHHfIHHf", 0, 62, 0x8000, 0, 16, 4, 3, 131.25),
        b"smpl": bytes(range(28)) + bytes(8),
        b"cue ": struct.pack("<III4sIII", 1, 9, 77, b"data", 0, 0, 77),
        b"LISTadtl": b"adtl" + chunk(b"labl", label),
        b"LISTINFO": b"INFO" + chunk(b"INAM", b"Old\0") + chunk(b"IKEY", b"odd\0"),
    }
    bext = broadcast_wav._BEXT.pack(b"take 3", b"Recorder", b"", b"", b"", 5, 2, 2, b"", b"", b"") + b"A=PCM\r\n\0"
    song = song_with(tmp_path / "in.wav", chunk(b"bext", bext), *(chunk(k[:4], v) for k, v in kept.items()))
    notes = read_notes(song)
    assert notes.start == 2 * 2**32 + 5
    assert notes.markers == (Marker("Pont d'été", 77),)
    assert (notes.tempo_bpm, notes.time_signature, notes.tags) == (131.25, (3, 4), {"title": "Old"})

    stem = write_wav(tmp_path / "stem.wav")
    add_notes(stem, notes)
    found = chunks_in(stem)
    assert {key: found[key] for key in kept} == kept
    assert found[b"bext"][602:].startswith(b"A=PCM\r\nA=PCM,F=44100")


def test_a_given_tempo_replaces_the_chunk(tmp_path: Path) -> None:
    stem = write_wav(tmp_path / "stem.wav", samples=44_100 * 2)
    add_notes(stem, Notes(tempo_bpm=60.0))
    first = read_notes(stem)
    add_notes(stem, Notes(tempo_bpm=120.0, chunks=first.chunks))
    assert read_notes(stem).tempo_bpm == 120.0
    assert struct.unpack_from("<I", chunks_in(stem)[b"acid"], 12)[0] == 4  # beats in two seconds


def test_one_shots_claim_no_tempo(tmp_path: Path) -> None:
    acid = struct.pack("<IHHfIHHf", 1, 60, 0x8000, 0, 0, 4, 4, 120)
    assert read_notes(song_with(tmp_path / "hit.wav", chunk(b"acid", acid))).tempo_bpm is None


def test_notes_behind_five_gibibytes_of_audio_are_found(tmp_path: Path) -> None:
    size, path = 5 * 2**30, tmp_path / "long.wav"
    head = struct.pack("<4sI4s4sIQQQI", b"RF64", 2**32 - 1, b"WAVE", b"ds64", 28, size + 1_000, size, size // 4, 0)
    head += chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 44_100, 176_400, 4, 16))
    with open(path, "wb") as file:
        file.write(head + struct.pack("<4sI", b"data", 2**32 - 1))
        file.seek(size, 1)
        file.write(chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Long\0")))
    assert read_notes(path).tags == {"title": "Long"}


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3\x04 some other format"])
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"song\.wav"):
        read_notes(path)


def doubtful_chunks() -> Iterator[tuple[bytes, bytes]]:
    """Chunks that are nearly right, with every kind of rest behind what they should hold."""
    for rest in (bytes(size) for size in (0, 1, 2, 3, 4, 5, 8, 9, 20, 61)):
        for count in (0, 1, 2):
            for stated in (0, 3, len(rest)):
                yield b"smpl", bytes(28) + struct.pack("<II", count, stated) + bytes(24 * count) + rest
            yield b"cue ", struct.pack("<I", count) + bytes(24 * count) + rest
        for kind in (b"labl", b"note", b"ltxt", b"file"):
            yield b"LIST", b"adtl" + chunk(kind, rest)
        yield b"LIST", b"INFO" + chunk(b"INAM", rest)
        yield b"bext", bytes(602) + rest
        for key in (b"bext", b"cue ", b"acid", b"smpl", b"iXML", b"id3 ", b"LIST"):
            yield key, rest


def test_stems_can_be_read_whatever_the_song_says(tmp_path: Path) -> None:
    song, stem = tmp_path / "in.wav", tmp_path / "out.wav"
    for key, content in doubtful_chunks():
        add_notes(write_wav(stem), read_notes(song_with(song, chunk(key, b""), chunk(key, content))))
        assert soundfile.info(stem).frames == 1_001, (key, content)
        with AudioFile(str(stem)) as file:
            assert file.frames == 1_001, (key, content)


def test_zeros_behind_the_last_chunk_are_its_end(tmp_path: Path) -> None:
    song = song_with(tmp_path / "in.wav", chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Old\0")), bytes(8) * 500_000)
    with open(song, "rb") as file:
        assert len(list(riff.chunks_of(file, song))) == 3
    assert read_notes(song).tags == {"title": "Old"}


def test_a_song_that_ends_within_the_sizes_of_its_chunks_has_no_notes(tmp_path: Path) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(struct.pack("<4sI4s4sI", b"RF64", 2**32 - 1, b"WAVE", b"ds64", 28) + bytes(3))
    assert read_notes(path) == Notes()


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_a_wav_states_its_length_where_it_is_floating_point_and_keeps_room_for_long_sizes(
    tmp_path: Path, subtype: str
) -> None:
    stem = write_wav(tmp_path / "a.wav", subtype=subtype)
    add_notes(stem, Notes())
    found = chunks_in(stem)
    assert found[b"JUNK"] == bytes(28)
    assert found.get(b"fact") == (struct.pack("<I", 1_001) if subtype == "FLOAT" else None)


@pytest.mark.parametrize("size", [4 * 2**20 + 1, 9_000_000])
def test_a_chunk_that_is_large_goes_into_one_stem_and_no_memory(tmp_path: Path, size: int) -> None:
    content = np.random.default_rng(0).bytes(size)
    song = song_with(tmp_path / "song.wav", chunk(b"iXML", content), chunk(b"smpl", bytes(size)))
    notes = read_notes(song)
    assert not notes.chunks
    format = AudioFormat("wav", "int16", 44_100, 2)
    of_stems = StemNotes(notes, "song", format, 999)
    for stem in ("drums", "bass"):
        file = WavFile(tmp_path / f"{stem}.wav", format, 999, of_stems.chunks(stem))
        file.write(np.ones((999, 2), np.int16))
        file.close()
    assert chunks_in(tmp_path / "drums.wav")[b"iXML"] == content
    assert b"iXML" not in chunks_in(tmp_path / "bass.wav")
    for stem in ("drums", "bass"):
        assert soundfile.read(tmp_path / f"{stem}.wav", dtype="int16")[0].tolist() == [[1, 1]] * 999


@pytest.mark.parametrize(("begin", "samples"), [(0, 200), (150, 400), (300, 1000), (700, 10), (2000, 50)])
def test_notes_of_a_passage_tell_the_places_of_the_song(begin: int, samples: int) -> None:
    content = dict.fromkeys((b"iXML", b"acid", b"smpl", b"cue ", b"LISTadtl", b"LISTINFO", b"id3 "), b"content")
    of_passage = broadcast_wav.notes_of_passage(replace(NOTES, chunks=content), begin, samples)
    assert of_passage.start == NOTES.start + begin
    assert (of_passage.tempo_bpm, of_passage.tags) == (NOTES.tempo_bpm, NOTES.tags)
    assert of_passage.chunks.keys() == {b"LISTINFO", b"id3 "}
    in_passage = set(range(begin, begin + samples))
    heard = {
        marker.name: {marker.position + offset for offset in range(max(1, marker.length))} & in_passage
        for marker in NOTES.markers
    }
    found = {
        marker.name: {begin + marker.position + offset for offset in range(max(1, marker.length))}
        for marker in of_passage.markers
    }
    assert found == {name: places for name, places in heard.items() if places}
    assert broadcast_wav.notes_of_passage(Notes(), begin, samples).start == 0


def test_stems_of_a_passage_have_its_markers_and_its_place(tmp_path: Path, small_weights: Path) -> None:
    from stems.batch.plan import Settings
    from stems.batch.presets import load_preset
    from stems.batch.split import load_separator, split_song
    from stems.batch.tasks import Task
    from stems.files.audio import Reading

    path, rate, form = tmp_path / "song.wav", 8_000, AudioFormat("wav", "int16", 8_000, 2)
    notes = Notes(start=5000, markers=(Marker("Verse", rate), Marker("Chorus", 2 * rate, rate)), tempo_bpm=120)
    song = WavFile(path, form, 4 * rate, broadcast_wav.chunks_for(notes, form, 4 * rate))
    song.write(np.random.default_rng(0).integers(-3000, 3000, (4 * rate, 2), np.int16))
    song.close()
    reading = Reading(begin=1.5, end=2.5)
    settings = Settings(
        load_preset("stems"), out=tmp_path / "out", model=str(small_weights), reading=reading, daw=("audacity",)
    )
    result = split_song(Task(path, Path(), "song"), settings, load_separator(settings))
    assert (result.status, result.error) == ("done", "")
    for stem in result.outputs.values():
        found = read_notes(stem)
        assert (found.start, found.tempo_bpm) == (5000 + 1.5 * rate, 120)
        assert found.markers == (Marker("Chorus", rate // 2, rate // 2),)
        assert struct.unpack_from("<I", found.chunks[b"acid"], 12)[0] == 2  # beats in a second
    labels = result.exports[-1].read_text().splitlines()
    assert labels[1:] == ["0.500000000\t1.000000000\tChorus"]
