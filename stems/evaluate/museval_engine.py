"""museval behind our engines' interface: the reference that ours is measured against."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from stems.evaluate.engine import Array, Engine


class Museval(Engine):
    """SDR, ISR, SIR and SAR of BSS Eval version 4 by `museval.metrics.bss_eval`; arguments as in `Engine`."""

    metrics: ClassVar[tuple[str, ...]] = ("SDR", "ISR", "SIR", "SAR")

    def _measure(
        self, estimates: list[NDArray[np.floating]], stems: list[int], frames: NDArray[np.intp]
    ) -> dict[str, Array]:
        from museval.metrics import bss_eval

        # museval wants an estimate for every true stem; a true stem stands in where there is none, and the scores of
        # the others do not depend on it.
        stand_ins = [estimates[stem] if stem in stems else self.references[stem] for stem in self.sounding]
        frame, *others = self.frames
        ratios = bss_eval(
            np.stack([self.references[stem] for stem in self.sounding]).swapaxes(1, 2),
            np.stack(stand_ins).swapaxes(1, 2),
            window=frame.stop - frame.start,
            hop=others[0].start if others else frame.stop,
            compute_permutation=False,
            filters_len=512,
            framewise_filters=False,
            bsseval_sources_version=False,
        )[:4]
        rows = np.array([self.sounding.index(stem) for stem in stems])
        return {name: values[np.ix_(rows, frames)] for name, values in zip(self.metrics, ratios, strict=True)}
