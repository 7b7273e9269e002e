"""The page of an evaluation, in a browser."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("selenium")
pytest.importorskip("matplotlib")

from stems.evaluate.report import write_report
from stems.evaluate.results import result_path, save_track
from stems.song.confidence import Confidence

STEMS = ("drums", "bass", "vocals", "other")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four tracks of three methods, one of which says how confident it is."""
    folder = tmp_path_factory.mktemp("results")
    generator = np.random.default_rng(0)
    for track in range(4):
        for method in ("mixture", "ours", "ibm"):
            scores = {metric: generator.normal(5, 3, (4, 6)) for metric in ("SDR", "ISR", "SIR", "SAR")}
            figures = dict(zip(STEMS, generator.uniform(0, 1, 4).tolist(), strict=True))
            said = Confidence(figures, figures, 0.5) if method == "ours" else None
            save_track(result_path(folder, method, "test", f"track {track}"), STEMS, scores, "stems", said)
    write_report(folder, with_published=True, title="MUSDB18")
    return folder


@pytest.mark.parametrize("width", [390, 1280])
def test_box_plots_and_dots_are_seen_at_any_width_without_a_network(show, results, width):
    browser = show(results / "scores.html")
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        pictures = browser.execute_script("return [...document.images].map((image) => image.naturalWidth)")
        assert len(pictures) == 4 and all(pictures)
        dots = browser.find_elements("css selector", ".points circle")
        assert len(dots) == 2 * 4 * len(STEMS)  # both measures, every track
        assert all(dot.is_displayed() for dot in dots)
        heads = [cell.text for cell in browser.find_elements("css selector", ".overview tbody td:first-child")]
        assert heads[:3] == ["mixture", "ours", "ibm"] and "Open-Unmix" in heads
        assert not browser.execute_script(
            "return performance.getEntriesByType('resource').filter((entry) => !entry.name.startsWith('data:'))"
        )
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
