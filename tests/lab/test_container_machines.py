# SPDX-License-Identifier: Apache-2.0
"""What a container machine is like, seen from outside and from inside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result, run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.cgroups import ControlGroups
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import Lab, parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.network import greeting, in_namespace
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import LabPaths, cache_folder

NAME = "machines"
DEFINITION: dict[str, t.Any] = {
    "name": NAME,
    "segments": {
        "lan": {"network": "10.77.0.0/24,fd77::/64"},
        "dmz": {"network": "10.78.0.0/24"},
        "far": {"network": "10.79.0.0/24", "mtu": 1400},
    },
    "forwarding": [["lan", "dmz"]],
    "machines": {
        "one": {
            "addresses": {"lan": "10.77.0.11,fd77::11"},
            "memory": "384M",
            "disks": [
                {"name": "block", "size": "64M"},
                {"name": "folder", "kind": "folder", "path": "/srv/data"},
            ],
        },
        "two": {"addresses": {"dmz": "10.78.0.12"}},
        "three": {"addresses": {"far": "10.79.0.13", "lan": "10.77.0.13"}},
        "four": {"addresses": {"far": "10.79.0.14"}},
    },
}


#: seconds in which a busy machine still says no; a timeout takes minutes
REFUSED = 8


@dataclass(frozen=True)
class Running:
    """A lab that runs."""

    backend: ContainerBackend
    lab: Lab
    paths: LabPaths

    def ssh(self, machine: str, command: str, *, check: bool = True) -> Result:
        return run(["ssh", "-F", str(self.paths.ssh_config), machine, command], check=check, timeout=30)

    def connects(self, machine: str, address: str) -> tuple[bool, float]:
        """Whether the machine reaches an SSH port, and how long it took to know."""
        begin = time.monotonic()
        done = self.ssh(machine, f"exec 3<>/dev/tcp/{address}/22 && head -c 4 <&3", check=False)
        return done.rc == 0 and done.stdout == "SSH-", time.monotonic() - begin

    def loop_devices(self) -> int:
        return sum(one.startswith("loop device") for one in self.backend.leftovers(NAME))

    def wait_for_new_life(self, machine: str, before: int) -> None:
        deadline = time.monotonic() + 30
        address = str(self.lab.machines[machine].address)
        while time.monotonic() < deadline:
            pid = ControlGroups().init_of(NAME, machine)
            greeted = in_namespace(self.paths.namespace, lambda: greeting(address, timeout=1))
            if pid not in (None, before) and greeted:
                return
        pytest.fail(f"{machine} did not come back")


def life_of(machine: str) -> int:
    pid = ControlGroups().init_of(NAME, machine)
    assert pid is not None
    return pid


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Running]:
    cache = tmp_path_factory.mktemp("cache")
    backend = ContainerBackend(cache, base=BaseRoot(cache_folder() / "lab", run))
    lab = parse_lab(DEFINITION)
    try:
        backend.up(lab)
        yield Running(backend, lab, LabPaths(NAME, cache))
    finally:
        backend.down(NAME)
    assert backend.leftovers(NAME) == []


def test_each_is_a_machine_of_its_own(running: Running) -> None:
    said = {
        name: running.ssh(name, "hostname; cat /etc/machine-id; ls /var/lib/kubelet") for name in running.lab.machines
    }
    assert [result.stdout.splitlines()[0] for result in said.values()] == list(running.lab.machines)
    assert len({result.stdout.splitlines()[1] for result in said.values()}) == len(said)
    assert all(len(result.stdout.splitlines()) == 2 for result in said.values()), "stale files"


def test_systemd_is_content(running: Running) -> None:
    for name in running.lab.machines:
        assert running.ssh(name, "systemctl is-system-running").stdout.strip() == "running"


def test_a_machine_with_another_key_is_refused(running: Running) -> None:
    known = running.paths.known_hosts
    before = known.read_text()
    lines = {line.split(",")[0]: line for line in before.splitlines()}
    swapped = before.replace(lines["one"].split()[2], lines["two"].split()[2])
    known.write_text(swapped)
    try:
        refused = running.ssh("one", "true", check=False)
    finally:
        known.write_text(before)
    assert refused.rc == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    assert running.ssh("one", "true").rc == 0


def test_segments_pass_what_the_definition_lets_pass(running: Running) -> None:
    assert running.connects("one", "10.78.0.12")[0]
    assert running.connects("two", "10.77.0.11")[0]
    assert running.connects("three", "10.77.0.11")[0], "three is in two segments"
    assert running.connects("three", "fd77::11")[0] is False, "it has no IPv6 address"
    for machine, address in (
        ("one", "10.79.0.14"),
        ("four", "10.77.0.11"),
        ("two", "10.79.0.13"),
        ("four", "10.78.0.12"),
    ):
        reached, seconds = running.connects(machine, address)
        assert not reached, f"{machine} reached {address}"
        assert seconds < 2, "a refusal must not be a timeout"


def test_there_is_no_way_out(running: Running) -> None:
    for machine in running.lab.machines:
        reached, seconds = running.connects(machine, "192.0.2.1")
        assert not reached
        assert seconds < 2


def test_interfaces_are_as_defined(running: Running) -> None:
    shown = running.ssh("three", "ip -o addr show; cat /sys/class/net/eth0/mtu; ip route").stdout
    assert "10.79.0.13/24" in shown
    assert "10.77.0.13/24" in shown
    assert "\n1400\n" in shown
    assert "default via 10.79.0.1 dev eth0" in shown
    assert "fd77::11/64" in running.ssh("one", "ip -o addr show eth0").stdout


def test_disks_keep_what_they_hold_when_the_plug_is_pulled(running: Running) -> None:
    running.ssh("one", "mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && echo kept > /mnt/file && umount /mnt")
    running.ssh("one", "echo kept > /srv/data/file; echo kept > /root/file; echo kept > /var/lib/containerd/file; sync")
    before = life_of("one")
    assert running.loop_devices() == 1
    running.backend.power_off(NAME, ["one"])
    assert running.loop_devices() == 0
    running.backend.power_on(NAME, ["one"])
    assert life_of("one") != before
    os.kill(life_of("one"), signal.SIGKILL)
    running.backend.up(running.lab)
    assert running.loop_devices() == 1, "two would write to one file"
    shown = running.ssh("one", "mount /dev/vdb /mnt; cat /mnt/file /srv/data/file /root/file /var/lib/containerd/file")
    assert shown.stdout.split() == ["kept"] * 4
    running.ssh("one", "umount /mnt; rm /var/lib/containerd/file")


def test_memory_is_limited(running: Running) -> None:
    small = running.ssh("one", "python3 -c 'print(len(bytearray(64 << 20)))'", check=False)
    assert small.stdout.strip() == str(64 << 20)
    large = running.ssh("one", "python3 -c 'print(len(bytearray(b\"x\") * (600 << 20)))'", check=False)
    assert large.rc != 0
    assert running.ssh("two", "python3 -c 'print(len(bytearray(b\"x\") * (600 << 20)))'").rc == 0


def test_services_can_be_limited_too(running: Running) -> None:
    """systemd manages the control groups, as the kubelet and MemoryMax need it."""
    shown = running.ssh("two", "systemd-run --wait --pipe -p MemoryMax=64M cat /proc/self/cgroup").stdout
    group = next(line.split(":")[2] for line in shown.splitlines() if ":memory:" in line or line.startswith("0::"))
    assert group.startswith("/system.slice/run-")


def test_a_reboot_starts_anew(running: Running) -> None:
    running.ssh(
        "two", "ip link add cni0 type bridge; iptables -A INPUT -p tcp --dport 1 -j DROP; touch /root/stays /run/goes"
    )
    before = life_of("two")
    running.ssh("two", "systemctl reboot", check=False)
    running.wait_for_new_life("two", before)
    shown = running.ssh("two", "ls /root /run; ip -br link; iptables -S").stdout
    assert "stays" in shown
    assert "goes" not in shown
    assert "cni0" not in shown
    assert "DROP" not in shown
    assert running.backend.up(running.lab).empty


def test_a_lab_of_the_same_name_elsewhere_is_refused(running: Running, tmp_path: Path) -> None:
    other = ContainerBackend(tmp_path, base=BaseRoot(cache_folder() / "lab", run))
    for verb in (lambda: other.up(running.lab), lambda: other.down(NAME)):
        with pytest.raises(InvalidInput, match="a lab of this name runs on this host"):
            verb()
    assert running.ssh("one", "true").rc == 0


@pytest.mark.parametrize("victim", ["parent", "nspawn", "init"])
def test_up_and_power_cope_with_a_killed_process(running: Running, victim: str) -> None:
    init = life_of("four")
    nspawn = _parent(init)
    os.kill({"parent": _parent(nspawn), "nspawn": nspawn, "init": init}[victim], signal.SIGKILL)
    running.backend.up(running.lab)
    assert running.ssh("four", "hostname").stdout.strip() == "four"
    running.backend.power_off(NAME, ["four"])
    assert ControlGroups().processes(NAME, "four") == set()
    running.backend.power_on(NAME, ["four"])
    assert running.ssh("four", "hostname").stdout.strip() == "four"


UP = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.base import BaseRoot
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.container import ContainerBackend
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.definition import parse_lab
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import cache_folder
import json
lab = parse_lab(json.loads(sys.argv[3]))
ContainerBackend(Path(sys.argv[2]), base=BaseRoot(cache_folder() / "lab", run)).up(lab)
"""


