# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Keys and settings of SSH, made for one lab and for nothing else."""

from __future__ import annotations

import inspect
import shlex
import sys
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._lab import connect
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths


def make_key(path: Path, comment: str, runner: Runner) -> str:
    """The public half of the key at ``path``, which is made if it is not there."""
    public = path.with_name(f"{path.name}.pub")
    if not public.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        runner(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    return public.read_text().strip()


def known_hosts(lab: Lab, host_keys: t.Mapping[str, str]) -> str:
    """One line per machine: its name and addresses, and its key."""
    lines = []
    for name, machine in lab.machines.items():
        names = [name, *(str(address) for own in machine.addresses.values() for address in own)]
        kind, key = host_keys[name].split()[:2]
        lines.append(f"{','.join(names)} {kind} {key}\n")
    return "".join(lines)


def ssh_config(lab: Lab, paths: LabPaths, *, script: Path, python: str = sys.executable) -> str:
    """For ``ssh -F``: machines by name, through the lab's network namespace."""
    proxy = " ".join(
        shlex.quote(part).replace("%", "%%") for part in (python, "-I", "-S", str(script), str(paths.namespace))
    )
    blocks = [f"Host {name}\n    HostName {machine.address}\n" for name, machine in lab.machines.items()]
    return (
        "".join(blocks)
        + "Host *\n"
        + "    User root\n"
        + f"    IdentityFile {_quoted(paths.key)}\n"
        + "    IdentitiesOnly yes\n"
        + f"    UserKnownHostsFile {_quoted(paths.known_hosts)}\n"
        + "    GlobalKnownHostsFile /dev/null\n"
        + "    StrictHostKeyChecking yes\n"
        + "    PreferredAuthentications publickey\n"
        + "    ConnectTimeout 10\n"
        + "    ServerAliveInterval 5\n"
        + "    ServerAliveCountMax 3\n"
        + f"    ProxyCommand {proxy} %h %p\n"
        + "    ProxyUseFdpass yes\n"
    )


def python_wrapper(paths: LabPaths, python: str = sys.executable) -> str:
    """The controller's Python inside the lab's network namespace, as one program: Ansible takes no arguments there."""
    return f'#!/bin/sh\nexec nsenter --net={shlex.quote(str(paths.namespace))} {shlex.quote(python)} "$@"\n'


def client_files(lab: Lab, paths: LabPaths, host_keys: t.Mapping[str, str]) -> dict[Path, tuple[str, int]]:
    """What the controller needs to reach the machines: content and mode by path."""
    script = paths.state / "ssh" / "connect.py"
    return {
        script: (inspect.getsource(connect), 0o600),
        paths.known_hosts: (known_hosts(lab, host_keys), 0o600),
        paths.ssh_config: (ssh_config(lab, paths, script=script), 0o600),
        paths.python: (python_wrapper(paths), 0o700),
    }


def _quoted(path: Path) -> str:
    return f'"{path}"'.replace("%", "%%")


__all__ = ("client_files", "known_hosts", "make_key", "python_wrapper", "ssh_config")
