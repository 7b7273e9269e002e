"""Scores are kept in museval's own schema, summed up as museval does, and shown in tables and plots."""

import csv
import io
import json

import numpy as np
import pytest

pytest.importorskip("scipy")

from stems.errors import StemsError
from stems.evaluate.plots import save_box_plot
from stems.evaluate.published import BINARY_MASK, LANDMARKS, MIXTURE, published
from stems.evaluate.results import (
    is_finished,
    load_method,
    load_track,
    methods,
    published_rows,
    result_path,
    save_track,
    sdr_by_stem,
    share_of_the_way,
    summarise,
)
from stems.evaluate.tables import as_csv, as_markdown, as_text

STEMS = ("drums", "bass")


def scores(seed, frames=7):
    generator = np.random.default_rng(seed)
    figures = {metric: generator.normal(5, 3, (2, frames)) for metric in ("SDR", "ISR", "SIR", "SAR")}
    for metric in figures.values():
        metric[:, 2] = np.nan
    figures["SIR"][0, 3] = np.inf
    return figures


@pytest.fixture
def folder(tmp_path):
    for track in range(3):
        for method in ("ours", "ibm"):
            path = result_path(tmp_path, method, "test", f"Song {track} & more")
            save_track(path, STEMS, scores(track + 10 * (method == "ibm")), "stems")
    silent = {metric: np.full((2, 4), np.nan) for metric in ("SDR", "ISR", "SIR", "SAR")}
    save_track(result_path(tmp_path, "ours", "test", "Silence"), STEMS, silent, "stems")
    return tmp_path


def test_files_are_those_of_museval(folder):
    museval = pytest.importorskip("museval")
    figures = scores(0)
    store = museval.TrackStore("Song 0 & more")
    for row, stem in enumerate(STEMS):
        store.add_target(stem, {metric: values[row].tolist() for metric, values in figures.items()})
    path = result_path(folder, "ours", "test", "Song 0 & more")
    ours, theirs = json.loads(path.read_text()), json.loads(store.json)
    np.testing.assert_equal(ours["targets"], theirs["targets"])
    assert ours["museval_version"] == theirs["museval_version"]
    store.scores = ours
    store.validate()


def test_sums_are_those_of_museval(folder):
    museval = pytest.importorskip("museval")
    store = museval.MethodStore()
    store.add_eval_dir(folder / "ours")
    expected = store.agg_frames_tracks_scores()
    for row in summarise("ours", load_method(folder / "ours")):
        for metric, figure in row.scores.items():
            assert figure == pytest.approx(expected["ours"][row.stem][metric])


def test_what_is_saved_is_loaded(folder):
    loaded = load_track(result_path(folder, "ours", "test", "Song 1 & more"))
    expected = scores(1)
    expected["SIR"][0, 3] = np.nan  # infinite figures are no figures, as in museval
    for metric, figures in expected.items():
        for row, stem in enumerate(STEMS):
            np.testing.assert_allclose(loaded[stem][metric], figures[row], atol=1e-5)


def test_a_track_is_finished_for_the_engine_that_scored_it(tmp_path):
    path = tmp_path / "ours" / "test" / "song.json"
    assert not is_finished(path, "stems")
    save_track(path, STEMS, scores(0), "stems")
    assert is_finished(path, "stems")
    assert not is_finished(path, "museval")
    path.write_text(path.read_text()[:100])
    assert not is_finished(path, "stems")
    with pytest.raises(StemsError, match=r"song\.json"):
        load_track(path)
    path.write_text('{"targets": [{"name": "bass"}]}')
    with pytest.raises(StemsError, match=r"song\.json"):
        load_track(path)


