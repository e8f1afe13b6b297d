# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.modules import admin_kubeconfig


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        admin_kubeconfig.main()
    return t.cast("dict[str, t.Any]", json.loads(capsys.readouterr().out))


ADMIN = """\
certificate-authority-data: Y2E=
client-certificate-data: Y2VydA==
client-key-data: a2V5
"""


def test_from_a_server_to_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    admin, path = tmp_path / "admin.conf", tmp_path / "home.yaml"
    assert run(capsys, {"state": "read", "path": str(admin)})["credentials"] == {}
    admin.write_text(ADMIN)
    credentials = run(capsys, {"state": "read", "path": str(admin)})["credentials"]
    arguments = {"path": str(path), "cluster": "home", "server": "https://x:1", "credentials": [credentials]}
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = run(capsys, {**arguments, "_ansible_check_mode": check, "_ansible_diff": True})
        assert result["changed"] is changed
        # What was given is shown masked, and nothing else of it.
        assert "a2V5" not in json.dumps({key: result[key] for key in ("diff", "changed")})
    gone = {"state": "absent", "path": str(path), "cluster": "home"}
    assert run(capsys, gone)["changed"]
    assert not run(capsys, gone)["changed"]


def test_any_servers_certificate_is_as_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "home.yaml"
    one, two, three = ({"ca": "Y2E=", "certificate": f"Y2VydA{number}", "key": "a2V5"} for number in range(3))
    arguments = {"path": str(path), "cluster": "home", "server": "https://x:1"}
    assert run(capsys, {**arguments, "credentials": [{}, one]})["changed"]
    # The first server was replaced; the file is another's.
    assert not run(capsys, {**arguments, "credentials": [two, one]})["changed"]
    path.chmod(0o644)
    assert run(capsys, {**arguments, "credentials": [two, one]})["changed"]
    assert ("Y2VydA0" in path.read_text(), path.stat().st_mode & 0o777) == (True, 0o600)
    assert run(capsys, {**arguments, "credentials": [two, three]})["changed"]
    assert "Y2VydA1" in path.read_text()


def test_without_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"path": str(tmp_path / "x"), "cluster": "home", "server": "https://x:1"}
    assert run(capsys, {**arguments, "_ansible_check_mode": True})["changed"]
    assert "the cluster was not started" in run(capsys, arguments)["msg"]


def test_a_file_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_text("theirs")
    arguments = {"path": str(tmp_path / "x"), "cluster": "home", "server": "https://x:1", "credentials": []}
    assert "It was not touched" in run(capsys, {**arguments, "_ansible_check_mode": True})["msg"]
