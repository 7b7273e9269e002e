"""A browser for the tests of pages; they are left out where Debian's `chromium-driver` is not installed."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

AXE = "axe-core@4.14.1"
AXE_CHECK = (
    "const done = arguments[arguments.length - 1]; axe.run(document).then((found) => done(found.violations.map("
    "(violation) => [violation.id, ...violation.nodes.map((node) => node.html)])))"
)
CONTRASTS = """
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
const luminance = (colour) => {
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const style = (element, name) => getComputedStyle(element).getPropertyValue(name), root = document.documentElement;
const edges = ["--paper", "--raised"].map((name) => contrast(style(root, "--edge"), style(root, name)));
const lines = [...document.querySelectorAll("[data-stem] .lane")].map((lane) =>
  contrast(style(lane, "--line-colour"), style(lane, "background-color")));
return [...edges, ...lines];
"""
"""Of borders of controls, which WCAG wants to be 3:1, and of waveforms, with what is behind them."""
FLAGS = ("--headless", "--no-sandbox", "--disable-dev-shm-usage")  # as root, in a container


@contextmanager
def chromium(hosts: str) -> Iterator[Chrome]:
    """A headless Chromium that knows some hosts (`--host-resolver-rules`) and keeps what pages complain of."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs chromium and chromedriver (Debian: chromium, chromium-driver)")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = program
    for flag in (*FLAGS, f"--host-resolver-rules={hosts}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    window = Chrome(options, Service(driver))
    try:
        yield window
    finally:
        window.quit()


def axe_source(folder: Path) -> str:
    """The source of axe-core, from the npm registry."""
    npm = shutil.which("npm")
    packed = npm and subprocess.run([npm, "pack", AXE, "--pack-destination", folder], capture_output=True)
    if not packed or packed.returncode:
        pytest.skip(f"needs {AXE} by npm")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()
