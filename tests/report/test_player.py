"""The player of a page, in a browser: mute, solo and seek, judged by what sounds at its output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("selenium")

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import WebDriverWait

from stems.report.song import song_report
from stems.report.source import open_source
from stems.separator import Separator

RATE = 44100
SECONDS = 20
TONES = {"drums": 3000, "bass": 300, "other": 1000, "vocals": 2000}  # Hz
PATIENCE = 30  # seconds, where little is enough
LOUD, FAINT = 0.05, 0.003  # peaks, of tones and noise at 0.2

LISTEN = """
const ear = window.ear ??= Object.assign(player.context.createAnalyser(), {fftSize: 8192, smoothingTimeConstant: 0});
player.output.connect(ear);
"""
HEARD = """
const levels = new Float32Array(ear.frequencyBinCount);
ear.getFloatFrequencyData(levels);
return Object.entries(arguments[0])
  .filter(([name, hz]) => levels[Math.round(hz / player.context.sampleRate * ear.fftSize)] > -50)
  .map(([name]) => name);
"""
PEAK = """
const samples = new Float32Array(ear.fftSize);
ear.getFloatTimeDomainData(samples);
return Math.max(...samples.map(Math.abs));
"""


def write_page(folder: Path, stems: dict[str, np.ndarray], model) -> Path:
    split = folder / "song"
    split.mkdir()
    for name, audio in stems.items():
        soundfile.write(split / f"{name}.wav", audio, RATE)
    with open_source(split) as source:
        page = folder / "song.html"
        page.write_text(song_report(source, Separator(model)), encoding="utf-8")
    return page


@pytest.fixture(scope="module")
def page_of_tones(tmp_path_factory, small_model) -> Path:
    """Each stem is a tone, so that what plays can be told by ear."""
    time = np.arange(SECONDS * RATE) / RATE
    tones = {name: 0.2 * np.sin(2 * np.pi * hz * time) for name, hz in TONES.items()}
    return write_page(tmp_path_factory.mktemp("tones"), tones, small_model)


@pytest.fixture(scope="module")
def page_of_opposites(tmp_path_factory, small_model) -> Path:
    """Two stems that cancel where they play at one and the same moment, and nowhere else."""
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, SECONDS * RATE)
    opposites = {"drums": noise, "bass": -noise, "faint": 1e-4 * noise}  # without the last their sum is silence
    return write_page(tmp_path_factory.mktemp("opposites"), opposites, small_model)


class Listener:
    """Someone in front of a page who waits to hear what they expect."""

    def __init__(self, browser):
        self.browser = browser
        self.until(lambda: browser.execute_script("return player.stems.length > 0"))
        browser.execute_script(LISTEN)

    def until(self, happens):
        return WebDriverWait(self.browser, PATIENCE, 0.05).until(lambda _: happens())

    def press(self, selector):
        element = self.browser.find_element("css selector", selector)
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, key):
        ActionChains(self.browser).send_keys(key).perform()

    def hears(self, *names):
        self.until(lambda: set(self.browser.execute_script(HEARD, TONES)) == set(names))

    def peak(self):
        return self.browser.execute_script(PEAK)

    def second(self):
        return self.browser.execute_script("return player.now")

    def is_pressed(self, selector):
        return self.browser.find_element("css selector", selector).get_attribute("aria-pressed") == "true"

    def dimmed(self):
        """Stems that are shown as silent."""
        rows = self.browser.find_elements("css selector", ".silenced[data-stem]")
        return {row.get_attribute("data-stem") for row in rows}


@pytest.fixture
def tones(show, page_of_tones) -> Listener:
    listener = Listener(show(page_of_tones))
    listener.press(".play")
    listener.hears(*TONES)
    return listener


def button(stem, what):
    return f'[data-stem="{stem}"] .{what}'


def test_mute_silences_one_stem_until_it_is_pressed_again(tones):
    tones.press(button("drums", "mute"))
    tones.hears("bass", "vocals", "other")
    assert tones.is_pressed(button("drums", "mute")) and tones.dimmed() == {"drums"}
    tones.press(button("other", "mute"))
    tones.hears("bass", "vocals")
    tones.press(button("drums", "mute"))
    tones.hears("drums", "bass", "vocals")
    assert not tones.is_pressed(button("drums", "mute")) and tones.dimmed() == {"other"}


def test_solo_plays_only_what_is_soloed_even_if_it_is_muted(tones):
    tones.press(button("vocals", "mute"))
    tones.press(button("vocals", "solo"))
    tones.hears("vocals")
    assert tones.dimmed() == {"drums", "bass", "other"}
    tones.press(button("bass", "solo"))
    tones.hears("vocals", "bass")
    tones.press(button("vocals", "solo"))
    tones.press(button("bass", "solo"))
    tones.hears("drums", "bass", "other")
    assert tones.is_pressed(button("vocals", "mute"))


def test_a_mute_pressed_before_playing_holds_when_it_plays(show, page_of_tones):
    listener = Listener(show(page_of_tones))
    listener.press(button("bass", "mute"))
    listener.press(".play")
    listener.hears("drums", "vocals", "other")


def test_play_pauses_and_goes_on_where_it_stopped(tones):
    tones.until(lambda: tones.second() > 0.5)
    tones.press(".play")
    tones.hears()
    stopped = tones.second()
    assert 0.5 < stopped < SECONDS
    assert tones.second() == stopped
    tones.press(".play")
    tones.hears(*TONES)
    assert tones.second() > stopped


def test_keys_play_solo_and_skip(show, page_of_tones):
    listener = Listener(show(page_of_tones))
    listener.press(button("drums", "mute"))  # so that this button has the focus
    listener.type(Keys.SPACE)
    listener.hears("bass", "vocals", "other")
    assert listener.is_pressed(button("drums", "mute"))
    listener.type("2")
    listener.hears("bass")
    before = listener.second()
    listener.type(Keys.ARROW_RIGHT)
    assert listener.second() > before + 4.9  # it starts a moment after it is told to
    listener.hears("bass")


def test_a_song_that_ends_can_be_played_again(tones):
    tones.type(Keys.ARROW_RIGHT * 3)
    tones.until(lambda: tones.second() == SECONDS)
    tones.hears()
    assert tones.browser.find_element("css selector", ".play").get_attribute("aria-label") == "Play"
    tones.press(".play")
    tones.hears(*TONES)
    assert tones.second() < SECONDS - 1


def test_stems_stay_together_to_the_sample_wherever_one_seeks(show, page_of_opposites):
    listener = Listener(show(page_of_opposites))
    listener.press(".play")
    for row in ('[data-stem="bass"] .lane', ".chart .lane"):
        listener.press(row)  # in its middle
        assert 0.48 * SECONDS < listener.second() < SECONDS
        listener.until(lambda: listener.peak() < FAINT)
        listener.press(button("bass", "mute"))
        listener.until(lambda: listener.peak() > LOUD)
        listener.press(button("bass", "mute"))
        listener.until(lambda: listener.peak() < FAINT)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_fits_its_window_without_a_network(show, page_of_tones, width):
    browser = show(page_of_tones)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        Listener(browser)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        pictures = browser.execute_script("return [...document.images].map((image) => image.naturalWidth)")
        assert len(pictures) == 1 + len(TONES) and all(pictures)
        asked_for = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert all(address.startswith("data:") for address in asked_for)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