@pytest.mark.parametrize("seconds", [0.15, 0.25, 0.4, 0.6, 0.9, 1.2])
def test_a_run_that_is_killed_is_finished_or_cleaned_up(tmp_path: Path, seconds: float) -> None:
    definition = {**DEFINITION, "name": "killed"}
    backend = ContainerBackend(tmp_path, base=BaseRoot(cache_folder() / "lab", run))
    lab = parse_lab(definition)
    collections = str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")
    try:
        for repair in (False, True):
            argv = [sys.executable, "-c", UP, collections, str(tmp_path), json.dumps(definition)]
            with subprocess.Popen(argv) as process:
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
            if repair:
                backend.up(lab)
                assert {found.power for found in backend.observe("killed").machines.values()} == {"running"}
                paths = LabPaths("killed", tmp_path)
                assert Running(backend, lab, paths).ssh("one", "hostname").stdout.strip() == "one"
            backend.down("killed")
            assert backend.leftovers("killed") == []
    finally:
        backend.down("killed")


def test_down_ends_what_others_started_inside(tmp_path: Path) -> None:
    backend = ContainerBackend(tmp_path, base=BaseRoot(cache_folder() / "lab", run))
    lab = parse_lab({**DEFINITION, "name": "inside", "machines": {"two": DEFINITION["machines"]["two"]}})
    paths = LabPaths("inside", tmp_path)
    control = ["-o", "ControlMaster=auto", "-o", f"ControlPath={paths.control('two')}", "-o", "ControlPersist=60"]
    try:
        backend.up(lab)
        run(["ssh", "-F", str(paths.ssh_config), *control, "two", "true"])
        with subprocess.Popen(["nsenter", f"--net={paths.namespace}", "tail", "-f", "/dev/null"]) as visitor:
            try:
                while Path(f"/proc/{visitor.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
                    pass
                assert {one.partition(":")[2] for one in backend.leftovers("inside")} >= {" kept SSH connection"}
                backend.down("inside")
                assert not Path(f"/proc/{visitor.pid}").exists()
            finally:
                visitor.kill()
    finally:
        backend.down("inside")
    assert backend.leftovers("inside") == []


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
