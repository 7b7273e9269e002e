"""Scores of separated stems: BSS Eval version 4, oracles, published results.

The engines, which share one interface (`stems.evaluate.engine.Engine`), are loaded when asked for:

    engine = load_engine("stems")
    scores = engine(true_stems, sample_rate).score(estimates)["SDR"]  # (stems, frames), dB
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stems.errors import OptionError

if TYPE_CHECKING:
    from stems.evaluate.engine import Engine

ENGINES = ("stems", "museval", "quick")


def load_engine(name: str) -> type[Engine]:
    """The engine of this name: `stems` (ours), `museval` (the reference, slow), `quick` (SDR and SI-SDR only).

    Raises OptionError for any other name.
    """
    if name == "stems":
        from stems.evaluate.bss import BssEval

        return BssEval
    if name == "museval":
        from stems.evaluate.museval_engine import Museval

        return Museval
    if name == "quick":
        from stems.evaluate.quick import Quick

        return Quick
    raise OptionError(f"There is no engine '{name}'; choose one of {', '.join(ENGINES)}.")
