"""The routes of a studio, for its page and nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stems.errors import AudioError, OptionError, StemsError
from stems.limits import HIGHEST_BPM, LOWEST_BPM
from stems.studio.export import Order
from stems.studio.guard import App, Guard
from stems.studio.mix import Fader
from stems.studio.studio import NotThere, Studio

LARGEST_SONG = 4 * 2**30  # bytes
LARGEST_BODY = 2**20  # bytes of JSON
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SHARED = {"report.css": "style.css"} | {name: name for name in ("element.js", "levels.js", "timeline.js", "view.js")}
"""Parts that are the report's too, so that both look and move alike."""
FOR_EVER = {"cache-control": "private, max-age=3600, immutable"}  # of what a key names
NO_STORE = {"cache-control": "no-store"}  # of audio, which would fill a browser's cache

Endpoint = Callable[[Request], Awaitable[Response]]


def application(studio: Studio, token: str, port: int) -> App:
    """The studio as an ASGI app at `http://127.0.0.1:PORT/TOKEN/`."""
    return Guard(Starlette(routes=routes(studio), lifespan=_lifespan(studio)), token, port)


def routes(studio: Studio) -> list[Route]:
    """All routes, below the token."""
    handlers = _Handlers(studio)
    named: dict[str, dict[str, Endpoint]] = {
        "/": {"GET": handlers.page},
        "/page/{name}": {"GET": handlers.part},
        "/songs": {"GET": handlers.songs, "POST": handlers.add},
        "/choices": {"GET": handlers.choices},
        "/songs/{id}": {"GET": handlers.describe, "DELETE": handlers.remove},
        "/songs/{id}/hear": {"POST": handlers.hear},
        "/songs/{id}/cancel": {"POST": handlers.cancel},
        "/songs/{id}/wishes": {"PUT": handlers.wish},
        "/songs/{id}/mixer": {"PUT": handlers.mixer},
        "/songs/{id}/export": {"POST": handlers.export},
        "/songs/{id}/separations/{key}/blocks/{number:int}": {"GET": handlers.block},
        "/songs/{id}/separations/{key}/peaks/{first:int}-{last:int}": {"GET": handlers.peaks},
        "/songs/{id}/separations/{key}/picture": {"GET": handlers.picture},
        "/songs/{id}/separations/{key}/map": {"GET": handlers.map},
    }
    return [Route(path, _by_method(methods), methods=list(methods)) for path, methods in named.items()]


