"""`stems live`, with devices that are arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pedalboard.io
import pytest
from typer.testing import CliRunner

from stems.cli.commands import app
from stems.errors import OptionError
from stems.model import Model

INPUT = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 20_000)).astype(np.float32)


class Device:
    """Stands in for `pedalboard.io.AudioStream`: plays `INPUT` once, then Ctrl-C is pressed."""

    input_device_names: ClassVar = ["Microphone", "Line in"]
    output_device_names: ClassVar = ["Speakers"]
    default_input_device_name = "Line in"
    default_output_device_name = "Speakers"
    rates: ClassVar = {"Microphone": 48_000.0, "Line in": 44_100.0, "Speakers": 44_100.0}
    opened: ClassVar[list[Device]] = []

    def __init__(
        self,
        input_device_name: str | None = None,
        output_device_name: str | None = None,
        plugins: Any = None,
        sample_rate: float | None = None,
        buffer_size: int | None = None,
        allow_feedback: bool = False,
        num_input_channels: int = 1,
        num_output_channels: int = 2,
    ) -> None:
        self.name = input_device_name or output_device_name
        self.sample_rate = self.rates[self.name]
        self.channels = num_input_channels if input_device_name else num_output_channels
        self.closed, self.done, self.heard = False, 0, []
        self.opened.append(self)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True

    def read(self, samples: int) -> np.ndarray:
        if self.done >= INPUT.shape[1]:
            raise KeyboardInterrupt
        self.done += samples
        return INPUT[: self.channels, self.done - samples : self.done]

    def write(self, audio: np.ndarray, sample_rate: float) -> None:
        assert sample_rate == self.sample_rate
        self.heard.append(audio)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    Device.opened = []
    monkeypatch.setattr(pedalboard.io, "AudioStream", Device)
    return Device.opened


@pytest.fixture(autouse=True)
def no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.set_flush_denormal", lambda on: True)  # which would outlast the test


@pytest.fixture
def weights(small_live_model: Model, tmp_path: Path) -> str:
    small_live_model.save(tmp_path / "live.safetensors", half=False)
    return str(tmp_path / "live.safetensors")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["live", *arguments])


@pytest.mark.parametrize("options", [(), ("--block-size", "4096"), ("--channels", "1")])
def test_what_comes_in_is_played(devices: list[Device], weights: str, options: tuple[str, ...]) -> None:
    result = run("--model", weights, *options)
    assert result.exit_code == 0, result.output
    assert "Line in -> Speakers, 46 ms late" in result.output
    source, sink = devices
    heard = np.concatenate(sink.heard, 1)
    np.testing.assert_array_equal(heard, INPUT[: sink.channels, : heard.shape[1]])
    assert INPUT.shape[1] - heard.shape[1] <= 2047
    assert source.closed
    assert sink.closed


def test_levels_may_be_minus_infinity(devices: list[Device], weights: str) -> None:
    off = [word for stem in ("drums", "bass", "vocals", "other") for word in (f"--{stem}-db", "-inf")]
    assert run("--model", weights, *off).exit_code == 0
    np.testing.assert_allclose(np.concatenate(devices[1].heard, 1), 0, atol=1e-6)


def test_devices_are_listed(devices: list[Device]) -> None:
    lines = run("--list-devices").output.splitlines()
    usual = " (used when left out)"
    assert lines == ["Inputs:", "  Microphone", f"  Line in{usual}", "Outputs:", f"  Speakers{usual}"]
    assert not devices


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--input", "Telephone"), "no audio input device 'Telephone': choose from Microphone, Line in"),
        (("--output", "Telephone"), "no audio output device 'Telephone': choose from Speakers"),
        (("--input", "Microphone"), "48000 Hz and Speakers at 44100 Hz: set both to the same"),
        (("--vocals-db", "99"), "vocals_db must be from -inf to 24 dB"),
    ],
)
def test_what_cannot_be_played_is_refused(
    devices: list[Device], weights: str, arguments: tuple[str, ...], told: str
) -> None:
    error = run("--model", weights, *arguments).exception
    assert isinstance(error, OptionError)
    assert told in str(error)
    assert all(device.closed for device in devices)


def test_a_machine_without_devices_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Device, "input_device_names", [])
    monkeypatch.setattr(pedalboard.io, "AudioStream", Device)
    assert "no audio input device: connect one" in str(run().exception)
    assert "(none)" in run("--list-devices").output
