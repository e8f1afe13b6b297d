# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where a lab keeps what it has."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

RUNTIME = Path("/run/klubster")
NAMESPACES = Path("/run/netns")


def cache_folder(environment: t.Mapping[str, str] | None = None) -> Path:
    """The collection's folder in the user's cache."""
    given = os.environ if environment is None else environment
    base = given.get("XDG_CACHE_HOME") or str(Path(given.get("HOME") or Path.home()) / ".cache")
    return Path(base) / "klubster"


@dataclass(frozen=True)
class LabPaths:
    """The places of one lab. Sockets are under ``/run``: their paths must be short."""

    name: str
    cache: Path

    @property
    def state(self) -> Path:
        return self.cache / "labs" / self.name

    @property
    def runtime(self) -> Path:
        return RUNTIME / "labs" / self.name

    @property
    def namespace_name(self) -> str:
        return f"klab-{self.name}"

    @property
    def namespace(self) -> Path:
        return NAMESPACES / self.namespace_name

    @property
    def key(self) -> Path:
        return self.state / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.state / "ssh" / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh" / "config"

    @property
    def python(self) -> Path:
        """The controller's Python, started inside the lab's network namespace."""
        return self.state / "python"

    @property
    def machines(self) -> Path:
        return self.state / "machines"

    def control(self, machine: str) -> Path:
        """The socket of the SSH connection that Ansible keeps open to a machine."""
        return self.runtime / f"{machine}.ssh"


__all__ = ("NAMESPACES", "RUNTIME", "LabPaths", "cache_folder")
