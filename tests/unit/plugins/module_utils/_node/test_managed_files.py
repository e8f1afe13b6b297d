# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from ansible_collections.kateskit.klubster.plugins.module_utils._node import managed_files
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record, RecordError

ME = {"uid": os.geteuid(), "gid": os.getegid()}


def wanted(path: Path, content: str = "ours\n", **options: t.Any) -> WantedFile:
    return WantedFile(str(path), content, **{**ME, **options})


def settle(state: Path, *files: WantedFile, prune: bool = True) -> list[str]:
    """One run, as a module makes it: the record is read anew."""
    record = Record.load(state)
    changes = managed_files.plan(files, "set", record, prune=prune)
    managed_files.apply(files, changes, "set", record)
    return [f"{change.action} {Path(change.path).name}" for change in changes]


def test_creates_then_changes_nothing(tmp_path: Path) -> None:
    file = wanted(tmp_path / "a/b/file", mode=0o600)
    assert settle(tmp_path / "state", file) == ["create file"]
    assert settle(tmp_path / "state", file) == []
    assert Path(file.path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "mode", "expected"),
    [("theirs\n", 0o644, "replace"), ("ours\n", 0o600, "attributes"), ("ours\n", 0o644, None)],
)
def test_what_stood_there_comes_back(tmp_path: Path, before: str, mode: int, expected: str | None) -> None:
    path = tmp_path / "file"
    path.write_text(before)
    path.chmod(mode)
    assert settle(tmp_path / "state", wanted(path)) == ([f"{expected} file"] if expected else [])
    assert path.read_text() == "ours\n"
    # It left the set.
    assert settle(tmp_path / "state") == ["remove file"]
    assert path.read_text() == before
    assert path.stat().st_mode & 0o777 == mode
    assert Record.load(tmp_path / "state").entries == {}


def test_a_second_version_does_not_become_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs\n")
    settle(tmp_path / "state", wanted(path, "one\n"))
    settle(tmp_path / "state", wanted(path, "two\n"))
    settle(tmp_path / "state")
    assert path.read_text() == "theirs\n"


def test_a_run_cut_short_after_its_intention_is_repaired(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("theirs\n")
    record = Record.load(tmp_path / "state")
    file = wanted(path)
    changes = managed_files.plan([file], "set", record)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(managed_files, "_write", lambda _: (dummy for dummy in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            managed_files.apply([file], changes, "set", record)
    assert path.read_text() == "theirs\n"
    assert settle(tmp_path / "state", file) == ["replace file"]
    settle(tmp_path / "state")
    assert path.read_text() == "theirs\n"


def test_a_block_leaves_the_rest_and_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("127.0.0.1 localhost\n")
    path.chmod(0o640)
    assert settle(tmp_path / "state", wanted(path, "192.0.2.1 a\n", block="names")) == ["replace hosts"]
    assert settle(tmp_path / "state", wanted(path, "192.0.2.1 a\n", block="names")) == []
    assert path.read_text().startswith("127.0.0.1 localhost\n# BEGIN klubster names\n192.0.2.1 a\n")
    assert path.stat().st_mode & 0o777 == 0o640
    assert settle(tmp_path / "state") == ["remove hosts"]
    assert path.read_text() == "127.0.0.1 localhost\n"


def test_a_file_that_came_with_its_block_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    settle(tmp_path / "state", wanted(path, "a\n", block="names"))
    settle(tmp_path / "state")
    assert not path.exists()


def test_prune_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    settle(tmp_path / "state", wanted(path))
    assert settle(tmp_path / "state", prune=False) == []
    assert path.exists()


def test_a_secret_stays_out_of_the_diff(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("old-password")
    changes = managed_files.plan([wanted(path, "new-password", secret=True)], "set", Record(tmp_path / "state"))
    assert "password" not in json.dumps(managed_files.describe(changes))


def test_planning_touches_nothing(tmp_path: Path) -> None:
    managed_files.plan([wanted(tmp_path / "file")], "set", Record.load(tmp_path / "state"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"path": "etc/x"}, "absolute path"),
        ({"path": "/etc/../x"}, "absolute path"),
        ({"path": "/x", "mode": "0999"}, "octal digits"),
        ({"path": "/x", "mode": 644}, "octal digits"),
        ({"path": "/x", "owner": "nobody-of-this-name"}, "owner of this machine"),
    ],
)
def test_refusals_name_the_entry(entry: dict[str, t.Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=rf"files\[3\].*{said}"):
        WantedFile.parse({"content": "", **entry}, 3)


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "installed.json").write_text("{")
    with pytest.raises(RecordError, match="damaged"):
        Record.load(tmp_path)


def test_a_newer_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "installed.json").write_text('{"schema": 99}')
    with pytest.raises(RecordError, match="schema 99"):
        Record.load(tmp_path)


def test_data_folders_are_noted_once(tmp_path: Path) -> None:
    full, empty, absent = tmp_path / "full", tmp_path / "empty", tmp_path / "absent"
    (full / "x").mkdir(parents=True)
    empty.mkdir(mode=0o750)
    record = Record.load(tmp_path / "state")
    record.note_data([str(full), str(empty), str(absent)], [str(tmp_path / "passing")])
    assert record.data == {str(empty): 0o750, str(absent): None}
    assert record.directories == [str(absent), str(tmp_path / "passing")]
    (empty / "new").mkdir()
    again = Record.load(tmp_path / "state")
    again.note_data([str(full)])
    assert again.data == record.data
