"""Lays out the material of `openband.toml` as folders of links.

    python recipes/openband_material.py --corpus CORPUS --renders RENDERS --packages PACKAGES --out data

CORPUS holds songs/, vocals/ and vocals_from_songs/; RENDERS the multitracks of render_band.py, seeds below
900000 to train on and from there on to validate; PACKAGES the unpacked Debian packages
warzone2100-music, wesnoth-1.16-music, ufoai-music, nexuiz-music, supertuxkart-data, hyperrogue-music,
singularity-music, hedgewars-data, supertux-data, colobot-common-sounds, freedroidrpg-data, extremetuxracer-data,
mu-cade-data, torus-trooper-data, rrootage-data, plee-the-bear-data, pushover-data, planetblupi-music-ogg,
unknown-horizons, widelands-data, xmoto-data, zaz-data, fretsonfire-songs-muldjord, fretsonfire-songs-sectoid and,
for validation, redeclipse-data and asc-music. Singers and drum kits that validation hears are kept out of training.

Music without singing serves three times: as it is ("all but the vocals"), its calm stretches as "bass and other"
without drums, and the guitars that Frets on Fire keeps apart as "other".
"""

import argparse
import csv
import json
import zipfile
from pathlib import Path

import numpy as np
import soundfile
from scipy.ndimage import median_filter

from stems.card import STEMS
from stems.train import augment
from stems.train.augmentation import Augmentation
from stems.train.material import find_recordings, recording

VALIDATION_KITS = (
    "hydrogen:BJA_Pacific",
    "hydrogen:HardElectro1",
    "hydrogen:Millo-Drums_v.1",
    "machine_tr505",
    "machine_casio_rz1",
    "Red_Zeppelin_4_LV2.sf2:0",
)
VALIDATION_SINGERS = (
    "CSD singer",
    "GTSinger es (unnamed)",
    "GTSinger fr (unnamed)",
    "M4Singer Alto-1",
    "M4Singer Soprano-1",
    "M4Singer Tenor-2",
    "vocadito_10",
    "vocadito_S1",
)
VALIDATION_SONGS = 22
SUNG_EXCERPTS, SUNG_SECONDS = 16, 25
SUNG_OVER = {  # music that training never hears
    "red eclipse": "redeclipse-data/usr/share/games/redeclipse/data/sounds/music",
    "asc": "asc-music/usr/share/games/asc/music",
}
MUSIC = {
    "warzone2100": "warzone2100-music/usr/share/games/warzone2100/music",
    "wesnoth": "wesnoth-1.16-music/usr/share/games/wesnoth/1.16/data/core/music",
    "supertuxkart": "supertuxkart-data/usr/share/games/supertuxkart/data/music",
    "hyperrogue": "hyperrogue-music/usr/share/hyperrogue/music",
    "singularity": "singularity-music/usr/share/games/singularity/music",
    "hedgewars": "hedgewars-data/usr/share/games/hedgewars/Data/Music",
    "supertux": "supertux-data/usr/share/games/supertux2/music",
    "colobot": "colobot-common-sounds/usr/share/games/colobot/music",
    "freedroidrpg": "freedroidrpg-data/usr/share/freedroidrpg/data/sound/music",
    "extremetuxracer": "extremetuxracer-data/usr/share/games/etr/music",
    "mu-cade": "mu-cade-data/usr/share/games/mu-cade/sounds/musics",
    "torus-trooper": "torus-trooper-data/usr/share/games/torus-trooper/sounds/musics",
    "rrootage": "rrootage-data/usr/share/games/rrootage/sounds",
    "plee-the-bear": "plee-the-bear-data/usr/share/games/plee-the-bear/music",
    "pushover": "pushover-data/usr/share/pushover/themes",
    "planetblupi": "planetblupi-music-ogg/usr/share/planetblupi/music",
    "unknown-horizons": "unknown-horizons/usr/share/unknown-horizons/content/audio/music",
    "widelands": "widelands-data/usr/share/games/widelands/data/music",
    "xmoto": "xmoto-data/usr/share/games/xmoto/Textures/Musics",
    "zaz": "zaz-data/usr/share/games/zaz",
}
GUITARS = {
    "muldjord": "fretsonfire-songs-muldjord/usr/share/games/fretsonfire/data/songs/muldjord",
    "sectoid": "fretsonfire-songs-sectoid/usr/share/games/fretsonfire/data/songs/sectoid",
}
ARCHIVES = {
    "ufoai": "ufoai-music/usr/share/games/ufoai/base/0music.pk3",
    "nexuiz": "nexuiz-music/usr/share/games/nexuiz/data/music.pk3",
}
WITH_VOICES = ("nunc_dimittis", "elvish-theme", "pirate", "silence", "thunder")  # choirs, shouts, and no music
SHORTEST = 20.0  # seconds
CALM_BLOCK = 10.0  # seconds, in which music is judged
MOST_STRUCK, MOST_RISE = 0.3, 0.4  # of blocks without drums, see `liveliness`


