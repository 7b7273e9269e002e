"""Who may talk to a studio, and what it answers to nonsense."""

from __future__ import annotations

import http.client
import json
import os
import random
import string
from pathlib import Path
from typing import Any

import pytest
from studios import TOKEN, Running, until, write_song

from stems.errors import AudioError
from stems.studio.server import routes

REQUESTS = int(os.environ.get("STEMS_TEST_REQUESTS", "400"))  # ten thousand take a minute or two


def every_route(studio: Running) -> list[tuple[str, str]]:
    """Method and path of all routes, with something in the place of what paths name."""
    filled = {"{id}": "0" * 32, "{key}": "0" * 16, "{number:int}": "0", "{first:int}": "0", "{last:int}": "1"}
    found = []
    for route in routes(studio.studio):
        path = route.path.replace("{name}", "app.js")
        for name, value in filled.items():
            path = path.replace(name, value)
        found += [(method, path.removeprefix("/")) for method in route.methods or ()]
    assert len(found) > 15
    return found


HOSTILE = {
    "no token": ("/", {}),
    "another token": ("/guessed/", {}),
    "half a token": (f"/{TOKEN[:-1]}/", {}),
    "another host": (f"/{TOKEN}/", {"Host": "evil.example"}),
    "another port": (f"/{TOKEN}/", {"Host": "127.0.0.1:1"}),
    "another origin": (f"/{TOKEN}/", {"Origin": "https://evil.example"}),
    "a sandboxed page": (f"/{TOKEN}/", {"Origin": "null"}),
    "a page of another site": (f"/{TOKEN}/", {"Sec-Fetch-Site": "cross-site"}),
    "a page of another port": (f"/{TOKEN}/", {"Sec-Fetch-Site": "same-site"}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_page_gets_403_for_every_route(studio: Running, case: str) -> None:
    begin, headers = HOSTILE[case]
    for method, path in every_route(studio):
        status, _ = studio.ask(method, f"{begin}{path}", headers=headers)
        assert status == 403, (method, path)
    assert studio.json("GET", "songs") == []


def test_its_own_page_is_let_in_and_may_load_nothing_from_elsewhere(studio: Running) -> None:
    own = {"Origin": studio.address.rsplit("/", 2)[0], "Sec-Fetch-Site": "same-origin"}
    assert studio.ask("GET", "songs", headers=own)[0] == 200
    assert studio.ask("GET", "songs", headers={"Host": f"localhost:{studio.port}"})[0] == 200
    connection = http.client.HTTPConnection("127.0.0.1", studio.port)
    connection.request("GET", f"/{TOKEN}/")
    answer = connection.getresponse()
    policy = answer.getheader("content-security-policy") or ""
    assert "default-src 'none'" in policy and "http" not in policy and "unsafe" not in policy
    page = answer.read().decode()
    assert "http://" not in page and "https://" not in page and "style=" not in page
    connection.close()


def random_request(rng: random.Random, known: list[str]) -> tuple[str, str, bytes]:
    """Something between what a page asks and what no page would."""
    odd = [
        "..",
        "%2e%2e",
        "%00",
        "%ff",
        "~",
        "a" * 300,
        "-1",
        "999999999999999999999",
        "1e400",
        "nan",
        "🥁".encode().hex(),
    ]
    parts = [
        "songs",
        "page",
        "choices",
        "separations",
        "blocks",
        "peaks",
        "picture",
        "map",
        "wishes",
        "mixer",
        "export",
    ]
    parts += ["hear", "cancel", "0-1", "0", "index.html", *known, *odd, *odd]
    path = "/".join(rng.choices(parts, k=rng.randint(0, 6)))
    if rng.random() < 0.4 and known:
        path = (
            f"songs/{known[0]}/{rng.choice(['wishes', 'mixer', 'export', 'cancel', f'separations/{known[1]}/picture'])}"
        )
    query = "".join(rng.choices(string.ascii_letters + string.digits + "=&%.-", k=rng.randint(0, 30)))
    values: list[Any] = [None, -1, 1e308, "x", "../../x", [], {}, "vocals=0-9", True, float("inf"), "2,vocals=3"]
    keys = ["hints", "sensitivity", "faders", "master", "preset", "format", "bit_depth", "daw", "db", "pan", "x"]
    body = json.dumps(
        {rng.choice(keys): rng.choice([*values, {rng.choice(keys): rng.choice(values)}]) for _ in range(3)}
    )
    content = body.encode() if rng.random() < 0.7 else rng.randbytes(rng.randint(0, 200))
    return rng.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"]), f"{path}?{query}", content


def test_random_requests_leave_no_traceback_and_no_file_outside(studio: Running, tmp_path: Path) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / "song.wav"))])
    (song,) = studio.heard()
    key = studio.json("GET", f"songs/{song['id']}")["separation"]["key"]
    before = {path for path in tmp_path.rglob("*") if "studio" not in path.parts[len(tmp_path.parts) :]}
    rng = random.Random(0)
    for _ in range(REQUESTS):
        method, path, content = random_request(rng, [song["id"], key])
        if path.startswith(f"songs/{song['id']}?") and method == "DELETE":
            continue
        status, answer = studio.ask(method, path, content)
        assert status < 500, (method, path, content, answer)
    assert {path for path in tmp_path.rglob("*") if "studio" not in path.parts[len(tmp_path.parts) :]} == before
    inside = {path.parts[len(tmp_path.parts) + 1] for path in (tmp_path / "studio").rglob("*")}
    assert inside <= {"songs", "encodings", "lock", "out"}


