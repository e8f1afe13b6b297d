# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The program that starts a container machine."""

from __future__ import annotations

import shlex
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import INIT
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import LabMachine

# Folders that cannot be on the machine's overlay, because overlays are made on them.
FOLDERS = {
    "containerd": "/var/lib/containerd",
    "rancher": "/var/lib/rancher",
    "kubelet": "/var/lib/kubelet",
    "etcd": "/var/lib/etcd",
    "pods": "/var/log/pods",
}
_SYSTEM_CALLS = "add_key keyctl bpf perf_event_open kexec_load open_by_handle_at"
# systemd-nspawn ends so when the machine reboots itself.
_REBOOT = 133


def start_script(
    *,
    lab: str,
    machine: LabMachine,
    home: Path,
    base: Path,
    trees: t.Sequence[Path],
    devices: t.Sequence[str],
    unified: bool,
    inside: t.Sequence[str],
    outside: t.Sequence[str],
) -> str:
    """The program that starts a machine and stays its parent, as shell text.

    It runs in the machine's control groups. Mounts and network are in namespaces that end with the machine, so a
    machine that is killed takes them along. A reboot of the machine comes back here, and everything is made anew.
    """
    q = shlex.quote
    binds = [f"--bind={device}" for device in devices]
    binds += [f"--bind={home}/data/{name}:{path}" for name, path in FOLDERS.items()]
    binds += [f"--bind={home}/disks/{disk.name}:{disk.path}" for disk in machine.disks if disk.kind == "folder"]
    blocks = "".join(
        f'device=$(sed -n "s/^{disk.name} //p" {q(str(home / "devices"))})\nset -- "$@" --bind="$device":{disk.path}\n'
        for disk in machine.disks
        if disk.kind == "block"
    )
    options = [
        "-q", "-D", f"{home}/root", "-M", machine.name, "--register=no", "--keep-unit", "--capability=all",
        "--private-users=no", "--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe",
        "--kill-signal=SIGRTMIN+3", "--notify-ready=yes", f"--system-call-filter={_SYSTEM_CALLS}", *binds,
    ]  # fmt: skip
    joined = "\n".join(f"echo 0 > {q(str(tree))}/cgroup.procs" for tree in trees)
    stale = " ".join(q(str(tree)) for tree in trees)
    words = " \\\n    ".join(q(option) for option in options)
    newline = "\n"
    # The kernel takes its time to remove the cables of the life before.
    unplug = newline.join(
        f"ip -n {q(f'klab-{lab}')} link del {line.split()[2]} 2>/dev/null || true" for line in outside
    )
    hierarchy = "export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1\n" if unified else ""
    return f"""\
#!/bin/sh
# Starts {machine.name} of lab {lab}. Written by lab_up, which writes it anew.
set -eu
cd /
if [ "${{1:-}}" = inside ]; then
mount -t tmpfs -o mode=0755 lab /run/systemd/nspawn
mount -t overlay -o {q(f"lowerdir={base},upperdir={home}/upper,workdir={home}/work")} lab {q(f"{home}/root")}
{unplug}
ip -batch - <<'COMMANDS'
{newline.join(inside)}
COMMANDS
ip -n {q(f"klab-{lab}")} -batch - <<'COMMANDS'
{newline.join(outside)}
COMMANDS
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=1
{hierarchy}set -- {words}
{blocks}exec systemd-nspawn "$@" --network-namespace-path=/proc/$$/ns/net {q(INIT)}
fi
{joined}
mkdir -p /run/systemd/nspawn
while :; do
    status=0
    unshare --mount --propagation slave --net /bin/sh "$0" inside || status=$?
    [ "$status" = {_REBOOT} ] || exit "$status"
    # Hundreds of stale groups of pods would make the kubelet slow.
    find {stale} -mindepth 1 -depth -type d -exec rmdir {{}} + 2>/dev/null || true
done
"""


__all__ = ("FOLDERS", "start_script")
