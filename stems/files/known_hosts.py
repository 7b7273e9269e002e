"""Which machines are trusted over SFTP: those that the user's `ssh` knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paramiko


class KnownHosts(paramiko.MissingHostKeyPolicy):  # type: ignore[misc, unused-ignore]
    """Accepts the keys in `~/.ssh/known_hosts` alone; fsspec's default would accept that of whoever answers."""

    def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
        """Raises SSHException for a key that is not known."""
        known = paramiko.HostKeys()
        file = Path.home() / ".ssh" / "known_hosts"
        if file.is_file():
            known.load(str(file))
        if not known.check(hostname, key):
            raise paramiko.SSHException(f"{hostname} is not in ~/.ssh/known_hosts, so connect once by ssh")
