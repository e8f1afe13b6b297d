# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._node import record
from ansible_collections.kateskit.klubster.plugins.modules import container_images


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        container_images.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


IMAGE = {"source": "images/pause.tar", "reference": "bundle.test/pause:1", "size": 7}


@pytest.fixture
def have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """containerd's images, and a record of the test's own."""
    folder, images = tmp_path / "state", set[str]()

    def ctr(argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[4] == "import":
            images.add("bundle.test/pause:1")
        return Result(0, "\n".join(images), "")

    monkeypatch.setattr(container_images, "run", ctr)
    monkeypatch.setattr(record, "STATE_DIRECTORY", folder)
    monkeypatch.setattr(container_images, "STATE_DIRECTORY", folder)
    return images


def test_the_images_of_an_archive_of_the_users_are_named(
    tmp_path: Path, have: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"source": "archives/shop.tar", "holds": {"a.test/x:1": "d1", "a.test/y:1": "d2"}, "sha256": "0", "size": 7}
    result = run(capsys, {"images": [own], "root": str(tmp_path), "_ansible_check_mode": True})
    assert (result["missing"], result["sources"]) == (["a.test/x:1", "a.test/y:1"], ["archives/shop.tar"])
    assert result["diff"]["before"] == {"missing": ["a.test/x:1", "a.test/y:1"]}
    assert have == set()


def test_compare_then_place(tmp_path: Path, have: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    image = {**IMAGE, "sha256": hashlib.sha256(b"archive").hexdigest()}
    given = {"images": [image], "root": str(tmp_path)}
    assert run(capsys, {**given, "_ansible_check_mode": True})["missing"] == ["bundle.test/pause:1"]
    compared = run(capsys, given)
    assert compared["sources"] == ["images/pause.tar"]
    (Path(compared["staging"]) / "images__pause.tar").write_bytes(b"archive")
    assert run(capsys, {**given, "step": "place", "staging": compared["staging"]})["changed"]
    assert have == {"bundle.test/pause:1"}
    assert not run(capsys, given)["changed"]
    have.clear()
    assert run(capsys, given)["changed"]
