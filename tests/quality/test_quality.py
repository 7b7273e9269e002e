"""The weights that ship separate a mix of our own as well as they did."""

import json

from scored_mix import SCORES, scores

MOST_LOST_DB = 0.1


def test_no_stem_is_separated_worse_than_when_the_weights_were_shipped() -> None:
    kept, found = json.loads(SCORES.read_text()), scores()
    assert kept.keys() == found.keys()
    lost = {
        f"{stem} by {model}": (was, found[model][stem])
        for model, stems in kept.items()
        for stem, was in stems.items()
        if found[model][stem] < was - MOST_LOST_DB
    }
    assert not lost
