"""Stems over SFTP, against a server of paramiko's: whole or not there, under any name, on machines that are known."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

paramiko = pytest.importorskip("paramiko")


class Files(paramiko.SFTPServerInterface):
    """The files of this machine, and what was opened to be written."""

    written: ClassVar[list[str]] = []

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(os.stat(path))
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    lstat = stat

    def list_folder(self, path: str) -> Any:
        return [paramiko.SFTPAttributes.from_stat(entry.stat(), entry.name) for entry in os.scandir(path)]

    def mkdir(self, path: str, attributes: Any) -> int:
        os.mkdir(path)
        return int(paramiko.SFTP_OK)

    def remove(self, path: str) -> int:
        os.remove(path)
        return int(paramiko.SFTP_OK)

    def posix_rename(self, old: str, new: str) -> int:
        os.replace(old, new)
        return int(paramiko.SFTP_OK)

    def open(self, path: str, flags: int, attributes: Any) -> Any:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        try:
            file = os.fdopen(os.open(path, flags, 0o666), "wb" if writes else "rb")
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        if writes:
            self.written.append(Path(path).name)
        handle = paramiko.SFTPHandle(flags)
        handle.readfile = handle.writefile = file
        handle.stat = lambda: self.stat(path)
        return handle


class Anybody(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: Any) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, number: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server, and a home whose `ssh` may use it and knows it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = paramiko.ECDSAKey.generate()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    Path(".ssh").mkdir()
    key.write_private_key_file(".ssh/id_ecdsa")
    Path(".ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    transports: list[Any] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            transports.append(paramiko.Transport(connection))
            transports[-1].add_server_key(key)
            transports[-1].set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
            transports[-1].start_server(server=Anybody())

    threading.Thread(target=serve, daemon=True).start()
    yield f"sftp://somebody@127.0.0.1:{port}"
    listening.close()
    for transport in transports:
        transport.close()


def test_stems_go_there_and_songs_come_from_there(
    address: str, tmp_path: Path, small_weights: Path, stems: Callable
) -> None:
    name = "a #1? é"
    Path("songs/x").mkdir(parents=True)
    soundfile.write(f"songs/x/{name}.flac", np.random.default_rng(1).uniform(-0.3, 0.3, (8_000, 2)), 8_000)
    options = ("--model", small_weights, "--jobs", "1")
    songs, there = f"{address}{tmp_path.as_posix()}/songs", f"{address}{tmp_path.as_posix()}/there"
    for end in ("1 done.", "1 skipped."):
        code, said, complaints = stems("split", songs, "--out", there, *options)
        assert (code, said.splitlines()[-1], complaints) == (0, end, "")
    assert stems("split", "songs", "--out", "here", *options)[0] == 0
    found = {path.relative_to("there"): path.read_bytes() for path in Path("there").rglob("*") if path.is_file()}
    assert found == {path.relative_to("here"): path.read_bytes() for path in Path("here").rglob("*") if path.is_file()}
    assert len(found) == 4 == len(Files.written)
    assert all(name.startswith(".stems-") for name in Files.written)

    Path(".ssh/known_hosts").unlink()
    import fsspec

    fsspec.get_filesystem_class("sftp").clear_instance_cache()
    code, _, complaint = stems("split", songs, "--out", "elsewhere", *options)
    assert code == 1 and "is not in ~/.ssh/known_hosts" in complaint and len(complaint.splitlines()) == 1
