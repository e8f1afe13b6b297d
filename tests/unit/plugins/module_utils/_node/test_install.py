# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import os
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._node import install
from ansible_collections.kateskit.klubster.plugins.module_utils._node.install import InstallError, WantedInstall
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record
from ansible_collections.kateskit.klubster.plugins.module_utils._node.staging import StagingError, arrival_name, user_id

CONTENT = b"a program\n"


def item(place: Path, content: bytes = CONTENT, mode: int = 0o755) -> WantedInstall:
    return WantedInstall("bin/tool", str(place), hashlib.sha256(content).hexdigest(), len(content), mode)


class Machine:
    """A machine's folders, and one run of the module on it."""

    def __init__(self, folder: Path) -> None:
        self.state, self.staging, self.place = folder / "state", folder / "staging", folder / "bin" / "tool"

    def compare(self, *wanted: WantedInstall) -> install.Comparison:
        record = Record.load(self.state)
        comparison = install.compare(wanted, "set", record)
        install.settle(comparison, "set", record)
        return comparison

    def arrive(self, content: bytes) -> dict[str, Path]:
        self.arrival = install.prepare_staging(self.staging, None)
        arrived = self.arrival / arrival_name("bin/tool")
        arrived.write_bytes(content)
        return {"bin/tool": arrived}

    def install(self, *wanted: WantedInstall, content: bytes = CONTENT) -> None:
        record = Record.load(self.state)
        missing = install.compare(wanted, "set", record).missing
        install.place(self.arrive(content), missing, "set", record)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_installs_and_then_does_not_read_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = item(machine.place)
    assert machine.compare(wanted).missing == (wanted,)
    machine.install(wanted)
    assert machine.place.read_bytes() == CONTENT
    assert machine.place.stat().st_mode & 0o777 == 0o755
    monkeypatch.setattr(install, "sha256_of", lambda _: pytest.fail("read again"))
    assert machine.compare(wanted).empty


@pytest.mark.parametrize("damage", [b"a progrAm\n", b"a program", b""])
def test_a_changed_file_is_noticed(machine: Machine, damage: bytes) -> None:
    wanted = item(machine.place)
    machine.install(wanted)
    before = machine.place.stat()
    machine.place.write_bytes(damage)
    # Whoever sets the times back is found out by the time of the inode's change.
    os.utime(machine.place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert machine.compare(wanted).missing == (wanted,)


def test_a_damaged_arrival_is_refused_and_removed(machine: Machine) -> None:
    machine.place.parent.mkdir()
    machine.place.write_bytes(b"what worked before\n")
    with pytest.raises(InstallError, match=r"bin/tool arrived damaged: sha256 [0-9a-f]{64}.*Run again"):
        machine.install(item(machine.place), content=b"a progrAm\n")
    assert machine.place.read_bytes() == b"what worked before\n"
    assert list(machine.arrival.iterdir()) == []
    machine.install(item(machine.place))
    assert machine.place.read_bytes() == CONTENT


def test_what_did_not_arrive_is_said(machine: Machine, tmp_path: Path) -> None:
    record = Record.load(machine.state)
    with pytest.raises(InstallError, match="did not arrive"):
        install.place({"bin/tool": tmp_path / "nothing"}, [item(machine.place)], "set", record)


def test_a_run_cut_short_before_its_stamp_is_repaired(machine: Machine) -> None:
    wanted = item(machine.place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(install.Stamp, "of", lambda _: None)
        machine.install(wanted)
    assert Record.load(machine.state).entries[wanted.path].stamp is None
    assert machine.compare(wanted).empty
    assert Record.load(machine.state).entries[wanted.path].stamp is not None
    assert not Record.load(machine.state).entries[wanted.path].foreign


def test_a_wrong_mode_is_set_without_sending(machine: Machine) -> None:
    wanted = item(machine.place)
    machine.install(wanted)
    machine.place.chmod(0o700)
    comparison = machine.compare(wanted)
    assert (comparison.missing, comparison.wrong_mode) == ((), (wanted,))
    assert machine.place.stat().st_mode & 0o777 == 0o755
    assert machine.compare(wanted).empty


def test_a_file_that_left_the_set_goes_and_the_earlier_one_returns(machine: Machine) -> None:
    machine.place.parent.mkdir()
    machine.place.write_bytes(b"theirs\n")
    machine.install(item(machine.place))
    assert machine.compare().surplus == (str(machine.place),)
    assert machine.place.read_bytes() == b"theirs\n"


def test_an_equal_file_of_others_stays_theirs(machine: Machine) -> None:
    machine.place.parent.mkdir()
    machine.place.write_bytes(CONTENT)
    machine.place.chmod(0o755)
    assert machine.compare(item(machine.place)).empty
    machine.compare()
    assert machine.place.exists()


def test_a_link_is_not_the_file(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(CONTENT)
    machine.place.parent.mkdir()
    machine.place.symlink_to(tmp_path / "other")
    assert machine.compare(item(machine.place)).missing


def test_a_full_disk_is_refused_with_numbers(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 10 * 1048576})
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: usage)
    expected = r"The file system of .* has 10 MB free, 64 MB are needed\. .*nothing was sent"
    with pytest.raises(InstallError, match=expected):
        install.check_space([item(machine.place)], machine.staging)
    install.check_space([], machine.staging)


def test_an_earlier_run_and_this_one_do_not_share_a_folder(machine: Machine) -> None:
    first = install.prepare_staging(machine.staging, None)
    (first / "half").write_bytes(b"x")
    second = install.prepare_staging(machine.staging, None)
    assert list(machine.staging.iterdir()) == [second]
    assert second != first
    assert second.stat().st_mode & 0o777 == 0o700
    install.remove_staging(first)
    assert second.exists()


def test_a_transfer_that_outlives_its_run_is_no_obstacle(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = install.prepare_staging(machine.staging, None)
    (first / "late").write_bytes(b"x")
    rmdir = os.rmdir

    def busy(path: t.Any, **more: t.Any) -> None:
        if Path(os.fsdecode(path)).name in {first.name, machine.staging.name}:
            raise OSError(39, "Directory not empty")
        rmdir(path, **more)

    monkeypatch.setattr(os, "rmdir", busy)
    assert install.prepare_staging(machine.staging, None) != first


@pytest.mark.parametrize(
    ("change", "said"),
    [({"sha256": None}, "sha256 and size"), ({"size": None}, "sha256 and size"), ({"mode": "9"}, "octal")],
)
def test_refused_entries(change: dict[str, t.Any], said: str) -> None:
    entry = {"source": "bin/tool", "path": "/x", "sha256": "0" * 64, "size": 1, "mode": "0755"}
    assert install.parse([entry])[0].mode == 0o755
    with pytest.raises(InstallError, match=re.escape("bin/tool: ") + f".*{said}"):
        install.parse([{**entry, **change}])


def test_users() -> None:
    assert user_id("") is None
    assert user_id("root") is None
    assert user_id("daemon") == 1
    with pytest.raises(StagingError, match="ansible_user"):
        user_id("nobody-of-this-name")
