# SPDX-License-Identifier: Apache-2.0
"""Several sets by one task: the controller's part and the module together, on a machine that is a folder."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import typing as t
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.action import verified_install as action_of
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.image_archives import entries
from ansible_collections.kateskit.klubster.plugins.module_utils._node import record
from ansible_collections.kateskit.klubster.plugins.modules import verified_install

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_bundle"))
from own_archives import oci
from small_bundle import flip_a_bit, make

Arguments = dict[str, t.Any]
RELEASE = {"k3s": b"the program", "k3s-airgap-images-amd64.tar.zst": b"its images"}


def put_release(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in RELEASE.items():
        (folder / name).write_bytes(content)
    put_sums(folder)
    return folder


def put_sums(folder: Path) -> None:
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in RELEASE.items()]
    (folder / "sha256sum-amd64.txt").write_text("".join(lines))


class Machine:
    """A folder in which files are put, and what the task is told."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = folder / "machine", capsys
        self.root.mkdir()
        self.state = folder / "state"
        self.sources = {"release": put_release(folder / "release"), "bundle": make(folder / "bundle")}
        self.own = entries([str(oci(folder / "shop.tar"))], folder / "cache.json")
        self.fetched = folder / "fetched"
        self.steps: list[str] = []
        self.sent: list[str] = []
        #: what goes wrong on the way
        self.spoil: str = ""

    def place(self, source: str) -> Path:
        return self.root / source.replace("/", "-")

    def file(self, source: str, **more: str) -> Arguments:
        return {"source": source, "path": str(self.place(source)), **more}

    def task(
        self, *, fetched: bool = False, images: t.Sequence[str] = ("images/agnhost.tar", "archives/shop.tar")
    ) -> t.Any:
        sums = {"sums": str(self.fetched / "sha256sum-amd64.txt")} if fetched else {}
        return {
            "set": "engine",
            "release_dir": "" if fetched else str(self.sources["release"]),
            "architecture": "amd64",
            "files": [self.file(name, **sums) for name in RELEASE],
            "further": [{"set": "images", "files": [self.file(name, mode="0644") for name in images]}],
            "bundle_dir": str(self.sources["bundle"]),
            "image_archives": self.own,
        }

    def run(self, arguments: Arguments, *, check: bool = False) -> Arguments:
        self.steps, self.sent = [], []
        connection = MagicMock()
        connection.put_file = self._arrive
        connection._shell.join_path = lambda *parts: "/".join(parts)
        task = MagicMock(async_val=0, check_mode=check, args=arguments)
        action = action_of.ActionModule(task, connection, MagicMock(), MagicMock(), MagicMock(), MagicMock())
        action._execute_module = lambda module_args, **_: self._module(module_args, check=check)
        action._get_remote_user = lambda: "root"
        result: Arguments = action.run(task_vars={})
        return result

    def _module(self, arguments: Arguments, *, check: bool) -> Arguments:
        self.steps.append(arguments["step"])
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            verified_install.main()
        return t.cast("Arguments", json.loads(self.capsys.readouterr().out))

    def _arrive(self, path: str, place: str) -> None:
        self.sent.append(Path(place).name)
        shutil.copyfile(path, place)
        if self.spoil and self.spoil in place:
            flip_a_bit(Path(place))

    def sets(self) -> dict[str, str]:
        kept = record.Record.load(self.state).entries
        return {Path(path).name: entry.owner_set for path, entry in kept.items()}

    def there(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Machine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (record, verified_install):
        monkeypatch.setattr(module, "STATE_DIRECTORY", tmp_path / "state")
    return Machine(tmp_path, capsys)


ALL = sorted([*RELEASE, "images-agnhost.tar", "archives-shop.tar"])


def test_two_sets_come_by_one_comparison_and_one_placing(machine: Machine) -> None:
    assert machine.run(machine.task(), check=True)["missing"] == [*RELEASE, "images/agnhost.tar", "archives/shop.tar"]
    assert (machine.steps, machine.sent, machine.there()) == (["compare"], [], [])
    assert machine.run(machine.task())["changed"]
    assert machine.steps == ["compare", "place"]
    assert machine.there() == ALL
    assert machine.sets() == {
        **dict.fromkeys(RELEASE, "engine"),
        "images-agnhost.tar": "images",
        "archives-shop.tar": "images",
    }
    assert [machine.place(name).stat().st_mode & 0o777 for name in ("k3s", "images/agnhost.tar")] == [0o755, 0o644]
    assert list((machine.state / "staging/engine").iterdir()) == []
    again = machine.run(machine.task())
    assert (again["changed"], machine.steps, machine.sent) == (False, ["compare"], [])


def test_a_set_alone_takes_nothing_from_the_other(machine: Machine) -> None:
    machine.run(machine.task())
    task = machine.task(images=["archives/shop.tar"])
    (images,) = task["further"]
    alone = {**images, "bundle_dir": task["bundle_dir"], "image_archives": task["image_archives"]}
    assert machine.run(alone)["removed"] == [str(machine.place("images/agnhost.tar"))]
    assert machine.there() == sorted({*ALL} - {"images-agnhost.tar"})


def test_what_left_a_set_goes_with_the_last_file_of_it_and_needs_no_bundle(machine: Machine) -> None:
    machine.run(machine.task())
    shutil.rmtree(machine.sources["bundle"])
    last = machine.task(images=[])
    for check in (True, False):
        result = machine.run(last, check=check)
        assert (len(result["removed"]), result["missing"], machine.steps) == (2, [], ["compare"])
        assert result["diff"]["after"]["removed"] == result["removed"]
        assert machine.there() == (ALL if check else sorted(RELEASE))
    assert not machine.run(last)["changed"]


def test_the_answer_tells_of_what_was_removed_beside_what_was_sent(machine: Machine) -> None:
    machine.run(machine.task(images=["images/agnhost.tar"]))
    for check in (True, False):
        result = machine.run(machine.task(images=["archives/shop.tar"]), check=check)
        assert result["missing"] == ["archives/shop.tar"]
        assert result["removed"] == [str(machine.place("images/agnhost.tar"))]
    assert machine.sent == ["archives__shop.tar"]
    assert machine.there() == sorted({*ALL} - {"images-agnhost.tar"})


def test_a_bundle_that_is_needed_is_named_before_the_machine_is_asked(machine: Machine) -> None:
    shutil.rmtree(machine.sources["bundle"])
    assert f"No bundle in {machine.sources['bundle']}: " in machine.run(machine.task())["msg"]
    assert machine.steps == []
    assert machine.run(machine.task(images=["archives/shop.tar"]))["changed"]


def test_a_file_is_looked_for_where_its_set_is_from(machine: Machine) -> None:
    task = machine.task(images=["k3s"])
    assert f"The bundle in {machine.sources['bundle']} has no file 'k3s'" in machine.run(task)["msg"]
    task = {**machine.task(), "files": [machine.file("images/agnhost.tar")]}
    assert f"The bundle in {machine.sources['release']} has no file" in machine.run(task)["msg"]
    task = {key: value for key, value in machine.task().items() if key != "release_dir"}
    assert f"The bundle in {machine.sources['bundle']} has no file 'k3s'" in machine.run(task)["msg"]


@pytest.mark.parametrize(("folder", "name"), [("release", "k3s"), ("bundle", "images/agnhost.tar")])
def test_what_is_damaged_on_the_controller_is_not_sent(machine: Machine, folder: str, name: str) -> None:
    flip_a_bit(machine.sources[folder] / name)
    assert str(machine.sources[folder] / name) in machine.run(machine.task())["msg"]
    assert (machine.steps, machine.sent, machine.there()) == (["compare"], [], [])


def test_what_arrives_damaged_leaves_the_rest_safe(machine: Machine) -> None:
    machine.run(machine.task(images=["archives/shop.tar"]))
    machine.place("k3s").write_bytes(b"of somebody")
    machine.spoil = "agnhost"
    swapped = machine.task(images=["images/agnhost.tar"])
    assert "images/agnhost.tar arrived damaged" in machine.run(swapped)["msg"]
    assert machine.place("k3s").read_bytes() == RELEASE["k3s"]
    assert not machine.place("images/agnhost.tar").exists()
    machine.spoil = ""
    assert machine.run(swapped)["missing"] == ["images/agnhost.tar"]
    assert machine.there() == sorted({*ALL} - {"archives-shop.tar"})
    assert list((machine.state / "staging/engine").iterdir()) == []
    assert not machine.run(swapped)["changed"]


def test_a_transfer_that_was_cut_short_has_removed_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.run(machine.task(images=["archives/shop.tar"]))

    def cut(_path: str, _place: str) -> None:
        raise ConnectionError

    swapped = machine.task(images=["images/agnhost.tar"])
    with monkeypatch.context() as patch:
        patch.setattr(machine, "_arrive", cut)
        with pytest.raises(ConnectionError):
            machine.run(swapped)
    assert machine.there() == sorted({*ALL} - {"images-agnhost.tar"})
    assert machine.run(swapped)["removed"] == [str(machine.place("archives/shop.tar"))]
    assert list((machine.state / "staging/engine").iterdir()) == []


def test_what_the_machine_fetched_is_placed_by_the_one_call(machine: Machine) -> None:
    put_release(machine.fetched)
    task = machine.task(fetched=True, images=[])
    for folder in machine.sources.values():
        shutil.rmtree(folder)
    checked = machine.run(task, check=True)
    assert (checked["missing"], machine.there()) == ([*RELEASE], [])
    placed = machine.run(task)
    assert (placed["changed"], machine.steps, machine.there()) == (True, ["compare"], sorted(RELEASE))
    assert [path.name for path in machine.fetched.iterdir()] == ["sha256sum-amd64.txt"]
    assert not machine.run(task)["changed"]


def test_what_was_fetched_and_what_is_sent_are_placed_together(machine: Machine) -> None:
    put_release(machine.fetched)
    assert machine.run(machine.task(fetched=True), check=True)["missing"][:2] == [*RELEASE]
    assert machine.run(machine.task(fetched=True))["changed"]
    assert machine.steps == ["compare", "place"]
    assert machine.sent == ["images__agnhost.tar", "archives__shop.tar"]
    assert machine.there() == ALL
    again = machine.run(machine.task(fetched=True))
    assert (again["changed"], machine.steps) == (False, ["compare"])


def test_what_was_not_fetched_is_asked_for_before_anything_is_sent(machine: Machine) -> None:
    machine.fetched.mkdir()
    put_sums(machine.fetched)
    answer = machine.run(machine.task(fetched=True))
    assert "k3s is not in" in answer["msg"]
    assert (machine.steps, machine.sent, machine.there()) == (["compare"], [], [])


def test_forgotten_files_do_not_empty_a_set(machine: Machine) -> None:
    machine.run(machine.task())
    assert "files" in machine.run({**machine.task(), "further": [{"set": "images"}]})["msg"]
    assert machine.there() == ALL
