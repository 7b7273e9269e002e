"""The page in a browser: what its controls do is judged by what sounds, and by what the server keeps."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browsers import AXE_CHECK, CONTRASTS
from made_songs import made_song
from pages import Page
from studios import running, until, write_song

pytest.importorskip("selenium")

from selenium.webdriver import Keys

from stems.separator import Separator

STEMS = ("drums", "bass", "vocals", "other")
QUALITY = Path(__file__).parents[1] / "quality"
SECONDS = 12
RATE = 44_100


@pytest.fixture
def tune(page: Page, tmp_path: Path) -> Page:
    """A song of noise, open."""
    page.running.studio.add_paths([str(write_song(tmp_path / "Tune.wav", SECONDS, RATE))])
    page.run("studio.queue.refresh()")
    page.choose("Tune")
    page.run(f"studio.player.setLoop({{ begin: 0, end: {SECONDS} }})")  # so that it does not end while one listens
    return page


def button(stem: str, what: str) -> str:
    return f'[data-stem="{stem}"] .{what}'


def slide(page: Page, selector: str, value: float) -> None:
    page.run("arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input')); "
             "arguments[0].dispatchEvent(new Event('change'))", page.find(selector), value)  # fmt: skip


def test_songs_are_dropped_heard_with_progress_and_cancelled(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = base64.b64encode(write_song(tmp_path / "x.wav", 8, 44_100).read_bytes()).decode()
    drop = """
    const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0)), transfer = new DataTransfer();
    for (const name of arguments[1]) transfer.items.add(new File([bytes], name, { type: "audio/wav" }));
    window.shares = new Set();
    studio.queue.addEventListener("change", () => studio.queue.songs.forEach((song) => shares.add(song.progress)));
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
    """
    page.run(drop, content, ["one.wav", "<i>two.wav", "three.txt"])
    names = "[...document.querySelectorAll('.songs b')].map((name) => name.textContent).sort().join()"
    page.until(f"{names} === '<i>two,one,three.txt'")
    page.until("document.querySelector('.songs .failed small')?.textContent.includes('three.txt is no song')")
    page.until("studio.queue.songs.filter((song) => song.state === 'heard').length === 2")
    separator = page.running.studio.hearing.separator
    encode = separator.encode

    def slowly(song: Any, rate: float, report: Callable[[float], None], cancelled: Callable[[], bool]) -> Any:
        return encode(song, rate, lambda share: (time.sleep(0.03), report(share)), cancelled)

    monkeypatch.setattr(separator, "encode", slowly)
    page.find("input#files").send_keys(str(write_song(tmp_path / "four.wav", 240, 44_100)))
    page.until("document.querySelector('.songs .hearing progress')?.value > 0")
    page.run("document.querySelector('.songs .hearing .drop-song').click()")  # whose row comes anew with its progress
    page.until("studio.queue.songs.at(-1).state === 'cancelled'")
    assert len(page.running.studio.library.entries()) == 3
    page.browser.get_log("browser")  # which tells of the file that was refused


def test_what_sounds_is_what_mute_solo_fader_pan_master_and_original_say(tune: Page) -> None:
    audio = tune.audio()
    drums, bass, vocals, other, song = (audio[name] for name in (*STEMS, "song"))
    tune.press("#play")
    tune.hears(drums + bass + vocals + other)
    tune.press(button("drums", "mute"))
    tune.hears(bass + vocals + other)
    slide(tune, button("bass", "db"), -6)
    tune.hears(10 ** (-6 / 20) * bass + vocals + other)
    slide(tune, button("vocals", "pan"), -0.5)
    left_only = np.array([[1.0], [0.5]])
    tune.hears(10 ** (-6 / 20) * bass + left_only * vocals + other)
    tune.press(button("vocals", "solo"))
    tune.hears(left_only * vocals)
    slide(tune, "#master", 3)
    tune.hears(10 ** (3 / 20) * left_only * vocals)
    meter = "return new DOMMatrix(getComputedStyle(document.querySelector('[data-stem=\"%s\"] .meter i')).transform).a"
    assert tune.run(meter % "vocals") > 0.3
    until(lambda: tune.run(meter % "drums") == 0)
    tune.press("#original")
    tune.hears(10 ** (3 / 20) * song)
    tune.press("#original")
    tune.hears(10 ** (3 / 20) * left_only * vocals)
    tune.press("#play")
    tune.hears_silence()
    kept = until(lambda: tune.running.studio.library.settings(tune.run("return studio.player.song.id")).get("mixer"))
    until(lambda: kept["faders"]["vocals"]["solo"])


def test_the_mixer_is_exact_to_the_sample_in_loops_and_from_one_separation_to_another(tune: Page) -> None:
    """The processor itself, given blocks of two separations, renders what they say."""
    audio = tune.audio()
    script = """
    const done = arguments[arguments.length - 1], [loop, from, count] = arguments;
    Promise.all([import("./page/mixer.js"), import("./page/api.js")]).then(async ([{ Mixer }, { api }]) => {
      const { song, separation } = studio.player, { key, block_samples: size, lead, blocks } = separation;
      const mixer = new Mixer(song.sample_rate), gains = [...Array(8).fill(1), 0, 0];
      mixer.accept({ type: "open", song: { samples: song.samples, channels: song.channels, size, lead } });
      for (const name of [key, "again"]) mixer.accept({ type: "choose", key: name, gains });
      for (let number = 0; number < blocks; number++)
        for (const name of [key, "again"])
          mixer.accept({ type: "block", key: name, number, samples: await api.block(song.id, key, number) });
      mixer.accept({ type: "choose", key, gains });
      mixer.accept({ type: "loop", loop });
      mixer.accept({ type: "seek", position: from });
      mixer.level = 1;
      mixer.accept({ type: "play" });
      const out = [new Float32Array(count), new Float32Array(count)];
      for (let at = 0; at < count; at += 128) {
        if (at === 128 * 40) mixer.accept({ type: "choose", key: "again", gains });
        mixer.render(...out.map((side) => side.subarray(at, at + 128)));
      }
      const bytes = out.map((side) => new Uint8Array(side.buffer));
      done(bytes.map((some) => btoa(Array.from(some, (byte) => String.fromCharCode(byte)).join(""))));
    });
    """
    begin, end, start, count = 40_001, 70_000, 35_000, 128 * 800
    tune.browser.set_script_timeout(60)
    rendered = tune.browser.execute_async_script(script, {"begin": begin, "end": end}, start, count)
    found = np.stack([np.frombuffer(base64.b64decode(side), np.float32) for side in rendered])
    mix = sum(audio[name] for name in STEMS)
    looped = np.concatenate([mix[:, start:end], *[mix[:, begin:end]] * 5], 1)[:, :count]
    np.testing.assert_allclose(found, looped, atol=1e-5)


def test_the_song_that_was_chosen_last_is_shown_though_an_earlier_one_opens_later(page: Page, tmp_path: Path) -> None:
    for name in ("Slow", "Quick"):
        page.running.studio.add_paths([str(write_song(tmp_path / f"{name}.wav", 4, RATE))])
    page.run("studio.queue.refresh()")
    page.until("studio.queue.songs.filter((song) => song.state === 'heard').length === 2")
    held = """
    const done = arguments[arguments.length - 1];
    import("./page/api.js").then(({ api }) => {
      const describe = api.describe, slow = studio.queue.songs.find((song) => song.name === "Slow").id;
      window.slowly = new Promise((resolve) => { window.goOn = resolve; });
      api.describe = async (id) => {
        const found = await describe(id);
        if (id === slow) await slowly.then(() => { setTimeout(() => { window.wentOn = true; }, 500); });
        return found;
      };
      done();
    });
    """
    page.browser.execute_async_script(held)
    for name in ("Slow", "Quick", "Quick"):  # and people click twice
        page.run("[...document.querySelectorAll('.songs .pick')].find((row) => "
                 "row.querySelector('b').textContent === arguments[0]).click()", name)  # fmt: skip
    page.until("studio.lanes.picture && studio.player.separation")
    page.type(Keys.SPACE)
    page.run("goOn()")
    page.until("window.wentOn")
    assert page.find("#title").text == "Quick" == page.run("return studio.player.song.name")
    assert page.find("#message").text == ""
    page.until("studio.player.now > 1")


def test_the_mixer_goes_where_it_was_sent_last_also_at_the_end_of_the_song(page: Page) -> None:
    script = """
    const done = arguments[arguments.length - 1];
    import("./page/mixer.js").then(({ Mixer }) => {
      const size = 4096, samples = 40 * size, mixer = new Mixer(44100);
      const render = (times) => {
        for (let time = 0; time < times; time++) mixer.render(new Float32Array(128), new Float32Array(128));
      };
      mixer.accept({ type: "open", song: { samples, channels: 1, size, lead: 0 } });
      mixer.accept({ type: "choose", key: "one", gains: [1, 1, 0, 0] });
      for (let number = 0; number < 40; number++)
        mixer.accept({ type: "block", key: "one", number, samples: new Float32Array(2 * size).fill(0.5) });
      mixer.accept({ type: "play" });
      const arrived = [];
      for (let between = 0; between < 20; between++) {  // two jumps, so many pieces of music apart
        mixer.accept({ type: "seek", position: 0 });
        render(60);
        mixer.accept({ type: "seek", position: 30000 });
        render(between);
        mixer.accept({ type: "seek", position: 90000 });
        render(40);
        arrived.push(mixer.position);
      }
      mixer.accept({ type: "seek", position: samples - 1000 });
      while (mixer.position < samples - 500) render(1);
      mixer.accept({ type: "seek", position: 0 });
      render(20);
      done([arrived, mixer.playing, mixer.position]);
    });
    """
    arrived, playing, position = page.browser.execute_async_script(script)
    assert all(90_000 <= sample <= 90_000 + 40 * 128 for sample in arrived)
    assert playing and 0 < position < 20 * 128


def test_a_loop_is_dragged_on_the_ruler_and_repeats(tune: Page) -> None:
    tune.drag("#ruler", (0.25, 0.5), (0.35, 0.5))
    loop = tune.run("return studio.player.loop")
    assert loop["begin"] == pytest.approx(0.25 * SECONDS, abs=0.1) and loop["end"] == pytest.approx(
        0.35 * SECONDS, abs=0.1
    )
    tune.press("#play")
    seen = []
    until(lambda: seen.append(tune.run("return studio.player.now")) or sum(np.diff(seen) < -0.5) > 1)
    assert all(loop["begin"] - 0.3 < second < loop["end"] + 0.3 for second in seen)
    assert tune.find("#loop").get_attribute("aria-pressed") == "true"
    tune.press("#loop")
    until(lambda: tune.run("return studio.player.now") > loop["end"] + 0.5)


def test_zooming_shows_less_more_finely(tune: Page) -> None:
    tune.run("studio.player.seek(6)")
    for _ in range(5):
        tune.press("#zoom-in")
    tune.until("studio.lanes.picture.end - studio.lanes.picture.begin < 0.5")
    picture = tune.run("const { begin, end, image } = studio.lanes.picture; return [begin, end, image.width]")
    assert picture[0] < 6 < picture[1]
    assert (picture[1] - picture[0]) / picture[2] < 0.003  # seconds of a column, where frames are 23 ms
    assert len(tune.find("#ruler").text.split()) > 2
    tune.run("document.getElementById('spectrogram').dispatchEvent(new WheelEvent('wheel', {deltaY: 4000, "
             "clientX: 500, cancelable: true}))")  # fmt: skip
    assert tune.run("return studio.view.seconds") == SECONDS
    lane = tune.find("#spectrogram")
    from selenium.webdriver import ActionChains

    ActionChains(tune.browser).move_to_element_with_offset(lane, 0, 0).perform()
    said = tune.find("#readout").get_attribute("textContent")
    assert said.startswith("0:0") and said.endswith("Hz")


def sdr(true: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10(np.square(true).sum() / np.square(true - estimate).sum()))


def test_a_dragged_hint_raises_the_sdr_of_its_stem_and_undo_brings_back_the_very_same_samples(
    browser, tmp_path: Path
) -> None:
    """A song of known stems and the weights that ship: part of a gliding voice goes to other stems without a hint.

    The hint is true: nine tenths of what sounds in its box are the voice. One that is not makes a stem worse.
    """
    true = {name: soundfile.read(QUALITY / f"{name}.ogg", dtype="float32")[0].T for name in STEMS}
    true["vocals"] = np.float32(1.5) * made_song(np.random.default_rng(8), RATE, 7.0)["vocals"].T.astype(np.float32)
    soundfile.write(tmp_path / "Mix.wav", sum(true.values()).T, RATE, subtype="FLOAT")
    with running(tmp_path / "studio", Separator()) as started:
        page = Page(browser, started)
        started.studio.add_paths([str(tmp_path / "Mix.wav")])
        page.run("studio.queue.refresh()")
        page.choose("Mix")
        before, first = page.audio(), page.run("return studio.player.separation.key")
        edges = np.array(page.run("return studio.player.song.edges"))
        low, high = (float(np.interp(hz, edges, np.linspace(0, 1, len(edges)))) for hz in (250, 1000))
        page.run("studio.player.setLoop({ begin: 0, end: 7 })")
        page.press("#play")
        page.drag("#spectrogram", (2 / 7, 1 - low), (4 / 7, 1 - high))
        page.press('#hint-stems input[value="vocals"]')
        page.press("#hint-keep")
        page.changed(first)
        after = page.audio()
        assert sdr(true["vocals"], after["vocals"]) > sdr(true["vocals"], before["vocals"]) + 0.1
        page.hears(sum(after[name] for name in STEMS))
        assert page.find("#command").text.startswith(f"stems split {tmp_path / 'Mix.wav'} --hint vocals=0:0")
        assert page.browser.find_elements("css selector", ".told")
        second = page.run("return studio.player.separation.key")
        page.type("b")
        assert page.changed(second) == first
        page.type("b")
        assert page.changed(first) == second
        page.press("#undo")
        assert page.changed(second) == first
        again = page.audio()
        assert all(np.array_equal(again[name], before[name]) for name in before)
        assert not page.browser.find_elements("css selector", ".hint-item")
        page.press("#redo")
        assert page.changed(first) == second
        page.press(".hint-item .tool:last-child")
        assert page.changed(second) == first
        browser.get("about:blank")
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_a_stem_of_ones_own_gets_a_channel_and_bad_hints_say_why(tune: Page) -> None:
    first = tune.run("return studio.player.separation.key")
    tune.drag('[data-of="other"]', (0.2, 0.5), (0.4, 0.5))
    tune.find("#hint-own").send_keys("Guitar")
    tune.press("#hint-keep")
    tune.changed(first)
    assert tune.run("return studio.player.separation.stems.map((stem) => stem.name)") == [*STEMS, "guitar"]
    audio = tune.audio()
    tune.press("#play")
    tune.press(button("guitar", "solo"))
    tune.hears(audio["guitar"])
    tune.drag("#spectrogram", (0.25, 0.1), (0.35, 0.9))
    tune.press('#hint-stems input[value="bass"]')
    tune.press("#hint-keep")
    until(lambda: "give the same sound to two stems" in tune.find("#hint-message").text)
    tune.press("#hint-cancel")
    assert not tune.find("#hint-form").is_displayed()
    tune.browser.get_log("browser")  # which tells of the refusal


def test_sensitivities_are_heard_and_kept(tune: Page) -> None:
    first = tune.run("return studio.player.separation.key")
    slide(tune, '[aria-label="Sensitivity of vocals"]', 0.5)
    second = tune.changed(first)
    assert "--sensitivity vocals=3.162" in tune.find("#command").text
    audio = tune.audio()
    np.testing.assert_allclose(sum(audio[name] for name in STEMS), audio["song"], atol=1e-5)
    tune.press('[aria-label="Reset the sensitivity of vocals"]')
    assert tune.changed(second) == first


def test_the_keyboard_alone_does_all_of_it(page: Page, tmp_path: Path) -> None:
    page.running.studio.add_paths([str(write_song(tmp_path / "Tune.wav", SECONDS, RATE))])
    page.until("studio.queue.songs[0]?.state === 'heard'")

    def reach(condition: str) -> None:
        for _ in range(80):
            if page.run(f"const at = document.activeElement; return {condition}"):
                return
            page.type(Keys.TAB)
        raise AssertionError(condition)

    reach("at.matches('.songs .pick')")
    page.type(Keys.ENTER)
    page.until("studio.lanes.picture && studio.player.separation")
    audio = page.audio()
    reach("at.id === 'play'")
    page.type("l", Keys.SPACE)
    page.hears(sum(audio[name] for name in STEMS))
    reach("at.matches('[data-of=bass]')")
    page.type("m")
    page.hears(sum(audio[name] for name in STEMS if name != "bass"))
    page.type("3")
    page.hears(audio["vocals"])
    page.type("a")
    page.hears(audio["song"])
    page.type("a", Keys.SPACE, Keys.HOME)
    page.until("!studio.player.playing && studio.player.now === 0")
    page.type("i", Keys.ARROW_RIGHT, "o", "h")
    page.until("!document.getElementById('hint-form').hidden")
    page.type(Keys.ARROW_RIGHT)  # from drums to bass
    first = page.run("return studio.player.separation.key")
    page.type(Keys.ENTER)
    page.changed(first)
    assert page.find(".hint-item span").text.startswith("bass=0:00-0:01.2")
    page.chord(Keys.CONTROL, "z")
    page.until(f"studio.player.separation.key === '{first}'")
    page.type("l", "+", "+", "l")
    page.until("studio.player.loop && studio.view.seconds < 4")
    page.type("0", "l")
    page.until(f"!studio.player.loop && studio.view.seconds === {SECONDS}")
    reach("at.id === 'export'")
    page.type(Keys.ENTER)
    page.until("document.getElementById('export-dialog').open")
    reach("at.id === 'export-go'")
    page.type(Keys.ENTER)
    until(lambda: "Written:" in page.find("#export-message").text)
    written = tmp_path / "studio" / "out" / "Tune"
    assert sorted(path.stem for path in written.glob("*.wav")) == sorted(STEMS)
    page.type(Keys.ESCAPE)
    page.until("!document.getElementById('export-dialog').open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(tune: Page, axe: str, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    tune.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        tune.run(axe)
        first = tune.run("return studio.player.separation.key")
        tune.drag("#spectrogram", (0.25, 0.1), (0.35, 0.9))
        tune.browser.set_script_timeout(60)
        assert tune.browser.execute_async_script(AXE_CHECK) == []
        tune.press('#hint-stems input[value="bass"]')
        tune.press("#hint-keep")
        tune.changed(first)
        assert tune.browser.execute_async_script(AXE_CHECK) == []
        tune.press("#export")
        tune.until("document.getElementById('export-dialog').open && document.getElementById('export-preset').value")
        assert tune.browser.execute_async_script(AXE_CHECK) == []
    finally:
        tune.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_fits_its_window(tune: Page, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    tune.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        tune.until(f"innerWidth === {width}")
        assert tune.run("return document.documentElement.scrollWidth") <= width
        asked_for = tune.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
        assert all(address.startswith((tune.running.address, "data:", "blob:")) for address in asked_for)
    finally:
        tune.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_lines_can_be_told_from_their_background(tune: Page) -> None:
    """WCAG's 3:1 for waveforms and borders of controls, in light and dark."""
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        tune.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        found = tune.run(CONTRASTS)
        assert len(found) == 6 and min(found) >= 3, (scheme, found)
    tune.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def grid(page: Page) -> list[float]:
    """The seconds of the lines over a waveform that shows 2.9 to 6.1 s."""
    page.run("studio.view.show(2.9, 6.1)")
    lines = """
    const canvas = document.querySelector('.stem canvas');
    const top = canvas.getContext('2d').getImageData(0, 0, canvas.width, 1).data;
    return [...Array(canvas.width).keys()].filter((x) => top[4 * x + 3] > 0).map((x) => 2.9 + 3.2 * x / canvas.width);
    """
    return page.run(lines)


