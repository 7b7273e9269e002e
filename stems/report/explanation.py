"""The sections of a page that explain a separation: cells, masks, confidence, embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import isnan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stems.daw.colours import colour_of
from stems.hints import Hint
from stems.model import Model
from stems.report import figures
from stems.report.page import embedded, section
from stems.song.clustered import ClusteredSong
from stems.song.confidence import confidence, confidence_over_time
from stems.song.guidance import lean
from stems.spectrum import REFERENCE_RATE

WIDEST = 1400  # columns of a picture
CELLS_SHOWN = 2500  # on the map
FRAMES_AT_ONCE = 256
TICKS_HZ = (100, 300, 600, 1200, 2500, 5000, 10000)
SCALE = "".join(f'<span style="bottom: {100 * (0.03 + at) / 1.06:.1f}%">{at:g}</span>' for at in (0, 0.5, 1))
HALF_WAY = '<path class="guide" d="M0,0.5h1000"/>'

Array = NDArray[np.floating]


def cells(
    found: ClusteredSong, model: Model, sample_rate: float, duration: float, hints: Sequence[Hint] = ()
) -> Iterator[str]:
    """The song's spectrogram, coloured by stem and with hints outlined, then the masks; Hz, seconds."""
    grid = model.grid(sample_rate)
    inside = (found.seconds >= 0) & (found.seconds <= duration)
    powers, shares = _columns(found.powers[inside].cpu().numpy(), _shares(found, model)[inside.numpy()])
    levels = 10 * np.log10(powers / model.design.bands.widths(grid).numpy() + 1e-12)
    axis = _frequencies(model)
    colours = [colour_of(name) for name in found.stems]

    def lane(content: bytes, name: str, over: str = "") -> str:
        image = f'<img src="{embedded(content, "image/png")}" alt="{escape(name)}">'
        return f'<div class="lane">{image}{over}</div>'

    frames = f'<div class="over">{_frames(hints, model, duration)}</div>'
    whole = lane(figures.spectrogram(levels, shares, colours), "spectrogram", frames)
    yield section(
        "What belongs to which stem",
        "The whole song from left to right, low notes at the bottom. The colour of a spot shows which stem gets the "
        "sound of that moment and pitch, a mixed colour that stems share it; the stronger the colour, the louder."
        + (" Frames show where hints said what is to be heard." if hints else ""),
        f'<div class="row">{axis}{whole}</div>',
        "song",
    )
    rows = [
        f'<div class="row"><div class="name" style="--colour: {colour}"><i></i><b>{escape(name)}</b></div>'
        f"{lane(figures.mask(levels, shares[..., index], colour), f'mask of {name}')}</div>"
        for index, (name, colour) in enumerate(zip(found.stems, colours, strict=True))
    ]
    yield section(
        "Masks",
        "How much of the sound at each moment and pitch a stem gets, from nothing to all of it. Where wide areas are "
        "pale, the model could not tell stems apart, and they bleed into each other.",
        "\n".join(rows),
        "masks",
    )