def test_nothing_is_left_of_a_write_that_fails(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(StemsError, match="disk full"):
        save_track(tmp_path / "song.json", STEMS, scores(0), "stems")
    assert not list(tmp_path.iterdir())


def test_quick_scores_can_be_kept_too(tmp_path):
    save_track(tmp_path / "song.json", STEMS, {"SDR": np.ones((2, 3)), "SI-SDR": np.full((2, 3), 2.0)}, "quick")
    loaded = load_track(tmp_path / "song.json")["bass"]
    assert loaded["SI-SDR"].tolist() == [2, 2, 2]
    assert np.isnan(loaded["SIR"]).all()


def test_frames_without_signal_are_counted_and_left_out(folder):
    row = summarise("ours", load_method(folder / "ours"))[0]
    assert (row.tracks, row.frames, row.frames_without_signal) == (3, 25, 7)
    assert row.scores["SDR"] == pytest.approx(np.median([np.nanmedian(scores(track)["SDR"][0]) for track in range(3)]))


def test_the_way_from_mixture_to_binary_mask():
    assert share_of_the_way(1.0, 1.0, 6.0) == 0
    assert share_of_the_way(6.0, 1.0, 6.0) == 1
    assert share_of_the_way(3.5, 1.0, 6.0) == 0.5
    assert share_of_the_way(3.5, None, 6.0) is None
    assert share_of_the_way(3.5, 6.0, 6.0) is None


def rows_of(folder):
    binary_mask = sdr_by_stem(summarise("ibm", load_method(folder / "ibm")))
    ours = summarise("ours", load_method(folder / "ours"), {"drums": 1.0, "bass": 0.0}, binary_mask)
    known = published()
    return [*ours, *published_rows(known["Open-Unmix"], known[MIXTURE], known[BINARY_MASK])]


def test_tables_hold_every_row(folder):
    rows = rows_of(folder)
    text, markdown = as_text(rows), as_markdown(rows)
    table = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [(line["method"], line["stem"]) for line in table] == [(row.method, row.stem) for row in rows]
    for row, line, of_text, of_markdown in zip(
        rows, table, text.splitlines()[1:], markdown.splitlines()[2:], strict=False
    ):
        assert float(line["SDR"]) == row.scores["SDR"]
        assert float(line["way"]) == row.share
        cells = [row.method, row.stem, f"{row.scores['SDR']:.2f}", f"{row.share:.0%}"]
        assert all(cell in of_text and f" {cell} |" in of_markdown for cell in cells)
    assert table[0]["frames_without_signal"] == "7"
    assert "28%" in text.splitlines()[1]
    assert "silent" in text and "silent" in markdown


def test_methods_are_found(folder):
    (folder / "empty").mkdir()
    assert list(methods(folder)) == ["ours", "ibm"]
    (folder / "ibm").rename(folder / "mixture")
    assert list(methods(folder)) == ["mixture", "ours"]
    assert list(methods(folder, {("test", "Silence")})) == ["ours"]
    assert list(load_method(folder / "ours", {("test", "Silence"), ("train", "Song 0 & more")})) == ["Silence"]


def test_box_plot_is_a_picture(folder):
    pytest.importorskip("matplotlib")
    path = folder / "plots" / "sdr.png"
    results = {method: load_method(folder / method) for method in methods(folder)}
    save_box_plot(path, results, [published()[name] for name in LANDMARKS], subset="test")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(path.parent.iterdir()) == [path]
    from matplotlib.image import imread

    picture = imread(path)
    assert picture.shape[1] > 500 and np.ptp(picture[..., :3]) > 0.5


def test_published_results_have_sources_and_plausible_figures():
    known = published()
    for result in known.values():
        assert result.source
        assert result.kind in ("system", "oracle")
        assert set(result.scores) == {"vocals", "drums", "bass", "other"}
        assert all("SDR" in scores and -10 < scores["SDR"] < 15 for scores in result.scores.values())
    assert set(LANDMARKS) <= known.keys()
    rounded = {stem: round(scores["SDR"], 1) for stem, scores in known[BINARY_MASK].scores.items()}
    assert rounded == {"vocals": 7.7, "drums": 7.1, "bass": 5.2, "other": 5.9}
    rounded = {stem: round(scores["SDR"], 1) for stem, scores in known["Open-Unmix"].scores.items()}
    assert rounded == {"vocals": 6.3, "drums": 5.7, "bass": 5.2, "other": 4.0}
