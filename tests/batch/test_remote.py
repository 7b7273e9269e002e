"""Songs and stems in a bucket, over the real protocol, and at other places: whole or not there, resumed as on disk."""

from __future__ import annotations

import functools
import http.server
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stems.batch import remote as remote_songs
from stems.errors import OptionError, PlaceError
from stems.files import remote
from stems.files.remote import RemotePath, below, on_this_machine, place

NAMES = ("bass", "drums", "other", "vocals")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server that speaks S3."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A file system of two buckets, as the tests see it."""
    import fsspec
    import requests

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    requests.post(f"{endpoint}/moto-api/reset")
    system = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    type(system).clear_instance_cache()
    for bucket in ("music", "stems"):
        system.mkdir(bucket)
    yield system
    type(system).clear_instance_cache()


@pytest.fixture
def split(stems: Run, small_weights: Path) -> Run:
    return lambda *arguments: stems("split", "--model", small_weights, "--jobs", "1", *arguments)


def song(path: str, seconds: float = 1.0) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    audio = np.random.default_rng(len(path)).uniform(-0.3, 0.3, (int(seconds * 8_000), 2))
    soundfile.write(file, audio, 8_000)
    return file


def contents(s3: Any, folder: str) -> dict[str, bytes]:
    return {path[len(folder) + 1 :]: s3.cat_file(path) for path in s3.find(folder)}