def link(source: Path, target: Path) -> None:
    """A link that may be there already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_symlink():
        target.symlink_to(source.resolve())


def lay_out_songs(corpus: Path, renders: Path, out: Path) -> None:
    """Songs with stems, those with validation's drum kits left out; their vocals are laid over other music as well."""
    link(corpus / "songs/train", out / "songs")
    for vocals in (corpus / "songs/train").glob("*/vocals.ogg"):
        link(vocals, out / "voices/songs" / f"{vocals.parent.name}.ogg")
    for song in sorted((corpus / "songs/valid").iterdir()):
        for path in song.iterdir():
            link(path, out / "valid-songs" / song.name / path.name)
    for about in renders.glob("*/song.json"):
        if int(about.parent.name) < 900000 and json.loads(about.read_text())["kit"] not in VALIDATION_KITS:
            for stem in ("drums", "bass", "other"):
                link(about.parent / f"{stem}.flac", out / "renders" / about.parent.name / f"{stem}.flac")


def lay_out_voices(corpus: Path, out: Path) -> list[Path]:
    """Voices by kind; returns those that are kept for validation."""
    kept = []
    with open(corpus / "vocals/index.tsv") as index:
        for row in csv.DictReader(index, delimiter="\t"):
            path = corpus / "vocals" / row["file"]
            if row["singer"] in VALIDATION_SINGERS:
                kept.append(path)
            else:
                link(path, out / "voices" / row["kind"] / row["file"].replace("/", "-"))
    for path in (corpus / "vocals_from_songs").glob("*.ogg"):
        link(path, out / "voices/produced" / path.name)
    return kept


def lay_out_instrumentals(packages: Path, out: Path) -> None:
    """Game music without singing."""
    for name, archive in ARCHIVES.items():
        folder = out / "unpacked" / name
        if not folder.exists():
            with zipfile.ZipFile(packages / archive) as content:
                content.extractall(folder)
    folders = {name: packages / place for name, place in MUSIC.items()}
    folders |= {name: out / "unpacked" / name for name in ARCHIVES}
    for name, folder in folders.items():
        for path in sorted([*folder.rglob("*.ogg"), *folder.rglob("*.opus")]):
            if path.stem not in WITH_VOICES and soundfile.info(path).duration > SHORTEST:
                link(path, out / "instrumentals" / f"{name}-{path.stem}{path.suffix}")


def liveliness(audio: np.ndarray) -> tuple[float, float]:
    """How much drumming there may be in (samples, channels): the share of energy that is struck rather than held
    (median filters along time and frequency, Fitzgerald 2010), and how steeply bands rise at most."""
    frames = np.lib.stride_tricks.sliding_window_view(audio.astype(np.float32).mean(1) / 32768, 2048)[::1024]
    power = np.abs(np.fft.rfft(frames * np.hanning(2048).astype(np.float32)))[:, 10:930] ** 2
    edges = np.unique(np.round(np.geomspace(1, power.shape[1], 97)).astype(int))
    bands = np.sqrt(np.add.reduceat(power, edges[:-1], axis=1))
    struck = median_filter(bands, (1, 11)) > median_filter(bands, (17, 1))
    rises = np.maximum(np.diff(np.log(bands + 1e-4), axis=0), 0).mean(1)
    energy = np.square(bands)
    return float((energy * struck).sum() / max(energy.sum(), 1e-9)), float(np.percentile(rises, 95))


def lay_out_calm(out: Path, cache: Path) -> None:
    """Stretches of instrumentals without drums, as songs whose `other` holds the bass as well."""
    block = int(CALM_BLOCK * 44100)
    for music in find_recordings(out / "instrumentals", cache):
        audio = music.samples()
        places = range(0, len(audio) - block, block)
        struck, rises = np.array([liveliness(audio[start : start + block]) for start in places]).reshape(-1, 2).T
        calm = np.concatenate([[False], (struck < MOST_STRUCK) & (rises < MOST_RISE), [False]])
        edges = np.flatnonzero(np.diff(calm.astype(int)))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            folder = out / "calm" / f"{music.path.stem}-{first}"
            if last - first < 2 or (folder / "song.json").exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / "other.flac", audio[first * block : last * block], 44100, subtype="PCM_16")
            about = {"absent": ["bass"], "stems": {"other": {"energy_below_150_hz": 1.0}}}
            (folder / "song.json").write_text(json.dumps(about))


def lay_out_guitars(packages: Path, out: Path) -> None:
    """Guitars of songs that are in two parts, as songs of which only `other` is known; sectoid's do not sing."""
    for artist, place in GUITARS.items():
        for guitar in sorted((packages / place).glob("*/guitar.ogg")):
            link(guitar, out / "guitars" / f"{artist}-{guitar.parent.name}" / "other.ogg")
    for song in sorted((packages / GUITARS["sectoid"]).glob("*/song.ogg")):
        parts = [soundfile.read(song.with_name(f"{part}.ogg"), dtype="float32")[0] for part in ("song", "guitar")]
        whole = 0.5 * (parts[0] + parts[1])
        soundfile.write(out / "instrumentals" / f"sectoid-{song.parent.name}.flac", whole, 44100, subtype="PCM_16")


