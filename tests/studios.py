"""Studios that run while a test asks them something, and songs for them."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

if TYPE_CHECKING:
    from stems.separator import Separator
    from stems.studio.studio import Studio

TOKEN = "a-secret"
PATIENCE = 30  # seconds, where little is enough


@dataclass
class Running:
    """A studio that answers."""

    studio: Studio
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{TOKEN}/"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of an answer; the path is below the token unless it begins with a slash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path if path.startswith("/") else f"/{TOKEN}/{path}", content, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        status, content = self.ask(method, path, body)
        assert status in (200, 201), content
        return json.loads(content)

    def heard(self, count: int = 1) -> list[dict[str, Any]]:
        """The songs, once so many have been heard."""
        until(lambda: [song["state"] for song in self.json("GET", "songs")].count("heard") == count)
        return self.json("GET", "songs")


def until(happens: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := happens()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
    return found


@contextmanager
def running(folder: Path, separator: Separator, most_bytes: int = 10**9) -> Iterator[Running]:
    import uvicorn

    from stems.studio.server import application
    from stems.studio.studio import Studio

    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    studio = Studio(folder, folder / "out", separator, most_bytes)
    server = uvicorn.Server(
        uvicorn.Config(
            application(studio, TOKEN, port), log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        until(lambda: server.started)
        yield Running(studio, port)
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


def write_song(path: Path, seconds: float = 4.0, rate: int = 8_000, channels: int = 2, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(seed).uniform(-0.3, 0.3, (round(seconds * rate), channels))
    soundfile.write(path, audio, rate, subtype="PCM_16")
    return path