def local(folder: str) -> dict[str, bytes]:
    files = (path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_bucket_gets_what_a_folder_would_and_is_resumed_without_any_song(
    s3: Any, split: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.flac", "x/b #1?é.wav", "x/c.ogg"):
        s3.put_file(str(song(f"lib/{name}")), f"music/lib/{name}")
    Path("lib/bad.wav").write_text("no audio")
    for name in ("bad.wav", "cover.jpg", ".hidden/d.wav"):
        s3.put_file("lib/bad.wav", f"music/lib/{name}")
    options = ("--format", "flac", "--json")
    assert split("lib", *options, "--out", "here")[0] == 1
    code, said, complaints = split("s3://music/lib", *options, "--out", "s3://stems/out")
    assert (code, complaints) == (1, "")
    lines = {line["song"]: line for line in map(json.loads, said.splitlines())}
    assert [line["status"] for line in lines.values()] == ["done", "failed", "done", "done"]
    assert lines["s3://music/lib/bad.wav"]["error"].startswith("s3://music/lib/bad.wav is not audio")
    assert lines["s3://music/lib/x/c.ogg"]["outputs"]["bass"] == "s3://stems/out/x/c/bass.flac"
    assert contents(s3, "stems/out") == local("here") and len(local("here")) == 12

    s3.rm("stems/out/a/bass.flac")
    monkeypatch.setattr(
        remote_songs, "fetch", lambda source, to: fetched.append(source.url) or remote.fetch(source, to)
    )
    fetched: list[str] = []
    said = split("s3://music/lib", *options, "--out", "s3://stems/out")[1]
    assert [json.loads(line)["status"] for line in said.splitlines()] == ["done", "failed", "skipped", "skipped"]
    assert fetched == ["s3://music/lib/a.flac", "s3://music/lib/bad.wav"]
    assert contents(s3, "stems/out") == local("here")
    code, said, _ = split("s3://music/lib/x/*", "s3://music/lib/a.flac", "--out", "s3://stems/out", "--dry-run")
    assert code == 0 and said.count("would split") == 2 and said.count("would skip s3://music/lib/a.flac") == 1


def test_songs_from_a_bucket_to_a_folder_and_back(s3: Any, split: Run) -> None:
    s3.put_file(str(song("a.flac")), "music/a.flac")
    assert split("s3://music/a.flac", "--out", "down")[0] == 0
    assert split("a.flac", "--out", "here")[0] == 0
    assert split("a.flac", "--out", "s3://stems/up")[0] == 0
    assert local("down") == local("here") == contents(s3, "stems/up")
    for arguments in (("s3://music/a.flac", "--out", "down"), ("a.flac", "--out", "s3://stems/up")):
        assert "skipped" in split(*arguments)[1]


def test_another_passage_or_other_hints_are_split_again(s3: Any, split: Run) -> None:
    s3.put_file(str(song("a.flac", 3)), "music/a.flac")
    options = ("s3://music/a.flac", "--out", "s3://stems/out")
    hint, sensitivity, depth = ("--hint", "vocals=0:01-0:02"), ("--sensitivity", "2"), ("--bit-depth", "24")
    for more in ((), ("--from", "0:01"), ("--to", "0:01.2"), (), hint, (), sensitivity, (), depth):
        assert "1 done." in split(*options, *more)[1], more
        assert "1 skipped." in split(*options, *more)[1], more
        there = s3.find("stems/out")
        assert ("stems/out/a/hints.toml" in there) == (more not in ((), depth))
    assert "1 done." in split(*options, "--overwrite")[1]


def test_lists_and_results_may_lie_in_a_bucket(s3: Any, split: Run) -> None:
    s3.put_file(str(song("a.flac")), "music/lib/a.flac")
    s3.pipe_file("music/lib/songs.csv", b"song,track\na.flac,one/two\n")
    options = ("--manifest", "s3://music/lib/songs.csv", "--out", "s3://stems", "--results", "s3://stems/r.jsonl")
    for end in ("1 done.", "1 skipped."):
        assert end in split(*options)[1]
        (row,) = map(json.loads, s3.cat_file("stems/r.jsonl").splitlines())
        assert row["status"] == "done" and row["outputs"]["bass"] == "s3://stems/one/two/bass.flac"


def test_reports_and_scores_take_what_lies_in_a_bucket(
    s3: Any, split: Run, stems: Run, small_weights: Path, material: Path
) -> None:
    pytest.importorskip("scipy")
    pytest.importorskip("matplotlib")
    s3.put_file(str(song("a.flac")), "music/a.flac")
    assert split("s3://music/a.flac", "--out", "s3://stems/out")[0] == 0
    options = ("--song", "s3://music/a.flac", "--model", small_weights, "--out", "s3://stems/a.html")
    code, said, _ = stems("report", "s3://stems/out/a", *options)
    assert code == 0 and said.startswith("Wrote s3://stems/a.html")
    assert b"<html" in s3.cat_file("stems/a.html")[:1000]
    code, _, complaint = stems("report", "s3://stems/out/a", *options)
    assert code == 1 and "s3://stems/a.html is there already: --overwrite replaces it" in complaint

    s3.put(str(material / "songs"), "music/scored", recursive=True)
    scored = ("--songs", "s3://music/scored", "--model", "none", "--baseline", "mixture", "--quick")
    for part, name in (("1/3", "song 0"), ("2/3", "song 1")):
        code, said, _ = stems("evaluate", *scored, "--shard", part)
        assert code == 0 and said.startswith(f"[1/1] {name}: mixture")
    code, said, _ = stems("evaluate", *scored)
    assert code == 0 and said.count("scored before") == 2
    assert stems("evaluate", *scored, "--shard", "4/4")[0] == 0


@pytest.mark.parametrize("large", [False, True])
def test_an_upload_that_breaks_off_leaves_nothing_under_its_name(
    s3: Any, split: Run, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    import s3fs

    if large:  # which goes up in parts
        Path("large").write_bytes(bytes(12_000_000))

        async def broken(*_: object, **__: object) -> None:
            raise OSError("the line is dead")

        monkeypatch.setattr(s3fs.core, "calculate_chunksize", lambda *_, **__: 5 * 2**20)
        whole = s3fs.S3FileSystem._call_s3

        async def second_part_breaks(self: Any, method: str, *arguments: Any, **options: Any) -> Any:
            if method == "upload_part" and options.get("PartNumber") == 2:
                await broken()
            return await whole(self, method, *arguments, **options)

        monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", second_part_breaks)
        with pytest.raises(PlaceError, match=r"s3://stems/large cannot be reached \(the line is dead"):
            remote.upload({Path("large"): RemotePath("s3://stems/large")})
        assert s3.find("stems") == []
        return
    s3.put_file(str(song("a.flac")), "music/a.flac")
    assert split("a.flac", "--out", "here")[0] == 0
    real, count = s3fs.S3FileSystem.put_file, iter(range(10))

    def third_breaks(self: Any, *arguments: Any, **options: Any) -> None:
        if next(count) == 2:
            raise OSError("the line is dead")
        real(self, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "put_file", third_breaks)
        code, said, _ = split("s3://music/a.flac", "--out", "s3://stems/out")
    assert code == 1 and "cannot be reached (the line is dead): check" in said
    there = contents(s3, "stems/out")
    assert len(there) == 2 and there.items() <= local("here").items()
    assert "1 done." in split("s3://music/a.flac", "--out", "s3://stems/out")[1]
    assert contents(s3, "stems/out") == local("here")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s3://music/a.flac", "--out", "s3://nosuch/x"), "s3://nosuch/x: there is no bucket nosuch: make it first"),
        (("s3://nosuch/a.flac",), "s3://nosuch/a.flac: there is no bucket nosuch: make it first"),
        (("s3://nosuch/lib",), "s3://nosuch/lib: there is no bucket nosuch: make it first"),
        (("s3://music/no.flac",), "s3://music/no.flac does not exist: check its name."),
        (("s3://music/empty",), "s3://music/empty holds no songs"),
        (("s3://music/lib", "--out", "s3://music/lib"), "name another folder, such as s3://music/lib/separated"),
        (("s3://music/a.flac", "--daw", "reaper"), "is not on this machine"),
        (("a.flac", "--daw", "reaper", "--out", "s3://stems"), "need --out on this machine"),
        (("a.flac", "--out", "https://stems/"), "can be read, but not written to: choose another --out."),
        (("ftps://stems/",), "ftps://stems/ is no place that is known here: it may begin with s3://"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(s3: Any, split: Run, arguments: tuple[str, ...], message: str) -> None:
    s3.put_file(str(song("a.flac")), "music/lib/a.flac")
    code, said, complaints = split(*arguments)
    assert code == 1 and message in said + complaints
    assert len([line for line in (said + complaints).splitlines() if line != "1 failed."]) == 1
    assert not list(Path().glob("separated/*")) and s3.find("stems") == []


def test_missing_credentials_are_one_sentence(s3: Any, split: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    code, _, complaint = split("s3://music/lib")
    assert (code, complaint) == (
        1,
        "stems: s3://music/lib needs credentials, and none were found: set them as its other tools have them set.\n",
    )


@pytest.mark.parametrize(("url", "extra"), [("gs://b/a.wav", "gs"), ("az://b/a.wav", "az"), ("sftp://h/a.wav", "sftp")])
def test_a_missing_package_is_named(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for package in ("gcsfs", "adlfs", "paramiko", "stems.files.known_hosts"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PlaceError, match=rf"pip install 'openband-stems\[{extra}\]'"):
        remote.fetch(RemotePath(url), Path("a.wav"))


def test_songs_come_from_web_servers(split: Run) -> None:
    pytest.importorskip("aiohttp")
    song("web/one two.flac")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="web")
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            code, said, _ = split(f"{url}/one%20two.flac?key=1", f"{url}/none.flac", "--out", "here")
        finally:
            server.shutdown()
    assert code == 1 and f"{url}/none.flac does not exist" in said
    assert split("web/one two.flac", "--out", "there")[0] == 0
    assert local("here") == local("there") and "one two/bass.flac" in local("here")


def test_where_files_show_while_they_are_written_they_are_renamed_at_the_end(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.local import LocalFileSystem

    monkeypatch.setitem(remote.EXTRAS, "local", "local")
    names: list[str] = []
    put = LocalFileSystem.put_file

    def watched(self: Any, source: str, to: str, **options: Any) -> None:
        put(self, source, to, **options)
        names.extend(path.name for path in (here / "out").iterdir())
        if Path(source).read_bytes() == b"broken":
            raise OSError("the line is dead")

    monkeypatch.setattr(LocalFileSystem, "put_file", watched)
    Path("file").write_bytes(b"whole")
    destination = RemotePath(f"local://{here.as_posix()}/out/file.wav")
    remote.upload({Path("file"): destination})
    Path("file").write_bytes(b"broken")
    with pytest.raises(PlaceError):
        remote.upload({Path("file"): destination})
    assert local("out") == {"file.wav": b"whole"}
    assert names[0].startswith(".stems-") and "file.wav" not in names[:1]


def test_memory_holds_songs_and_stems(split: Run) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/lib/x/a.flac", song("a.flac").read_bytes())
    for end in ("1 done.", "1 skipped."):
        assert end in split("memory://lib", "--out", "memory://out")[1]
    assert split("a.flac", "--out", "here")[0] == 0
    assert memory.cat_file("/out/x/a/bass.flac") == local("here")["a/bass.flac"]
    memory.rm("/lib", recursive=True)
    memory.rm("/out", recursive=True)


@pytest.mark.parametrize(
    ("url", "name", "parent", "below"),
    [
        ("s3://b/x/a b.flac", "a b.flac", "s3://b/x", "s3://b/x/a b.flac/s"),
        ("s3://b", "b", "s3://", "s3://b/s"),
        ("https://h/x/a%20b.mp3?k=1/2.wav", "a b.mp3", None, None),
        ("sftp://u@h:22/x/a.wav", "a.wav", "sftp://u@h:22/x", "sftp://u@h:22/x/a.wav/s"),
    ],
)
def test_urls_are_taken_apart_as_paths_are(url: str, name: str, parent: str | None, below: str | None) -> None:
    path = RemotePath(url)
    assert (path.name, str(path)) == (name, url)
    assert path.stem + path.suffix == name
    assert parent is None or str(path.parent) == parent
    assert below is None or str(path / Path("s")) == below
    assert path / "." == path


def test_paths_of_this_machine_stay_paths(here: Path) -> None:
    assert place("a/b.wav") == Path("a/b.wav") and place((here / "x y").as_uri()) == here / "x y"
    with pytest.raises(OptionError, match="no place that is known here"):
        place("gopher://a/b")


@pytest.mark.parametrize("name", ["songs/../../evil.wav", "songs/a/..\\..\\evil.wav"])
def test_keys_that_lead_out_of_a_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    store = fsspec.filesystem("memory")
    bucket = f"/bucket-{tmp_path.name}-{len(name)}"
    store.pipe(f"{bucket}/songs/good.wav", b"sound")
    store.pipe(f"{bucket}/{name}", b"sound")
    songs = place(f"memory:/{bucket}/songs")
    with pytest.raises(PlaceError, match="leads out of it"):
        below(songs)
    with pytest.raises(PlaceError, match="leads out of it"), on_this_machine(songs):
        pass
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    store.rm(f"{bucket}/{name}")
    assert [path.name for path in below(songs)] == ["good.wav"]
