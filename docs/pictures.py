"""Draws the pictures of the documentation from `examples/song.ogg`.

    python docs/pictures.py

It needs `pip install ".[train]"`, for matplotlib. Run it again when the weights that ship have changed.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image

from stems import Separator
from stems.daw.colours import colour_of
from stems.files.audio import open_song

matplotlib.use("Agg")
plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SECONDS = (3.0, 15.0)  # two bars of the band, then the first sung line
WINDOW, HOP = 4096, 1024
LOWEST_HZ, HIGHEST_HZ, ROWS = 50.0, 12000.0, 240
SHOWN_DB = 65.0
DOTS = 3000


def powers(audio: np.ndarray, rate: int) -> np.ndarray:
    """Power of a signal, (channels, samples) to (rows, frames), rows evenly spaced in octaves."""
    first, last = (int(second * rate) for second in SECONDS)
    spectrum = torch.stft(
        torch.from_numpy(audio[:, first:last]), WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True
    )
    bins = np.geomspace(LOWEST_HZ, HIGHEST_HZ, ROWS) * WINDOW / rate
    power = spectrum.abs().square().sum(0).numpy()
    return np.stack([np.interp(bins, np.arange(len(power)), frame) for frame in power.T], 1)


def opacity(power: np.ndarray) -> np.ndarray:
    """0 for what is too quiet to be drawn, 1 for the loudest cells."""
    levels = 10 * np.log10(power + 1e-12)
    return np.clip((levels - np.percentile(levels, 99.7)) / SHOWN_DB + 1, 0, 1)


def axes_of_cells(axes: plt.Axes, title: str) -> None:
    """Seconds from left to right, octaves from bottom to top."""
    shown = (100, 300, 1000, 3000, 10000)
    places = np.log(np.array(shown) / LOWEST_HZ) / np.log(HIGHEST_HZ / LOWEST_HZ) * ROWS
    axes.set_yticks(places, [f"{hz / 1000:g} k" if hz >= 1000 else f"{hz}" for hz in shown])
    axes.set_title(title, loc="left")


def draw_song(mixture: np.ndarray, stems: dict[str, np.ndarray]) -> None:
    """The spectrogram of a song in the colours of its stems, above a spectrogram of each."""
    figure = plt.figure(figsize=(8, 5.4), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.2, 1))
    total = sum(stems.values())
    rgb = (
        sum(
            (stem / total)[..., None] ** 2 * np.array(matplotlib.colors.to_rgb(colour_of(name)))
            for name, stem in stems.items()
        )
        / sum((stem / total) ** 2 for stem in stems.values())[..., None]
    )
    whole = upper.subplots()
    whole.imshow(np.dstack([rgb, opacity(mixture)]), origin="lower", aspect="auto")
    axes_of_cells(whole, "the song, each moment and pitch in the colour of the stem that gets it (Hz)")
    whole.set_xticks([])
    for axes, (name, stem) in zip(lower.subplots(1, len(stems), sharey=True), stems.items(), strict=True):
        shade = opacity(mixture) * np.sqrt(np.clip(stem / total, 0, 1))
        colour = np.broadcast_to(matplotlib.colors.to_rgb(colour_of(name)), (*shade.shape, 3))
        axes.imshow(np.dstack([colour, shade]), origin="lower", aspect="auto")
        axes_of_cells(axes, name)
        axes.set_xticks([])
    save(figure, "song.png")


def draw_embeddings(found) -> None:
    """Loud cells of a song where the network has placed them, in the plane in which they are spread most."""
    embeddings = found.embeddings.flatten(0, 1).numpy()
    anchors, centroids = found.anchors.detach().numpy(), found.centroids.numpy()
    owners = (embeddings @ centroids.T).argmax(1)
    middle = embeddings.mean(0)
    plane = np.linalg.svd(embeddings - middle, full_matrices=False)[2][:2].T
    chosen = np.random.default_rng(0).permutation(len(embeddings))[:DOTS]
    figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
    for index, name in enumerate(found.stems):
        x, y = ((embeddings[chosen][owners[chosen] == index] - middle) @ plane).T
        axes.plot(x, y, ".", markersize=2, alpha=0.5, color=colour_of(name))
        start, end = ((points[index] - middle) @ plane for points in (anchors, centroids))
        axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "black"})
        axes.plot(*start, "D", color=colour_of(name), markeredgecolor="black")
        axes.plot(*end, "o", markersize=10, color=colour_of(name), markeredgecolor="black", label=name)
    axes.set(xticks=[], yticks=[])
    axes.legend(frameon=False)
    save(figure, "embeddings.png")


def save(figure: plt.Figure, name: str) -> None:
    """Writes a picture of 48 colours, which is a quarter as large as one of all."""
    drawn = BytesIO()
    figure.savefig(drawn, dpi=110)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)


def main() -> None:
    """Separates the example once, and draws it."""
    separator, seen = Separator(), []
    with open_song(ROOT / "examples" / "song.ogg") as song:
        rate, samples = song.format.sample_rate, song.samples
        mixture = song.read(0, samples)
        blocks = list(separator.separate(song, rate, observe=seen.append))
    stems = {name: np.concatenate([block.stems[name] for block in blocks], 1) for name in separator.stems}
    draw_song(powers(mixture, rate), {name: powers(stem, rate) + 1e-12 for name, stem in stems.items()})
    draw_embeddings(seen[0])


if __name__ == "__main__":
    main()
