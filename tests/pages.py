"""Somebody in front of the page of a studio, who presses, drags and listens."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from studios import Running, until

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from stems.studio.separation import Separation

EAR = """
const { player } = studio;
if (window.earOf !== player.output) {
  window.earOf = player.output;
  window.ears = [0, 1].map((side) => {
    const ear = player.context.createAnalyser();
    ear.fftSize = 16384;
    return ear;
  });
  const split = player.context.createChannelSplitter(2);
  player.output.connect(split);
  ears.forEach((ear, side) => split.connect(ear, side));
}
"""
HEARD = """
const bytes = ears.map((ear) => {
  const samples = new Float32Array(ear.fftSize);
  ear.getFloatTimeDomainData(samples);
  return new Uint8Array(samples.buffer);
});
return bytes.map((some) => btoa(Array.from(some, (byte) => String.fromCharCode(byte)).join("")));
"""


class Page:
    """A page that was opened in a browser."""

    def __init__(self, browser: Chrome, running: Running) -> None:
        self.browser, self.running = browser, running
        browser.get(running.address)
        self.until("Boolean(window.studio)")  # the thing itself would take minutes to be told

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def until(self, condition: str) -> Any:
        return until(lambda: self.run(f"return {condition}"))

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element("css selector", selector)

    def press(self, selector: str) -> None:
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self.browser).send_keys(*keys).perform()

    def chord(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.browser)
        for key in keys[:-1]:
            actions.key_down(key)
        actions.send_keys(keys[-1])
        for key in keys[:-1]:
            actions.key_up(key)
        actions.perform()

    def drag(self, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Drags over an element, from one place to another, as shares of its width and height from the top left."""
        from selenium.webdriver import ActionChains

        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        width, height = element.size["width"], element.size["height"]
        first, last = (
            (round((x - 0.5) * width), round(min(max((y - 0.5) * height, 1 - height / 2), height / 2 - 1)))
            for x, y in (begin, end)
        )
        actions = ActionChains(self.browser, duration=20).move_to_element_with_offset(element, *first).click_and_hold()
        middle = (round((first[0] + last[0]) / 2), round((first[1] + last[1]) / 2))
        actions.move_to_element_with_offset(element, *middle).move_to_element_with_offset(element, *last)
        actions.release().perform()

    def choose(self, name: str) -> None:
        """Opens a song once it has been heard."""
        self.until(f"studio.queue.songs.some((song) => song.name === '{name}' && song.state === 'heard')")
        for row in self.browser.find_elements("css selector", ".songs .pick"):
            if row.find_element("css selector", "b").text == name:
                row.click()
        self.until("studio.lanes.picture && document.querySelector('#map svg') && studio.player.separation")

    def separation(self) -> Separation:
        """What is being heard, as the server has it."""
        song, key = self.run("return [studio.player.song.id, studio.player.separation.key]")
        return self.running.studio.separation(song, key)

    def changed(self, key: str) -> str:
        """The key of the separation that comes after one."""
        return self.until(f"studio.player.separation.key !== '{key}' && studio.player.separation.key")

    def audio(self) -> dict[str, np.ndarray]:
        """All stems that are heard, and the song, (channels, samples) by name."""
        made = self.separation()
        whole = np.concatenate([made.block(number) for number in range(made.blocks)], 2)
        return dict(zip((*made.stems, "song"), whole, strict=True))

    def hears(self, expected: np.ndarray) -> None:
        """Waits until what sounds is some passage of what is expected, (2, samples)."""
        self.run(EAR)
        until(lambda: self._differs(expected) < 1e-3)

    def hears_silence(self) -> None:
        self.run(EAR)
        until(lambda: np.abs(self._heard()).max() < 1e-4)

    def _heard(self) -> np.ndarray:
        return np.stack([np.frombuffer(base64.b64decode(side), np.float32) for side in self.run(HEARD)])

    def _differs(self, expected: np.ndarray) -> float:
        """Power of the difference to the passage that is most like what sounds, in parts of its power."""
        heard = self._heard()
        power = float(np.square(heard).sum())
        if power < 1e-6:
            return 1.0
        missing = 0.0
        for sound, whole in zip(heard, expected, strict=True):  # the ears may listen some blocks apart
            size = len(whole) + len(sound)
            spectra = np.fft.rfft(whole, size), np.fft.rfft(sound, size)
            alike = np.fft.irfft(spectra[0] * spectra[1].conj(), size)[: len(whole) - len(sound)]
            place = int(alike.argmax())
            missing += float(np.square(sound - whole[place : place + len(sound)]).sum())
        return missing / power