def _by_method(methods: dict[str, Endpoint]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        """Answers; whatever goes wrong becomes one sentence."""
        try:
            return await methods["GET" if request.method == "HEAD" else request.method](request)
        except HTTPException:
            raise
        except ClientDisconnect:
            return _sentence(400, "The request did not arrive whole.")  # which nobody reads
        except NotThere as error:
            return _sentence(404, str(error))
        except StemsError as error:
            return _sentence(400, str(error))
        except Exception as error:  # a full disk or memory
            return _sentence(500, f"{type(error).__name__}: {' '.join(str(error).split())}")

    return endpoint


def _sentence(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


def _lifespan(studio: Studio) -> Any:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        studio.hearing.start()
        yield
        await run_in_threadpool(studio.close)

    return lifespan


class _Handlers:
    """One method for each route."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        folder = files("stems.studio").joinpath("page")
        parts = {part.name: part.read_bytes() for part in folder.iterdir() if part.is_file()}
        shared = {name: files("stems.report").joinpath(file).read_bytes() for name, file in SHARED.items()}
        self.parts = parts | shared
        self.exporting = anyio.CapacityLimiter(1)

    async def page(self, request: Request) -> Response:
        return self._part("index.html")

    async def part(self, request: Request) -> Response:
        return self._part(request.path_params["name"])

    def _part(self, name: str) -> Response:
        if name not in self.parts:
            raise NotThere("There is no such part of the page.")
        kind = MEDIA_TYPES.get(name[name.rfind(".") :], "application/octet-stream")
        return Response(self.parts[name], media_type=kind, headers={"cache-control": "no-cache"})

    async def songs(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.studio.songs))

    async def choices(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.studio.choices))

    async def add(self, request: Request) -> Response:
        """Takes a song in as it arrives."""
        name = request.query_params.get("name", "")
        refusal = AudioError(f"{name} is too large: a song has at most {LARGEST_SONG // 2**30} GiB, and needs room.")
        stated = request.headers.get("content-length", "0")
        if not stated.isdecimal() or int(stated) > LARGEST_SONG or not self.studio.room_for(int(stated)):
            raise refusal
        size = 0
        with self.studio.library.adding(name) as (entry, file):
            async for piece in request.stream():
                size += len(piece)
                if size > LARGEST_SONG:
                    raise refusal
                await run_in_threadpool(file.write, piece)
        self.studio.hearing.wake()
        return JSONResponse({"id": entry.id}, 201)

    async def describe(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.studio.describe, request.path_params["id"]))

    async def remove(self, request: Request) -> Response:
        await run_in_threadpool(self.studio.remove, request.path_params["id"])
        return Response(status_code=204)

    async def hear(self, request: Request) -> Response:
        entry = self.studio.library.entry(request.path_params["id"])
        if entry is None:
            raise NotThere("There is no such song.")
        await run_in_threadpool(self.studio.hearing.hear, entry.id)
        return Response(status_code=204)

    async def cancel(self, request: Request) -> Response:
        await run_in_threadpool(self.studio.cancel, request.path_params["id"])
        return Response(status_code=204)

    async def wish(self, request: Request) -> Response:
        data = await _body(request)
        hints = data.get("hints", [])
        if not isinstance(hints, list) or not all(isinstance(hint, str) for hint in hints):
            raise OptionError("hints must be a list of texts.")
        found = await run_in_threadpool(
            self.studio.wish, request.path_params["id"], hints, str(data.get("sensitivity", "1"))
        )
        return JSONResponse(found)

    async def mixer(self, request: Request) -> Response:
        data = await _body(request)
        faders = _faders(data.get("faders"))
        kept = {
            "faders": {name: vars(fader) for name, fader in faders.items()},
            "master": vars(Fader.of(data.get("master", {}))),
        }
        await run_in_threadpool(self.studio.keep_mixer, request.path_params["id"], kept)
        return Response(status_code=204)

    async def export(self, request: Request) -> Response:
        data = await _body(request)
        daw = data.get("daw", [])
        if not isinstance(daw, list) or not all(isinstance(name, str) for name in daw):
            raise OptionError("daw must be a list of formats.")
        order = Order(
            preset=str(data.get("preset", "stems")).removesuffix(".toml"),  # by name alone: a page has no files here
            container=_text(data, "format"),
            bit_depth=_text(data, "bit_depth"),
            daw=tuple(daw),
            tempo_bpm=_tempo(data),
            faders=_faders(data.get("faders", {})),
            master=Fader.of(data.get("master", {})),
        )
        work = self.studio.export
        return JSONResponse(
            await anyio.to_thread.run_sync(work, request.path_params["id"], order, limiter=self.exporting)
        )

    async def block(self, request: Request) -> Response:
        return _binary(await run_in_threadpool(self._block, request), NO_STORE)

    def _block(self, request: Request) -> bytes:
        made = self._separation(request)
        number = request.path_params["number"]
        if number >= made.blocks:
            raise NotThere("The song ends before.")
        return bytes(made.block(number).astype("<f4").tobytes())

    async def peaks(self, request: Request) -> Response:
        return _binary(await run_in_threadpool(self._peaks, request), FOR_EVER)

    def _peaks(self, request: Request) -> bytes:
        made = self._separation(request)
        first, last = request.path_params["first"], request.path_params["last"]
        if not first < last <= made.blocks or last - first > 64:
            raise NotThere("There are no such blocks.")
        return bytes(made.peaks(first, last).tobytes())

    async def picture(self, request: Request) -> Response:
        return Response(await run_in_threadpool(self._picture, request), media_type="image/png", headers=FOR_EVER)

    def _picture(self, request: Request) -> bytes:
        query, made = request.query_params, self._separation(request)
        try:
            begin, end, columns = float(query["begin"]), float(query["end"]), int(query["columns"])
        except (KeyError, ValueError) as error:
            raise OptionError("A picture has begin and end, in seconds, and columns.") from error
        if not (0 <= begin < end <= 1e6 and 1 <= columns <= 10_000):
            raise OptionError("A picture begins before it ends.")
        return bytes(made.picture(begin, end, columns))

    async def map(self, request: Request) -> Response:
        made = await run_in_threadpool(self._separation, request)
        return JSONResponse(made.map, headers=FOR_EVER)

    def _separation(self, request: Request) -> Any:
        return self.studio.separation(request.path_params["id"], request.path_params["key"])


def _binary(content: bytes, headers: dict[str, str]) -> Response:
    return Response(content, media_type="application/octet-stream", headers=headers)


async def _body(request: Request) -> dict[str, Any]:
    """A JSON object of bounded size."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_BODY:
            raise OptionError("This is too much at once.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise OptionError("This is no JSON.") from error
    if not isinstance(found, dict):
        raise OptionError("This is no JSON object.")
    return found


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise OptionError(f"{name} must be a text.")
    return value or None


def _tempo(data: dict[str, Any]) -> float | None:
    value = data.get("tempo_bpm")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not LOWEST_BPM <= value <= HIGHEST_BPM:
        raise OptionError(f"A tempo is a number from {LOWEST_BPM} to {HIGHEST_BPM}, in beats per minute.")
    return float(value)


def _faders(data: Any) -> dict[str, Fader]:
    if not isinstance(data, dict):
        raise OptionError("faders must be an object, by the names of stems.")
    return {str(name): Fader.of(fader) for name, fader in data.items()}
