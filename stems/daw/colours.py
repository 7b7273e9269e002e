"""The colour of each stem, the same in every DAW."""

from __future__ import annotations

import colorsys
import zlib

# Okabe and Ito's palette, which people with any colour vision can tell apart; DJ software shows stems in it too,
# in this order.
PALETTE = {
    "drums": "#009E73",
    "bass": "#D55E00",
    "other": "#CC79A7",
    "vocals": "#56B4E9",
}
MIXTURE = "#8C8C8C"


def colour_of(stem: str) -> str:
    """Return the colour of a stem as `#RRGGBB`; a name outside the palette always gets the same generated one."""
    if stem.lower() in PALETTE:
        return PALETTE[stem.lower()]
    hue = zlib.crc32(stem.encode(errors="surrogatepass")) / 2**32
    return "#" + "".join(f"{round(255 * level):02X}" for level in colorsys.hls_to_rgb(hue, 0.55, 0.5))


def usual_order(stem: str) -> tuple[int, str]:
    """What stems are sorted by: known ones as in the palette, then the others by name."""
    usual = list(PALETTE)
    return (usual.index(stem.lower()) if stem.lower() in usual else len(usual), stem)
