"""The LV2 plugins: valid, and heard in jalv and Ardour."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_engine import decibels

from stems import Stream
from stems.daw import ardour
from stems.daw.session import session_in

LATE = 2047 + 512  # at 44.1 kHz: a window and the hop over which work is spread
ARDOUR_HOST = Path(__file__).with_name("ardour_host.lua")
BUNDLES = ("Stems.lv2", "StemsMono.lv2", "StemsMulti.lv2")


@pytest.fixture(scope="module")
def path(plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a host that finds these plugins and no others."""
    folder = tmp_path_factory.mktemp("lv2")
    for bundle in BUNDLES:
        (folder / bundle).symlink_to(plugins / bundle)
    return {**os.environ, "LV2_PATH": str(folder)}


def program(*names: str) -> str:
    """The first program that is installed; the test is skipped without one."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"{names[-1]} is not installed")


@pytest.mark.parametrize("bundle", BUNDLES)
def test_descriptions_are_valid(plugins: Path, bundle: str) -> None:
    files = sorted((plugins / bundle).glob("*.ttl"))
    done = subprocess.run([program("lv2_validate"), *map(str, files)], capture_output=True, text=True)
    assert len(files) >= 2
    assert done.returncode == 0 and "Found 0 errors" in done.stdout + done.stderr, done.stderr


def test_jalv_runs_it(path: dict[str, str]) -> None:
    jalv, jackd = program("jalv"), program("jackd")
    server = f"stems-{os.getpid()}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dummy = subprocess.Popen([jackd, "-n", server, "--no-realtime", "-d", "dummy", "-p", "512"], **quiet)
    try:
        time.sleep(1.0)
        host = subprocess.Popen(
            [jalv, "-i", "-p", "-c", "p_vocals=-12", "https://openband.org/plugins/stems_multi"],
            env={**path, "JACK_DEFAULT_SERVER": server, "JACK_NO_START_SERVER": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(2.0)
        alive = host.poll() is None
        host.send_signal(signal.SIGINT)
        said = host.communicate(timeout=30)[0]
        if "JACK" in said and not alive:
            pytest.skip("no JACK server can run here")
        assert alive and host.returncode == 0, said
        assert "p_vocals = -12" in said
    finally:
        dummy.terminate()
        dummy.wait(30)


def run_ardour(environment: dict[str, str], session: Path) -> dict[str, str]:
    """What Ardour says after it used the plugin.

    Without a display and a sound card, version 7.3 dies or hangs now and then, so it gets more than one try.
    """
    lua = program("ardour9-lua", "ardour8-lua", "ardour7-lua")
    for _ in range(5):
        try:
            done = subprocess.run(
                [lua, ARDOUR_HOST, session, session.name],
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode >= 0:
            assert done.returncode == 0, done.stdout + done.stderr
            lines = [line.split("\t")[1:] for line in done.stdout.splitlines() if line.startswith("FACT\t")]
            return dict(lines)
    pytest.fail("Ardour did not come through in five tries")


def test_ardour_hears_every_stem_and_keeps_what_was_set(
    path: dict[str, str], song: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    audio, rate = song[0][:, : 3 * song[1]].T, song[1]
    (tmp_path / "separated" / "song").mkdir(parents=True)
    for place in (tmp_path / "separated" / "song" / "other.wav", tmp_path / "song.wav"):
        soundfile.write(place, audio, rate, subtype="FLOAT")
    session = tmp_path / "Session"
    ardour.write(session_in(tmp_path / "separated" / "song", tmp_path / "song.wav"), session)
    facts = run_ardour(path, session)
    assert facts == {"set": "true", "outputs": "10", "latency": str(LATE), "drums": "-9.0", "bounced": "10"}
    files = sorted((session / "interchange").rglob("bounced%*.wav"), key=lambda file: (len(file.name), file.name))
    assert len(files) == 10
    heard = np.stack([soundfile.read(file)[0] for file in files]).reshape(5, 2, -1)  # named from 97 on
    stream = Stream("openband-live", rate)
    late = stream.latency_samples
    stems = np.stack(list(stream(audio.T.astype(np.float32)).values()))[..., late:][..., : heard.shape[2]]
    heard, stems = heard[..., 8192:-8192], stems[..., 8192:-8192]  # Ardour ends the music where the range does
    for part, stem in zip(heard[1:], stems, strict=True):
        assert decibels(part - stem, stem) < -80
    mix = stems.sum(0) + (10 ** (-9 / 20) - 1) * stems[0]
    assert decibels(heard[0] - mix, mix) < -80
    again = run_ardour(path, session)
    assert again["drums"] == "-9.0" and again["latency"] == str(LATE) and "set" not in again