def excerpt_of_musdb(out: Path) -> None:
    """The one MUSDB18 excerpt that the stempeg package ships."""
    import stempeg

    stems, rate = stempeg.read_stems(stempeg.example_stem_path())
    for name, audio in zip(("drums", "bass", "other", "vocals"), stems[1:], strict=True):
        folder = out / "valid-songs/musdb-excerpt"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{name}.wav", audio, rate, subtype="FLOAT")


def line_of(
    rng: np.random.Generator, voices: list[Path], samples: int, rests: tuple[float, float], cache: Path
) -> np.ndarray:
    """Phrases of several singers one after the other, with rests of so many seconds, produced: (2, samples)."""
    line = np.zeros((2, samples), np.float32)
    place = int(rng.uniform(0, rests[1] - 1) * 44100)
    while place < samples:
        voice = recording(voices[rng.integers(len(voices))], cache)
        phrase = voice.excerpt(0, len(voice))[:, : samples - place]
        line[:, place : place + phrase.shape[1]] += phrase
        place += phrase.shape[1] + int(rng.uniform(*rests) * 44100)
    return augment.voice(rng, line, Augmentation())


def validation_renders(renders: Path, voices: list[Path], out: Path, cache: Path) -> None:
    """Renders with validation's kits, with phrases of validation's singers laid over them."""
    songs = [about.parent for about in sorted(renders.glob("*/song.json")) if int(about.parent.name) >= 900000]
    songs = [song for song in songs if json.loads((song / "song.json").read_text())["kit"] in VALIDATION_KITS]
    for number, song in enumerate(songs[:VALIDATION_SONGS]):
        folder = out / "valid-renders" / song.name
        if (folder / "vocals.flac").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        stems = {
            stem: soundfile.read(song / f"{stem}.flac", dtype="float32")[0].T for stem in ("drums", "bass", "other")
        }
        backing = sum(stems.values())
        rng = np.random.default_rng(number)
        line = line_of(rng, voices, backing.shape[1], (0.5, 4.0), cache)
        level = augment.loudness(backing) / augment.loudness(line) * 10 ** (rng.normal(-2, 3) / 20)
        stems["vocals"] = line * np.float32(level)
        gain = min(1.0, 0.98 / max(np.abs(audio).max() for audio in stems.values()))
        for stem, audio in stems.items():
            soundfile.write(folder / f"{stem}.flac", audio.T * gain, 44100, subtype="PCM_16")


def validation_incoherent(out: Path) -> None:
    """The stems of validation's renders, each stem of a mix from another of them."""
    songs = sorted((out / "valid-renders").iterdir())
    for number in range(len(songs)):
        for later, stem in enumerate(STEMS):
            source = songs[(number + 3 * later) % len(songs)] / f"{stem}.flac"
            link(source, out / "valid-incoherent" / f"{number:02d}" / source.name)


def validation_sung(packages: Path, voices: list[Path], out: Path, cache: Path) -> None:
    """Real music that training never hears, with phrases of validation's singers laid over it."""
    music = [path for place in SUNG_OVER.values() for path in sorted((packages / place).glob("*.*"))]
    music = [path for path in music if path.suffix in (".ogg", ".mp3") and soundfile.info(path).duration > 40]
    count = SUNG_SECONDS * 44100
    for number in range(SUNG_EXCERPTS):
        folder, rng = out / "valid-sung" / f"{number:02d}", np.random.default_rng(500 + number)
        whole = recording(music[number % len(music)], cache)
        backing = whole.excerpt(int(rng.integers(441000, len(whole) - count - 44100)), count)
        line = line_of(rng, voices, count, (0.5, 3.0), cache)
        line *= np.float32(augment.loudness(backing) / augment.loudness(line) * 10 ** (rng.normal(-4, 2.5) / 20))
        gain = min(1.0, 0.98 / max(np.abs(audio).max() for audio in (backing, line, backing + line)))
        folder.mkdir(parents=True, exist_ok=True)
        for name, audio in (("vocals", line), ("accompaniment", backing)):
            soundfile.write(folder / f"{name}.flac", audio.T * gain, 44100, subtype="PCM_16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("corpus", "renders", "packages", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    lay_out_songs(options.corpus, options.renders, options.out)
    voices = lay_out_voices(options.corpus, options.out)
    lay_out_instrumentals(options.packages, options.out)
    lay_out_guitars(options.packages, options.out)
    lay_out_calm(options.out, options.out / "cache")
    excerpt_of_musdb(options.out)
    validation_renders(options.renders, voices, options.out, options.out / "cache")
    validation_incoherent(options.out)
    validation_sung(options.packages, voices, options.out, options.out / "cache")


if __name__ == "__main__":
    main()
