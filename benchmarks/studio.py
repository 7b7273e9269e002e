"""What a hint costs in the studio, until it is heard and until the song is whole, beside `stems split --hint`.

    python benchmarks/studio.py [--seconds LENGTH] [--repeat TIMES]

The song is 4 minutes long unless told otherwise, 44.1 kHz, stereo, and has been heard. A hint is sent as the page sends
it, while the listener is in the middle of the song. It is heard once the block of stems at that place has arrived, and
whole once all blocks of all stems have been made and their waveforms have arrived, which the page asks for in the same
order. `stems split --hint` starts, hears the song anew and writes files. Each hint is another one. See README.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from measure import describe_machine, measure, stems_command, table
from songs import make_song

AT_ONCE = 16  # blocks of waveforms, as the page asks for them


class Listener:
    """What the page does, without a browser."""

    def __init__(self, song: Path, folder: Path) -> None:
        command = [stems_command(), "studio", song, "--no-browser", "--folder", folder, "--out", folder / "out"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://127.0.0.1:(\d+)(/\S+/)", self.process.stdout.readline())
        assert found
        self.port, self.root = int(found[1]), found[2]

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(method, self.root + path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise SystemExit(f"{path}: {content.decode()}")
        return content

    def open(self) -> str:
        """Waits until the song has been heard, and opens it; returns its id."""
        while (song := json.loads(self.ask("GET", "songs"))[0])["state"] != "heard":
            if song["state"] == "failed":
                raise SystemExit(song["error"])
            time.sleep(0.2)
        self.ask("GET", f"songs/{song['id']}")
        return str(song["id"])

    def processor_seconds(self) -> float:
        """Time that the server has computed; Linux tells it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def close(self) -> None:
        self.process.terminate()
        self.process.communicate()


def hint_in_studio(listener: Listener, song: str, hint: str) -> tuple[float, float, float]:
    """Seconds until a hint is heard, until the song is whole, and processor seconds of all that."""
    begun, computed = time.perf_counter(), listener.processor_seconds()
    wished = json.loads(listener.ask("PUT", f"songs/{song}/wishes", {"hints": [hint], "sensitivity": "1"}))
    made = wished["separation"]
    place, blocks = f"songs/{song}/separations/{made['key']}", made["blocks"]
    listener.ask("GET", f"{place}/blocks/{blocks // 2}")
    heard = time.perf_counter() - begun
    chunks = -(-blocks // AT_ONCE)
    for turn in range(chunks):
        first = (chunks // 2 + turn) % chunks * AT_ONCE
        listener.ask("GET", f"{place}/peaks/{first}-{min(first + AT_ONCE, blocks)}")
    return heard, time.perf_counter() - begun, listener.processor_seconds() - computed


def main() -> None:
    """Measures both, in turns, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=240.0, help="length of the song")
    parser.add_argument("--repeat", type=int, default=3, help="hints; the medians are shown")
    options = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as place:
        song = make_song(Path(place) / "song.wav", options.seconds)
        listener = Listener(song, Path(place) / "studio")
        try:
            key = listener.open()
            rows = []
            for number in range(options.repeat):
                hint = f"vocals=0:05-0:{8 + number:02d}"
                studio = hint_in_studio(listener, key, hint)
                command = [stems_command(), "split", song, "--hint", hint, "--out", Path(place) / str(number)]
                cost = measure(command)
                rows.append((*studio, cost.seconds, cost.processor_seconds))
        finally:
            listener.close()
    heard, whole, computed, seconds, processor_seconds = map(median, zip(*rows, strict=True))
    print(
        table(
            ("a hint", "heard (s)", "whole (s)", "processor (s)"),
            (
                ("in the studio", f"{heard:.2f}", f"{whole:.2f}", f"{computed:.1f}"),
                ("stems split --hint", f"{seconds:.2f}", f"{seconds:.2f}", f"{processor_seconds:.1f}"),
            ),
        )
    )


if __name__ == "__main__":
    main()