def test_a_song_that_tells_its_tempo_has_a_grid_of_beats_and_its_title(page: Page, tmp_path: Path) -> None:
    from mutagen.flac import FLAC

    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (SECONDS * RATE, 2))
    soundfile.write(tmp_path / "Tune.flac", noise, RATE)
    tags = FLAC(tmp_path / "Tune.flac")
    tags.update({"title": "Anthem <live>", "artist": "Somebody", "bpm": "120"})
    tags.save()
    page.running.studio.add_paths([str(tmp_path / "Tune.flac")])
    page.run("studio.queue.refresh()")
    page.choose("Tune")
    assert page.find("#title").text == "Anthem <live>"
    assert page.find("#facts").text == "Somebody · 0:12 · 44.1 kHz · stereo · 120 bpm"
    np.testing.assert_allclose(grid(page), np.arange(3, 6.1, 0.5), atol=0.02)


def test_an_estimated_tempo_is_marked_drawn_and_exported(page: Page, tmp_path: Path) -> None:
    pytest.importorskip("librosa")
    rate = 44_100
    audio, beats = np.zeros((SECONDS * rate, 2)), np.arange(0.3, SECONDS - 0.1, 0.5)
    for beat in beats:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, 1000) * np.exp(-np.arange(1000) / 200)
        audio[round(beat * rate) :][:1000] += noise[:, None]
    soundfile.write(tmp_path / "Clicks.wav", audio, rate)
    page.running.studio.add_paths([str(tmp_path / "Clicks.wav")])
    page.run("studio.queue.refresh()")
    page.choose("Clicks")
    said = page.find("#facts").text.rpartition(" · ")[2]
    assert float(said.removesuffix(" bpm (estimated)")) == pytest.approx(120, abs=0.1)
    shown = beats[(beats > 2.9) & (beats < 6.1)]
    np.testing.assert_allclose(grid(page), shown, atol=0.02)
    page.press("#export")
    page.until("document.getElementById('export-dialog').open && document.getElementById('export-preset').value")
    assert page.find("#export-tempo").get_attribute("value") == said.split()[0]
    assert page.find("#export-tempo-about").text == "bpm, estimated"
    page.press('#export-daw input[value="reaper"]')
    page.find("#export-tempo").clear()
    page.find("#export-tempo").send_keys("121.5")
    page.press("#export-go")
    until(lambda: "Written:" in page.find("#export-message").text)
    (project,) = (tmp_path / "studio" / "out").rglob("*.rpp")
    assert "TEMPO 121.5 4 4" in project.read_text()
