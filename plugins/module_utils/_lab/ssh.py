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
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically
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


def write_client_files(lab: Lab, paths: LabPaths, host_keys: t.Mapping[str, str]) -> bool:
    """Write what a client needs; return whether anything was different."""
    script = paths.state / "ssh" / "connect.py"
    wanted = {
        script: inspect.getsource(connect).encode(),
        paths.known_hosts: known_hosts(lab, host_keys).encode(),
        paths.ssh_config: ssh_config(lab, paths, script=script).encode(),
    }
    changed = False
    for path, content in wanted.items():
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content, mode=0o600)
            changed = True
    return changed


def _quoted(path: Path) -> str:
    return f'"{path}"'.replace("%", "%%")


__all__ = ("known_hosts", "make_key", "ssh_config", "write_client_files")
