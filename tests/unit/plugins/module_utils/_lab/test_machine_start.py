# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.machine_start import start_script
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.network import cable_commands

LAB = parse_lab(
    {
        "segments": {"lan": {"network": "10.77.0.0/24"}},
        "machines": {
            "one": {
                "addresses": {"lan": "10.77.0.11"},
                "disks": [{"name": "data", "size": "1G"}, {"name": "files", "kind": "folder", "path": "/srv/files"}],
            }
        },
    }
)


def script(home: Path = Path("/cache dir/one"), *, unified: bool = False) -> str:
    inside, outside = cable_commands(LAB, LAB.machines["one"])
    return start_script(
        lab="lab",
        machine=LAB.machines["one"],
        home=home,
        base=Path("/cache dir/base"),
        trees=[Path("/sys/fs/cgroup/memory/klab-lab/one"), Path("/sys/fs/cgroup/systemd/klab-lab/one")],
        devices=["/dev/kmsg"],
        unified=unified,
        inside=inside,
        outside=outside,
    )


def test_it_is_a_shell_program() -> None:
    done = subprocess.run(["sh", "-n"], input=script(), text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "part",
    [
        "echo 0 > /sys/fs/cgroup/memory/klab-lab/one/cgroup.procs",
        "echo 0 > /sys/fs/cgroup/systemd/klab-lab/one/cgroup.procs",
        "unshare --mount --propagation slave --net",
        "'lowerdir=/cache dir/base,upperdir=/cache dir/one/upper,workdir=/cache dir/one/work' lab",
        "addr add 10.77.0.11/24 dev eth0",
        "link set one.0 master br-lan up",
        "SYSTEMD_NSPAWN_API_VFS_WRITABLE=1",
        "--kill-signal=SIGRTMIN+3",
        "--register=no",
        "--keep-unit",
        "--notify-ready=yes",
        "--bind=/dev/kmsg",
        "'--bind=/cache dir/one/data/containerd:/var/lib/containerd'",
        "'--bind=/cache dir/one/disks/files:/srv/files'",
        '--bind="$device":/dev/vdb',
        "keyctl",
        '[ "$status" = 133 ]',
    ],
)
def test_it_holds_what_was_found_to_be_needed(part: str) -> None:
    assert part in script()


def test_only_version_2_asks_for_version_2() -> None:
    assert "UNIFIED_HIERARCHY" not in script()
    assert "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1" in script(unified=True)
