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


def bounced(environment: dict[str, str], song: tuple[np.ndarray, int], folder: Path) -> tuple[Path, np.ndarray]:
    """A new session, and what the plugin's five outputs gave when Ardour bounced it: (5, channels, samples)."""
    audio, rate = song
    stems = folder / "separated" / "song"
    stems.mkdir(parents=True)
    for place in (stems / "other.wav", folder / "song.wav"):
        soundfile.write(place, audio, rate, subtype="FLOAT")
    session = folder / "Session"
    ardour.write(session_in(stems, folder / "song.wav"), session)
    facts = run_ardour(environment, session)
    assert facts == {"set": "true", "outputs": "10", "latency": str(LATE), "drums": "-9.0", "bounced": "10"}
    files = sorted((session / "interchange").rglob("bounced%*.wav"), key=lambda file: (len(file.name), file.name))
    assert len(files) == 10
    return session, np.stack([soundfile.read(file)[0] for file in files]).reshape(5, 2, -1)  # named from 97 on


def test_ardour_hears_every_stem_and_keeps_what_was_set(
    path: dict[str, str], song: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    audio, rate = song[0][:, : 3 * song[1]].T, song[1]
    stream = Stream("openband-live", rate)
    late = stream.latency_samples
    stems = np.stack(list(stream(audio.T.astype(np.float32)).values()))[..., late:]
    expected = np.concatenate([stems.sum(0, keepdims=True) + (10 ** (-9 / 20) - 1) * stems[:1], stems])
    errors = []
    for attempt in range(3):  # on a busy machine its bounce is not always of what is on the track
        session, heard = bounced(path, (audio, rate), tmp_path / str(attempt))
        span = slice(8192, heard.shape[2] - 8192)  # Ardour ends the music where the range does
        parts = zip(heard[..., span], expected[..., : heard.shape[2]][..., span], strict=True)
        errors.append(max(decibels(part - wanted, wanted) for part, wanted in parts))
        if errors[-1] < -80:
            break
    assert errors[-1] < -80, errors
    again = run_ardour(path, session)
    assert again["drums"] == "-9.0" and again["latency"] == str(LATE) and "set" not in again
