"""Confidence is held against SDR, track by track, and the more the one says of the other the higher the correlation."""

import csv
import io

import numpy as np
import pytest

pytest.importorskip("scipy")
pytest.importorskip("matplotlib")

from stems.evaluate.page import scores_page
from stems.evaluate.prediction import Prediction, predictions
from stems.evaluate.results import load_method, result_path, save_track, summarise
from stems.evaluate.tables import as_markdown, as_text, predictions_as_csv
from stems.song.confidence import Confidence

STEMS = ("drums", "bass")
SDR = ((1.0, 2.0, 4.0, 3.0), (5.0, 6.0, 7.0, np.nan))  # of each stem, by track
POSTERIOR = ((0.1, 0.2, 0.4, 0.3), (0.9, 0.8, 0.1, 0.5))


@pytest.fixture
def folder(tmp_path):
    for track, (sdr, posterior) in enumerate(zip(zip(*SDR, strict=True), zip(*POSTERIOR, strict=True), strict=True)):
        said = Confidence(dict(zip(STEMS, posterior, strict=True)), dict.fromkeys(STEMS, 0.5), 0.5)
        figures = {"SDR": np.array(sdr)[:, None] + [[0.0, np.nan, 0.1, -0.1]]}
        save_track(result_path(tmp_path, "ours", "test", f"song {track}"), STEMS, figures, "quick", said)
        save_track(result_path(tmp_path, "theirs", "test", f"song {track}"), STEMS, figures, "quick")
    return tmp_path


def found_in(folder, method="ours", tracks=None):
    scores = load_method(folder / method, tracks)
    return {(one.measure, one.stem): one for one in predictions(folder / method, method, scores, tracks)}


def test_tracks_that_have_both_count(folder):
    found = found_in(folder)
    assert list(found) == [(m, s) for m in ("confidence", "silhouette") for s in (*STEMS, "all")]
    drums, bass, together = (found["confidence", stem] for stem in (*STEMS, "all"))
    assert drums.sdr.tolist() == list(SDR[0]) and drums.figures.tolist() == list(POSTERIOR[0])
    assert bass.sdr.tolist() == list(SDR[1][:3]) and bass.figures.tolist() == list(POSTERIOR[1][:3])
    assert len(together.sdr) == 7
    assert drums.correlation == pytest.approx(1) and drums.rank_correlation == pytest.approx(1)
    assert bass.correlation == pytest.approx(np.corrcoef(SDR[1][:3], POSTERIOR[1][:3])[0, 1])
    assert bass.rank_correlation == pytest.approx(-1)


def test_nothing_is_said_of_a_method_without_confidence(folder):
    assert not found_in(folder, "theirs")


def test_too_few_tracks_and_figures_that_are_all_alike_have_no_correlation(folder):
    assert np.isnan(found_in(folder)["silhouette", "drums"].correlation)
    two = found_in(folder, tracks={("test", "song 0"), ("test", "song 1")})
    assert len(two["confidence", "drums"].sdr) == 2
    assert np.isnan(two["confidence", "drums"].correlation)


def test_ranks_only_know_the_order():
    figures = np.array([0.1, 0.3, 0.5, 0.7])
    bent = Prediction("ours", "drums", "confidence", figures, np.exp(10 * figures))
    assert bent.rank_correlation == pytest.approx(1)
    assert bent.correlation < 0.9


def test_tables_and_the_page_show_it(folder):
    found = list(found_in(folder).values())
    rows = summarise("ours", load_method(folder / "ours"))
    table = list(csv.DictReader(io.StringIO(predictions_as_csv(found))))
    assert float(table[0]["correlation"]) == found[0].correlation
    assert table[3]["correlation"] == ""
    for text in (as_text(rows, found), as_markdown(rows, found)):
        line = next(line for line in text.splitlines() if "confidence" in line and "bass" in line)
        assert f"{found[1].correlation:.2f}" in line and "-1.00" in line
        assert "confidence" not in as_text(rows)
    page = scores_page("songs & co", rows, found, {})
    assert "Scores: songs &amp; co" in page
    assert page.count("<circle") == 2 * 7  # a dot for each stem of each song, in the charts of both measures
