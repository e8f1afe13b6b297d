# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._node import install, record
from ansible_collections.kateskit.klubster.plugins.modules import verified_install


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        verified_install.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setattr(record, "STATE_DIRECTORY", folder)
    monkeypatch.setattr(verified_install, "STATE_DIRECTORY", folder)
    return folder


def arguments(path: Path) -> dict[str, t.Any]:
    digest = hashlib.sha256(b"tool").hexdigest()
    return {"set": "x", "files": [{"source": "bin/tool", "path": str(path), "sha256": digest, "size": 4}]}


def test_compare_then_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bin/tool"
    given = arguments(path)
    checked = run(capsys, {**given, "_ansible_check_mode": True})
    assert (checked["changed"], checked["missing"]) == (True, ["bin/tool"])
    assert list(tmp_path.iterdir()) == []
    compared = run(capsys, given)
    (Path(compared["staging"]) / "bin__tool").write_bytes(b"tool")
    assert run(capsys, {**given, "step": "place", "staging": compared["staging"]})["changed"]
    assert path.read_bytes() == b"tool"
    assert not Path(compared["staging"]).exists()
    again = run(capsys, given)
    assert (again["changed"], again["missing"]) == (False, [])
    assert run(capsys, {"set": "x", "files": []})["removed"] == [str(path)]


def test_a_changed_archive_comes_by_another_name_and_the_old_one_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the user's archives of images do under k3s, whose watch goes by names."""
    for content, gone in ((b"one", None), (b"two", b"one"), (b"two", None)):
        digest = hashlib.sha256(content).hexdigest()
        place = tmp_path / f"klubster-own-{digest[:12]}-shop.tar"
        entry = {"source": "archives/shop.tar", "path": str(place), "sha256": digest, "size": 3, "mode": "0644"}
        given = {"set": "images", "files": [entry]}
        fresh = not place.exists()
        compared = run(capsys, given)
        old = f"klubster-own-{hashlib.sha256(gone).hexdigest()[:12]}-shop.tar" if gone else ""
        assert compared["removed"] == ([str(tmp_path / old)] if gone else [])
        assert compared["changed"] == fresh
        if fresh:
            (Path(compared["staging"]) / "archives__shop.tar").write_bytes(content)
            assert run(capsys, {**given, "step": "place", "staging": compared["staging"]})["changed"]
        assert [path.name for path in tmp_path.glob("klubster-own-*")] == [place.name]
    assert run(capsys, {"set": "images", "files": []})["removed"] == [str(place)]
    assert list(tmp_path.glob("klubster-own-*")) == []


def test_a_flipped_bit_on_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = arguments(tmp_path / "bin/tool")
    compared = run(capsys, given)
    (Path(compared["staging"]) / "bin__tool").write_bytes(b"tooL")
    assert "bin/tool arrived damaged" in run(capsys, {**given, "step": "place", "staging": compared["staging"]})["msg"]
    assert not (tmp_path / "bin/tool").exists()


def in_sets(path: Path, *names: str) -> dict[str, t.Any]:
    (entry,) = arguments(path)["files"]
    sets = [{"set": name, "files": [{**entry, "path": f"{path}-{name}"}]} for name in names]
    return {**sets[0], "further": sets[1:]}


def test_a_set_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for names in (("x", "x"), ("y", "x", "x")):
        assert "The set 'x' is named twice." in run(capsys, in_sets(tmp_path / "tool", *names))["msg"]
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_room_for_all_sets_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=install._RESERVE + 2 * 4 - 1)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: usage)
    given = in_sets(tmp_path / "tool", "x", "y")
    for check in (True, False):
        assert "nothing was sent" in run(capsys, {**given, "_ansible_check_mode": check})["msg"]
    usage.free += 1
    assert run(capsys, given)["staging"]


def test_modes_are_set_by_the_call_that_tells_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tool-x"
    path.write_bytes(b"tool")
    path.chmod(0o600)
    given = in_sets(tmp_path / "tool", "x", "y")
    compared = run(capsys, given)
    assert (compared["missing"], path.stat().st_mode & 0o777) == (["bin/tool"], 0o600)
    (Path(compared["staging"]) / "bin__tool").write_bytes(b"tool")
    assert run(capsys, {**given, "step": "place", "staging": compared["staging"]})["changed"]
    assert path.stat().st_mode & 0o777 == 0o755
    assert not run(capsys, given)["changed"]
