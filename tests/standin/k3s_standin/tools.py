# SPDX-License-Identifier: Apache-2.0
"""Commands beside server and agent: those that are programs of their own, and small ones of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

from k3s_standin import flags
from k3s_standin.log import Fatal
from k3s_standin.paths import SOCKET, Paths

_KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"


def run(command: str, arguments: list[str]) -> int:
    """:raises Fatal: the stand-in does not have it."""
    if command in ("kubectl", "ctr"):
        _exec(command, arguments)
    if command == "crictl":
        return _crictl(arguments)
    if command == "token":
        from k3s_standin import token_command  # noqa: PLC0415

        return token_command.run(arguments)
    if command == "etcd-snapshot":
        from k3s_standin import snapshot_command  # noqa: PLC0415

        return snapshot_command.run(arguments)
    if command in ("secrets-encrypt", "certificate"):
        raise Fatal(f"not in the stand-in: k3s {command}")
    raise Fatal(f"No help topic for '{command}'")


def programs() -> Path:
    """The folder of the programs; unpacked when nothing has run here yet."""
    paths = Paths(Path(os.environ.get("K3S_DATA_DIR") or flags.FLAGS["data-dir"].default))
    if not paths.bin.is_dir():
        from k3s_standin import unpack  # noqa: PLC0415

        unpack.unpack(paths, str(unpack.stamp()["hash"]))
    return paths.bin


def kubeconfig() -> str:
    return os.environ.get("KUBECONFIG") or os.environ.get("K3S_KUBECONFIG_OUTPUT") or _KUBECONFIG


def _exec(command: str, arguments: t.Sequence[str]) -> t.NoReturn:
    environment = dict(os.environ)
    if command == "kubectl":
        environment["KUBECONFIG"] = kubeconfig()
    else:
        environment.setdefault("CONTAINERD_ADDRESS", str(SOCKET))
        environment.setdefault("CONTAINERD_NAMESPACE", "k8s.io")
    place = programs() / command
    sys.stdout.flush()
    os.execve(place, [command, *arguments], environment)  # noqa: S606 - it takes our place


def _crictl(arguments: t.Sequence[str]) -> int:
    words = [word for word in arguments if not word.startswith("-")]
    ctr = [str(programs() / "ctr"), "-a", str(SOCKET), "-n", "k8s.io"]
    verb = words[0] if words else ""
    table: dict[str, list[str]] = {
        "images": ["images", "ls"],
        "pull": ["images", "pull", *words[1:]],
        "rmi": ["images", "rm", *words[1:]],
        "version": ["version"],
    }
    if verb not in table or (verb == "images" and len(arguments) > 1):
        raise Fatal(f"not in the stand-in: crictl {' '.join(arguments)}; use k3s ctr")
    return subprocess.run([*ctr, *table[verb]], check=False).returncode


__all__ = ("kubeconfig", "programs", "run")
