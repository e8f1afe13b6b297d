# SPDX-License-Identifier: Apache-2.0
"""What the tests of causes have in common: a lab, faults in it, and what a play says first about a failure."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "klubster"
_SAID = re.compile(r"^\[ERROR\]: Task failed: (?:Module failed: |Action failed: )?(?P<first>.*)$", re.MULTILINE)

#: server1 is 10.77.0.11, agent1 10.77.0.21
ADDRESSES = {"server": 1, "agent": 2}
#: no address that moves between servers, no further images
SMALL = {"klubster_api_provider": "none", "klubster_api_address": "10.77.0.11", "klubster_images": []}

#: the stand-in's release that inventories/lab_k3s expects
K3S_VERSION = "v1.34.2+k3s1"

WALL = "nft add table inet wall; nft 'add chain inet wall in { type filter hook input priority 0; }';"
THIEF = (
    "systemd-run --quiet --unit=thief python3 -m http.server 10250;"
    " timeout 10 sh -c 'until ss -Hltn sport = :10250 | grep -q .; do sleep 0.1; done'"
)
FULL = "mkdir -p {0} && mount -t tmpfs -o size=4k full {0} && head -c 4096 /dev/zero > {0}/full"


@dataclass(frozen=True)
class Lab:
    """A lab and its inventories."""

    name: str
    inventories: tuple[str, ...]

    @property
    def machines(self) -> Path:
        return CACHE / "labs" / self.name / "machines"

    def playbook(self, name: str, *arguments: str, more: t.Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """:param more: further inventories."""
        return self.run(400, "ansible-playbook", f"playbooks/{name}.yml", *arguments, more=more)

    def succeeds(self, name: str, *arguments: str, more: t.Sequence[str] = ()) -> None:
        done = self.playbook(name, *arguments, more=more)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def on(self, machine: str, command: str) -> str:
        """Run a shell line on a machine; returns what it printed."""
        done = self.run(60, "ansible", machine, "-m", "ansible.builtin.shell", "-a", command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.partition(">>")[2].strip()

    def moment(self, machine: str, unit: str, name: str) -> int:
        """When something happened to a unit, in microseconds; machines of a lab share the kernel's clock."""
        return int(self.on(machine, f"systemctl show {unit} --property={name}TimestampMonotonic --value"))

    def run(self, limit: float, *argv: str, more: t.Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        sources = [part for source in (*self.inventories, *more) for part in ("-i", source)]
        environment = {
            **os.environ,
            "KLUBSTER_LAB_NAME": self.name,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        line = [str(BIN / argv[0]), *sources, *argv[1:]]
        return subprocess.run(
            line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )

    @contextlib.contextmanager
    def running(self) -> t.Iterator[None]:
        """Its machines, taken down in the end whatever happens."""
        try:
            self.succeeds("lab_up")
            yield
        finally:
            self.succeeds("lab_down")


@dataclass(frozen=True)
class Fault:
    """What is put wrong and where, and how the first line begins.

    :param machine: where it is put wrong.
    :param joins: the machine that joins and fails.
    :param invitation: what of the invitation is wrong.
    :param after_preflight: whether it happens when preflight has passed.
    :param always: whether it is provoked in every run of the tests.
    """

    cause: str
    machine: str = "agent1"
    make: str = "true"
    mend: str = "true"
    joins: str = "agent1"
    invitation: dict[str, str] = field(default_factory=dict)
    after_preflight: bool = False
    always: bool = False


def as_parameters(faults: t.Mapping[str, Fault]) -> list[t.Any]:
    return [
        pytest.param(fault, id=name, marks=() if fault.always else pytest.mark.more) for name, fault in faults.items()
    ]


@contextlib.contextmanager
def made(lab: Lab, fault: Fault) -> t.Iterator[None]:
    """The fault is there, and gone again."""
    lab.on(fault.machine, fault.make)
    try:
        yield
    finally:
        # What a fault made may be gone with it.
        with contextlib.suppress(AssertionError):
            lab.on(fault.machine, fault.mend)


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    """What the play says first about the failure, without the head of a list of problems."""
    said = done.stdout + done.stderr
    found = _SAID.search(said)
    assert done.returncode != 0, said
    assert found, said
    if "in the input; nothing was changed." in found["first"]:
        return said[found.end() :].lstrip().splitlines()[0].lstrip("- ")
    return found["first"]


def names(done: subprocess.CompletedProcess[str], cause: str) -> None:
    """Demand that the cause comes first."""
    first = first_line(done)
    assert first.startswith(cause), f"{first}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"


def unchanged(said: str) -> bool:
    """Whether a playbook ended on its machines, and changed none of them."""
    return set(re.findall(r"changed=(\d+)", said)) == {"0"}


def have_k3s() -> None:
    """The stand-in where inventories/lab_k3s expects it, unless something else was chosen."""
    if any(os.environ.get(name) for name in ("KLUBSTER_TEST_K3S", "KLUBSTER_TEST_K3S_DIR")):
        return
    argv = [sys.executable, ROOT / "tests/standin/build.py", "--bundle=default", f"--version={K3S_VERSION}"]
    output = f"--output={CACHE}/standin-releases/{K3S_VERSION}"
    subprocess.run([*argv, output], check=True, capture_output=True)


def inventory(source: str, folder: Path, roles: t.Mapping[str, str], **own: t.Any) -> str:
    """An inventory of the project with machines of one's own.

    :param roles: group by machine; empty: it is no node yet.
    :param own: variables of the cluster, over those of the inventory.
    """
    shutil.copytree(ROOT / "inventories" / source, folder)
    lab = yaml.safe_load((folder / "lab.yml").read_text(encoding="utf-8"))
    machines = {
        name: {"groups": [role] if role else [], "addresses": {"lan": f"10.77.0.{ADDRESSES[name[:-1]]}{name[-1]}"}}
        for name, role in roles.items()
    }
    (folder / "lab.yml").write_text(yaml.safe_dump({**lab, "machines": machines}), encoding="utf-8")
    (folder / "group_vars/all/90-test.yml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return str(folder)