def test_a_song_is_sent_heard_and_described(studio: Running, tmp_path: Path) -> None:
    content = write_song(tmp_path / "x.wav").read_bytes()
    sent = studio.json("POST", "songs?name=My%20%3Cb%3Etune.wav", content)
    (song,) = studio.heard()
    assert song["id"] == sent["id"] and song["name"] == "My <b>tune" and song["seconds"] == 4
    found = studio.json("GET", f"songs/{song['id']}")
    assert [stem["name"] for stem in found["separation"]["stems"]] == ["drums", "bass", "vocals", "other"]
    assert found["samples"] == 32_000 and found["wishes"]["hints"] == []


def test_what_is_no_song_in_a_folder_is_passed_over_and_the_rest_is_taken(studio: Running, tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "good.wav")
    (tmp_path / "songs" / "bad.wav").write_bytes(b"this is no wav")
    refused = studio.studio.add_paths([str(tmp_path / "songs")])
    assert len(refused) == 1 and "bad.wav" in refused[0]
    assert studio.studio.add_paths([str(tmp_path / "songs")]) == refused
    assert [song["name"] for song in studio.heard()] == ["good"]
    with pytest.raises(AudioError, match=r"bad\.wav"):
        studio.studio.add_paths([str(tmp_path / "songs" / "bad.wav")])


def test_a_song_is_taken_in_once_and_again_with_its_hints_where_its_file_was_replaced(
    studio: Running, tmp_path: Path
) -> None:
    path = write_song(tmp_path / "song.wav", 4)
    studio.studio.add_paths([str(path), str(path)])
    (song,) = studio.heard()
    place = f"songs/{song['id']}"
    before = studio.json("PUT", f"{place}/wishes", {"hints": ["vocals=1-2"], "sensitivity": "1"})
    studio.studio.add_paths([str(path)])
    assert [each["state"] for each in studio.json("GET", "songs")] == ["heard"]
    for seconds in (3, 2):  # first of what is a link here, then of what is a copy
        write_song(tmp_path / "bounce.wav", seconds, seed=seconds).replace(path)
        studio.studio.add_paths([str(path)])
        (again,) = studio.heard()
        assert (again["id"], again["seconds"]) == (song["id"], seconds)
        after = studio.json("GET", place)
        assert after["samples"] == seconds * 8_000 and after["wishes"] == before["wishes"]


def test_the_command_line_names_the_model_unless_it_is_the_usual_one(studio: Running, tmp_path: Path) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / "song.wav"))])
    (song,) = studio.heard()
    assert studio.json("GET", f"songs/{song['id']}")["command"].endswith("song.wav")
    studio.studio.model = "my own.safetensors"
    assert studio.json("GET", f"songs/{song['id']}")["command"].endswith("song.wav --model 'my own.safetensors'")


def test_what_is_no_song_fails_with_a_sentence_that_names_it(studio: Running) -> None:
    studio.json("POST", "songs?name=noise.wav", b"this is no wav")
    until(lambda: studio.json("GET", "songs")[0]["state"] == "failed")
    error = studio.json("GET", "songs")[0]["error"]
    assert "noise.wav" in error and "studio" not in error
    status, answer = studio.ask("POST", "songs?name=program.exe", b"MZ")
    assert status == 400 and b"program.exe is no song" in answer
    status, _ = studio.ask("POST", "songs?name=large.wav", None, {"Content-Length": str(2**40)})
    assert status == 400


def test_bad_wishes_are_refused_and_the_earlier_ones_kept(studio: Running, tmp_path: Path) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / "song.wav"))])
    (song,) = studio.heard()
    place = f"songs/{song['id']}/wishes"
    good = studio.json("PUT", place, {"hints": ["vocals=1-2"], "sensitivity": "1"})
    assert good["command"].endswith("song.wav --hint vocals=0:01-0:02")
    for wishes in (
        {"hints": ["vocals=1-2", "bass=1-2"]},
        {"hints": ["vocals=9-12"]},
        {"hints": ["../x=1-2"]},
        {"hints": ["/etc/passwd.toml"], "sensitivity": "99"},
        {"hints": [], "sensitivity": "piano=2"},
        {"hints": "vocals=1-2"},
    ):
        assert studio.ask("PUT", place, wishes)[0] == 400
    kept = studio.json("GET", f"songs/{song['id']}")
    assert kept["separation"]["key"] == good["separation"]["key"]
    assert [hint["text"] for hint in kept["wishes"]["hints"]] == ["vocals=0:01-0:02"]


def test_a_song_that_was_cancelled_is_heard_when_it_is_asked_for(studio: Running, tmp_path: Path) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / f"{name}.wav", 60, 44_100)) for name in "abc"])
    last = studio.json("GET", "songs")[-1]["id"]
    assert studio.ask("POST", f"songs/{last}/cancel")[0] == 204
    songs = studio.heard(2)
    assert songs[-1]["state"] == "cancelled"
    assert studio.ask("POST", f"songs/{last}/hear")[0] == 204
    assert len(studio.heard(3)) == 3
    assert studio.ask("DELETE", f"songs/{last}")[0] == 204
    assert len(studio.json("GET", "songs")) == 2
    assert not list((tmp_path / "studio").rglob(f"*{last}*"))


def test_a_song_whose_encoding_made_room_is_heard_again(studio: Running, tmp_path: Path) -> None:
    studio.studio.add_paths([str(write_song(tmp_path / "song.wav"))])
    (song,) = studio.heard()
    studio.studio.encodings.remove(song["id"])
    status, answer = studio.ask("GET", f"songs/{song['id']}")
    assert status == 404 and b"heard again" in answer
    studio.heard()
    assert studio.ask("GET", f"songs/{song['id']}")[0] == 200