@torch.inference_mode()
def _shares(found: ClusteredSong, model: Model) -> Array:
    """Of each stem in all cells of the landmarks, (landmarks, bands, stems)."""
    parts = max(1, len(found.contexts) // FRAMES_AT_ONCE)
    return np.concatenate(
        [
            lean(found.clusters.shares(model.network.embed(some.float())), seconds, found.leanings).cpu().numpy()
            for some, seconds in zip(found.contexts.chunk(parts), found.seconds.chunk(parts), strict=True)
        ]
    )


def _frames(hints: Sequence[Hint], model: Model, duration: float) -> str:
    """Outlines of the spans and bands of hints, to lie over a picture of all bands."""
    bands = model.design.bands
    hz = bands.edges * REFERENCE_RATE / bands.reference_window
    drawn = []
    for hint in hints:
        low, high = (
            100 * np.interp(edge, hz, np.arange(len(hz))) / bands.count for edge in (hint.low_hz, hint.high_hz)
        )
        left, width = 100 * hint.start / duration, 100 * (min(hint.end, duration) - hint.start) / duration
        drawn.append(
            f'<i class="told" title="{escape(str(hint))}" style="--colour: {colour_of(hint.stem)}; left: {left:.2f}%; '
            f'width: {width:.2f}%; bottom: {low:.2f}%; height: {high - low:.2f}%"></i>'
        )
    return "".join(drawn)


def _columns(powers: Array, shares: Array) -> tuple[Array, Array]:
    """Means over neighbouring landmarks, where there are more than a picture shows; shares count by power."""
    firsts = np.arange(0, len(powers), -(-len(powers) // WIDEST))
    weights = powers + 1e-20
    sums = np.add.reduceat(weights, firsts)
    counts = np.diff(np.append(firsts, len(powers)))
    return sums / counts[:, None], np.add.reduceat(shares * weights[..., None], firsts) / sums[..., None]


def _frequencies(model: Model) -> str:
    """The axis of a picture of all bands."""
    bands = model.design.bands
    hz = bands.edges * REFERENCE_RATE / bands.reference_window
    places = np.interp(TICKS_HZ, hz, np.arange(len(hz))) / bands.count
    ticks = [
        f'<span style="bottom: {100 * place:.2f}%">{f"{tick / 1000:g} k" if tick >= 1000 else f"{tick} "}Hz</span>'
        for tick, place in zip(TICKS_HZ, places, strict=True)
    ]
    return f'<div class="axis">{"".join(ticks)}</div>'


def over_time(found: ClusteredSong, duration: float) -> str:
    """The confidence of each stem over the seconds of a song."""
    steps = confidence_over_time(found)
    seconds = np.minimum(np.arange(len(steps)) + 0.5, duration)
    lines, legend = [], []
    for name in found.stems:
        path = figures.line(seconds, np.array([step.posterior[name] for step in steps]), duration)
        lines.append(f'<path style="--colour: {colour_of(name)}" d="{path}"/>')
        legend.append(f'<div style="--colour: {colour_of(name)}"><i></i>{escape(name)}</div>')
    return section(
        "Confidence over time",
        "How certain the model was, second by second: at the top what a stem gets is that stem's alone, at the bottom "
        "all stems share it evenly. A stem that does not sound for a while falls, for what it gets is bleed.",
        f'<div class="row"><div class="axis"><div class="legend">{"".join(legend)}</div>{SCALE}</div><div class="lane">'
        f'<svg viewBox="0 -0.03 1000 1.06" preserveAspectRatio="none">{HALF_WAY}{"".join(lines)}</svg></div></div>',
        "chart",
    )


def map_of(found: ClusteredSong, unhinted: Tensor | None = None) -> str:
    """The embeddings in a plane, with anchors and centroids, beside the confidence of the whole song.

    Args:
        unhinted: where the clusters of the model would have come to rest without hints, (some stems, dimensions):
            a second map shows that.
    """
    whole = confidence(found)
    maps = _plot(found, found.centroids)
    if unhinted is not None:
        maps = (
            f"<figure>{_plot(found, unhinted)}<figcaption>without hints</figcaption></figure>"
            f"<figure>{maps}<figcaption>with hints</figcaption></figure>"
        )
    rows = [
        f'<tr style="--colour: {colour_of(name)}"><td class="name"><i></i>{escape(name)}</td>'
        f"<td>{_figure(whole.posterior[name])}</td><td>{_figure(whole.silhouette[name])}</td></tr>"
        for name in found.stems
    ]
    table = (
        "<table><thead><tr><th>stem</th><th>confidence</th><th>silhouette</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    note = (
        "Confidence is how far a stem's spots are from being shared evenly (0) to being its own (1), silhouette how "
        "much nearer they lie to its own centroid than to the next (-1 to 1). Louder spots count more."
    )
    return section(
        "How the song was clustered",
        "Each dot is a loud spot of the song, a moment and a pitch; the network puts spots together that it takes for "
        "the same stem. Clusters start where stems are in most songs (diamonds, the anchors) and come to rest where "
        "they are in this one (discs, the centroids). The further the colours are apart, the cleaner the stems. The "
        "picture is the plane in which the dots are spread most.",
        f'<div class="map"><div>{maps}</div><div>{table}<p class="note">{note}</p></div></div>',
    )


@dataclass(frozen=True)
class EmbeddingMap:
    """Loud cells of a song in the plane in which they are spread most.

    Attributes:
        dots: (cells, 2).
        owners: number of the nearest centroid of each, (cells,).
        centroids: (stems, 2).
        anchors: where they started, (stems, 2).
        reach: distance of the farthest of all from the middle.
    """

    dots: Array
    owners: Array
    centroids: Array
    anchors: Array
    reach: float

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        parts = {"dots": self.dots, "owners": self.owners, "centroids": self.centroids, "anchors": self.anchors}
        return {"reach": self.reach} | {name: part.round(3).tolist() for name, part in parts.items()}


def embedding_map(found: ClusteredSong, centroids: Tensor) -> EmbeddingMap:
    """The map of a song whose clusters rest at some centroids, (stems, dimensions)."""
    embeddings = found.embeddings.flatten(0, 1).cpu().numpy()
    ends, anchors = centroids.cpu().numpy(), found.anchors.detach().cpu().numpy()[: len(centroids)]
    middle, axes = figures.plane(embeddings)
    chosen = np.sort(np.random.default_rng(0).permutation(len(embeddings))[:CELLS_SHOWN])
    owners = (embeddings[chosen] @ ends.T).argmax(1)
    dots, homes, starts = ((points - middle) @ axes for points in (embeddings[chosen], ends, anchors))
    reach = 1.08 * max(float(np.abs(points).max()) for points in (dots, homes, starts))
    return EmbeddingMap(dots, owners, homes, starts, reach)


def _plot(found: ClusteredSong, centroids: Tensor) -> str:
    """Loud cells in the colours of the nearest of some centroids, in the plane in which they are spread most."""
    shown = embedding_map(found, centroids)
    drawn = []
    for index, name in enumerate(found.stems[: len(centroids)]):
        path = "".join(f"M{x:.3f},{-y:.3f}h0" for x, y in shown.dots[shown.owners == index])
        drawn.append(f'<path class="cells" style="--colour: {colour_of(name)}" d="{path}"/>')
    for name, (x, y), (u, v) in zip(found.stems, shown.centroids, shown.anchors, strict=False):
        y, v = -y, -v
        drawn.append(
            f'<g style="--colour: {colour_of(name)}"><title>{escape(name)}</title>'
            f'<path class="pull" d="M{u:.3f},{v:.3f}L{x:.3f},{y:.3f}"/>'
            f'<path class="anchor" d="M{u:.3f},{v - 0.032:.3f}l.032,.032l-.032,.032l-.032,-.032Z"/>'
            f'<circle class="centroid" cx="{x:.3f}" cy="{y:.3f}" r=".03"/></g>'
        )
    box = f"{-shown.reach:.3f} {-shown.reach:.3f} {2 * shown.reach:.3f} {2 * shown.reach:.3f}"
    return f'<svg viewBox="{box}">{"".join(drawn)}</svg>'


def _figure(value: float) -> str:
    return "none" if isnan(value) else f"{value:.2f}"
