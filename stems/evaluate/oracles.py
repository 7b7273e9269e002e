"""Oracle baselines: what masks and filters reach that know the true stems.

They bracket every separator: the mixture is what one gets for nothing, and no system that masks the same short-time
spectrum does better than the oracle of its kind. Definitions are those of the SiSEC 2018 campaign, so that the figures
compare with the published ones (Stöter, Liutkus, Ito: "The 2018 Signal Separation Evaluation Campaign", LVA/ICA 2018):

- `mixture`: an equal share of the mixture for every stem.
- `ibm`, ideal binary mask (IBM1): a bin of the mixture goes to every stem whose magnitude is at least half the
  mixture's. Wang: "On ideal binary mask as the computational goal of auditory scene analysis", 2005.
- `irm`, ideal ratio mask (IRM2): a bin is shared in proportion to the stems' powers.
- `mwf`, multichannel Wiener filter: channels are mixed per frequency by the stems' spatial covariances, weighted by
  their powers. Duong, Vincent, Gribonval: "Under-determined reverberant audio source separation using a full-rank
  spatial covariance model", IEEE Transactions on Audio, Speech and Language Processing 18(7), 2010.

Spectra have Hann windows of 46 ms every 23 ms (2048 and 1024 samples at 44.1 kHz, in proportion at other rates).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stems.errors import OptionError

Audio = NDArray[np.floating]
Spectra = NDArray[np.complexfloating]

BASELINES = ("mixture", "ibm", "irm", "mwf")
HOP_SECONDS = 1024 / 44100
HOPS_AT_ONCE = 1024  # about 24 s: spectra of a whole song would not fit into memory
TINY = np.finfo(np.float32).tiny


def estimate(baseline: str, mixture: Audio, stems: Audio, sample_rate: float) -> NDArray[np.float32]:
    """Estimates `(stems, channels, samples)` of this baseline.

    mixture: `(channels, samples)`; a lossy mixture need not be the sum of its stems.
    stems: the true stems, `(stems, channels, samples)`.
    sample_rate: Hz.

    Raises OptionError for a baseline that is not one of `BASELINES`.
    """
    if baseline == "mixture":
        return np.repeat((mixture / len(stems)).astype(np.float32)[None], len(stems), axis=0)
    hop = max(1, round(HOP_SECONDS * sample_rate))
    if baseline == "mwf":
        return _filtered(mixture, stems, hop, _wiener_filter(_spatial_covariances(mixture, stems, hop)))
    if baseline in ("ibm", "irm"):
        return _filtered(mixture, stems, hop, _binary_mask if baseline == "ibm" else _ratio_mask)
    raise OptionError(f"There is no baseline '{baseline}'; choose among {', '.join(BASELINES)}.")


def _binary_mask(mixture: Spectra, stems: Spectra) -> Spectra:
    return np.where(np.abs(stems) >= 0.5 * np.abs(mixture), mixture, 0)


def _ratio_mask(mixture: Spectra, stems: Spectra) -> Spectra:
    power = np.abs(stems) ** 2
    shares: Spectra = mixture * (power / np.maximum(power.sum(axis=0), TINY))
    return shares


def _wiener_filter(spatial: NDArray[np.complexfloating]) -> Callable[[Spectra, Spectra], Spectra]:
    """A Wiener filter from spatial covariances `(stems, bins, channels, channels)`."""
    channels = spatial.shape[-1]

    def separate(mixture: Spectra, stems: Spectra) -> Spectra:
        # Double precision, for covariances of stems in the middle of the stage are all but singular.
        power = (np.abs(stems) ** 2).mean(axis=1).astype(float)  # (stems, bins, frames)
        covariance = np.einsum("sft,sfcd->ftcd", power, spatial)
        level = np.einsum("ftcc->ft", covariance).real / channels
        # A trace of noise in all directions makes them invertible.
        covariance += (1e-10 * level + TINY**0.5)[..., None, None] * np.eye(channels)
        whitened = np.linalg.solve(covariance, mixture.transpose(1, 2, 0)[..., None].astype(complex))[..., 0]
        estimates: Spectra = np.einsum("sft,sfcd,ftd->scft", power, spatial, whitened, optimize=True)
        return estimates

    return separate


def _spatial_covariances(mixture: Audio, stems: Audio, hop: int) -> NDArray[np.complexfloating]:
    """How the channels of each stem go together: `(stems, bins, channels, channels)`, of the stem's mean power."""
    outer: Any = 0
    power: Any = 0
    for _, _, own_frames, spectra in _blocks(mixture, stems, hop):
        own = spectra[1:, ..., own_frames].astype(complex)
        outer = outer + np.einsum("scft,sdft->sfcd", own, own.conj())
        power = power + (np.abs(own) ** 2).mean(axis=1).sum(axis=-1)
    return np.asarray(outer / np.maximum(power, TINY)[..., None, None])


def _filtered(
    mixture: Audio, stems: Audio, hop: int, separate: Callable[[Spectra, Spectra], Spectra]
) -> NDArray[np.float32]:
    from scipy.signal import istft  # which takes half a second to load, and only baselines need

    estimates = np.empty(stems.shape, dtype=np.float32)
    for span, offset, _, spectra in _blocks(mixture, stems, hop):
        audio = istft(separate(spectra[0], spectra[1:]), nperseg=2 * hop)[1]
        estimates[..., span] = audio[..., offset : offset + span.stop - span.start]
    return estimates


def _blocks(mixture: Audio, stems: Audio, hop: int) -> Iterator[tuple[slice, int, slice, Spectra]]:
    """Blocks of a song: its samples, where they start in the block's audio, the block's own frames, and spectra.

    Spectra are `(1 + stems, channels, bins, frames)`, the mixture first, with a margin on both sides so that what is
    made from them joins without a seam.
    """
    from scipy.signal import stft

    samples, margin = mixture.shape[-1], 4
    for first in range(0, samples, HOPS_AT_ONCE * hop):
        span = slice(first, min(first + HOPS_AT_ONCE * hop, samples))
        start, stop = max(0, first - margin * hop), min(samples, span.stop + margin * hop)
        audio = np.concatenate([mixture[None, :, start:stop], stems[..., start:stop]]).astype(np.float32)
        # A short last block still needs a whole window.
        audio = np.pad(audio, [(0, 0), (0, 0), (0, max(0, 2 * hop - audio.shape[-1]))])
        own_frames = slice((first - start) // hop, (first - start) // hop + HOPS_AT_ONCE)
        yield span, first - start, own_frames, stft(audio, nperseg=2 * hop)[2]
