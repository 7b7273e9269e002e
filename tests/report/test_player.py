"""The player of a page, in a browser: mute, solo and seek, judged by what sounds at its output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from browsers import AXE_CHECK, CONTRASTS

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
WINDOW = 0.5  # seconds of playing, after which an analyser hears the same tones from its first sample to its last

LISTEN = """
const ear = window.ear ??= Object.assign(player.context.createAnalyser(), {fftSize: 8192, smoothingTimeConstant: 0});
player.output.connect(ear);
"""
LEVELS = """
const spectrum = new Float32Array(ear.frequencyBinCount);
ear.getFloatFrequencyData(spectrum);
return Object.fromEntries(Object.entries(arguments[0]).map(([name, hz]) => {
  const place = Math.round(hz / player.context.sampleRate * ear.fftSize);
  return [name, Math.max(...spectrum.slice(place - 2, place + 3))];
}));
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

    def type(self, *keys):
        ActionChains(self.browser).send_keys(*keys).perform()

    def hears(self, *names):
        self.until(lambda: set(self.browser.execute_script(HEARD, TONES)) == set(names))

    def peak(self):
        return self.browser.execute_script(PEAK)

    def level(self, name):
        """Of a tone, in dB."""
        return self.browser.execute_script(LEVELS, TONES)[name]

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def find(self, selector):
        return self.browser.find_element("css selector", selector)

    def drag(self, selector, begin, end):
        """Over an element, from one place to another, as shares of its width."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        first, last = (round((x - 0.5) * element.size["width"]) for x in (begin, end))
        actions = ActionChains(self.browser, duration=20).move_to_element_with_offset(element, first, 0)
        actions.click_and_hold().move_to_element_with_offset(element, (first + last) // 2, 0)
        actions.move_to_element_with_offset(element, last, 0).release().perform()

    def reach(self, condition):
        """Goes from control to control until one fits."""
        for _ in range(60):
            if self.run(f"const at = document.activeElement; return {condition}"):
                return
            self.type(Keys.TAB)
        raise AssertionError(condition)

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
    listener.type(Keys.SPACE)
    listener.hears(*TONES)
    listener.press(button("drums", "mute"))  # so that this button has the focus
    listener.hears("bass", "vocals", "other")
    listener.type(Keys.SPACE)  # presses it
    listener.hears(*TONES)
    assert not listener.is_pressed(button("drums", "mute"))
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


def test_a_fader_changes_the_level_by_what_it_says(tones):
    tones.until(lambda: tones.second() > WINDOW)  # of sound, however long a busy machine takes over it
    before = tones.level("vocals"), tones.level("bass")
    fader = tones.find(button("vocals", "db"))
    for db in (-12, 6):
        tones.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))", fader, db)
        assert tones.find('[data-stem="vocals"] output').text == f"{db} dB"
        tones.until(lambda db=db: abs(tones.level("vocals") - before[0] - db) < 0.5)
        assert abs(tones.level("bass") - before[1]) < 0.5
    tones.run("arguments[0].value = -60; arguments[0].dispatchEvent(new Event('input'))", fader)
    tones.hears("drums", "bass", "other")
    assert fader.get_attribute("aria-valuetext") == "silent"


def test_the_original_is_all_stems_as_they_came_whatever_the_faders_say(tones):
    tones.press(button("vocals", "solo"))
    tones.hears("vocals")
    tones.press("#original")
    tones.hears(*TONES)
    assert tones.is_pressed("#original") and not tones.dimmed()
    tones.type("a")
    tones.hears("vocals")
    assert not tones.is_pressed("#original") and tones.dimmed() == {"drums", "bass", "other"}


def test_the_original_is_the_song_itself_where_the_stems_do_not_add_up_to_it(show, tmp_path, small_model):
    time = np.arange(SECONDS * RATE) / RATE
    folder = tmp_path / "song"
    folder.mkdir()
    for name, hz in (("bass", TONES["bass"]), ("drums", TONES["drums"]), ("mixture", TONES["other"])):
        soundfile.write(folder / f"{name}.wav", 0.2 * np.sin(2 * np.pi * hz * time), RATE)
    with open_source(folder) as source:
        (tmp_path / "song.html").write_text(song_report(source, Separator(small_model)), encoding="utf-8")
    listener = Listener(show(tmp_path / "song.html"))
    listener.press(".play")
    listener.hears("bass", "drums")
    listener.press("#original")
    listener.hears("other")
    listener.press("#original")
    listener.hears("bass", "drums")


def test_a_loop_that_is_dragged_returns_to_its_beginning(tones):
    tones.drag('[data-stem="bass"] .lane', 0.25, 0.3)
    loop = tones.run("return player.loop")
    assert loop["begin"] == pytest.approx(0.25 * SECONDS, abs=0.1)
    assert loop["end"] == pytest.approx(0.3 * SECONDS, abs=0.1)
    assert tones.is_pressed("#loop")
    seen = []
    tones.until(lambda: seen.append(tones.second()) or sum(np.diff(seen) < -0.5) > 2)
    assert all(loop["begin"] - 0.1 < second < loop["end"] + 0.1 for second in seen)
    tones.hears(*TONES)
    tones.press("#loop")
    tones.until(lambda: tones.second() > loop["end"] + 0.5)


def test_a_loop_repeats_what_is_between_its_ends_and_all_stems_together(show, tmp_path, small_model):
    """A stem that is silent outside of the loop, and one that cancels it in there."""
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, SECONDS * RATE)
    inside = (np.arange(len(noise)) >= 5 * RATE) & (np.arange(len(noise)) < 7 * RATE)
    stems = {"drums": noise * inside, "bass": -noise * inside, "other": 0.2 * ~inside * noise, "faint": 1e-4 * noise}
    listener = Listener(show(write_page(tmp_path, stems, small_model)))
    listener.run("setLoop({ begin: 5.1, end: 5.9 })")
    listener.press(".play")
    wraps, before = 0, 0.0
    while wraps < 3:
        now = listener.second()
        wraps, before = wraps + (now < before - 0.3), now
    listener.until(lambda: listener.peak() < FAINT)
    listener.press(button("bass", "mute"))
    listener.until(lambda: listener.peak() > LOUD)
    assert 5.1 <= listener.second() <= 5.9


COLUMNS = """
const canvas = document.querySelector('[data-stem="drums"] canvas');
const context = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
context.drawImage(canvas, 0, 0);
const line = context.getImageData(0, Math.round(canvas.height / 4), canvas.width, 1).data;
const columns = [...Array(canvas.width).keys()].filter((x) => {
  const [red, green, blue] = line.slice(4 * x, 4 * x + 3);
  return Math.max(red, green, blue) - Math.min(red, green, blue) > 30;  // a line of a beat is grey
});
return [columns[0] / canvas.width, columns.at(-1) / canvas.width];
"""


def test_zoom_changes_the_span_that_is_drawn(show, tmp_path, small_model):
    """Of a stem that sounds from 5 to 6 of 20 seconds."""
    time = np.arange(SECONDS * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 1000 * time)
    stems = {"drums": tone * (time >= 5) * (time < 6), "bass": 0.1 * tone}
    listener = Listener(show(write_page(tmp_path, stems, small_model)))

    def drawn(begin, end):
        return np.allclose(listener.run(COLUMNS), [(5 - begin) / (end - begin), (6 - begin) / (end - begin)], atol=0.01)

    def span():
        return listener.run("return [view.begin, view.end]")

    listener.until(lambda: drawn(0, SECONDS))
    listener.run("player.seek(5.5)")
    listener.press("#zoom-in")
    listener.type("+")
    begin, end = span()
    assert end - begin == pytest.approx(SECONDS / 4) and begin < 5 and end > 6
    listener.until(lambda: drawn(begin, end))
    image = "const box = document.querySelector('.song img').getBoundingClientRect(); return box.width"
    lane = listener.find(".song .lane").size["width"]
    assert listener.run(image) == pytest.approx(4 * lane, rel=0.02)  # pictures are stretched alike
    listener.type("-")
    assert span()[1] - span()[0] == pytest.approx(SECONDS / 2)
    listener.press("#zoom-all")
    listener.until(lambda: drawn(0, SECONDS))
    wheel = "new WheelEvent('wheel', { deltaY: -700, clientX: 500, cancelable: true })"
    listener.run(f"document.querySelector('.ticks').dispatchEvent({wheel})")
    assert span()[1] - span()[0] == pytest.approx(SECONDS * np.exp(-1.4), rel=0.01)
    assert len(listener.find(".ticks").text.split()) > 2


def test_the_keyboard_alone_does_all_of_it(show, page_of_tones):
    listener = Listener(show(page_of_tones))
    listener.reach("at.matches('.play')")
    listener.type(Keys.SPACE, "l")  # so that it does not end while one listens
    listener.hears(*TONES)
    listener.reach("at.id === 'original'")
    listener.reach("at.matches('[data-stem=drums] .mute')")
    listener.type(Keys.SPACE)
    listener.hears("bass", "other", "vocals")
    listener.reach("at.matches('[data-stem=drums] .solo')")
    listener.type(Keys.SPACE)
    listener.hears("drums")
    listener.type(Keys.SPACE)
    listener.reach("at.matches('[data-stem=bass] .db')")
    second = listener.second()
    listener.type(Keys.HOME)
    listener.hears("other", "vocals")
    assert listener.second() >= second  # the fader alone has moved
    listener.type(*[Keys.ARROW_RIGHT] * 2)
    assert listener.find('[data-stem="bass"] output').text == "-59 dB"
    listener.reach("at.matches('[data-stem=other] .lane')")
    listener.type("m")
    listener.hears("vocals")
    listener.type("a")
    listener.hears(*TONES)
    listener.type("a", "1")
    listener.hears("drums")
    listener.type(Keys.HOME, Keys.ARROW_RIGHT, "i", Keys.ARROW_RIGHT, "o")
    loop = listener.run("return player.loop")
    assert 4.9 < loop["begin"] < loop["end"] - 4 and loop["end"] < 14
    listener.type("l")
    assert listener.run("return player.loop") is None
    listener.type("+", "+", "l")
    span = listener.run("return [player.loop.begin, player.loop.end, view.seconds]")
    assert span[1] - span[0] == pytest.approx(span[2]) and span[2] == pytest.approx(SECONDS / 4)
    listener.type("0", Keys.SPACE)
    listener.until(lambda: listener.run("return view.seconds") == SECONDS)
    listener.until(lambda: not listener.run("return player.playing"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_violation_and_lines_can_be_told_from_their_background(show, page_of_tones, axe, scheme, width):
    browser = show(page_of_tones)
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        listener = Listener(browser)
        listener.run("setLoop({ begin: 1, end: 3 }); toggle(player.stems[0], 'solo'); toggle(player.stems[1], 'mute')")
        listener.run(axe)
        browser.set_script_timeout(60)
        assert browser.execute_async_script(AXE_CHECK) == []
        found = browser.execute_script(CONTRASTS)
        assert len(found) == 2 + len(TONES) and min(found) >= 3, found
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


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
