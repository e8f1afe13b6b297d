# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0
"""The shell of the module; what it says of a cluster is tested in module_utils/_status."""

from __future__ import annotations

import hashlib
import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.modules import cluster_status

PLAN = {"name": "home", "machines": [{"name": "a", "node_name": "server1", "role": "server", "address": "10.77.0.11"}]}


def call(capsys: pytest.CaptureFixture[str], args: dict[str, t.Any]) -> tuple[int, dict[str, t.Any]]:
    with patch_module_args(args), pytest.raises(SystemExit) as ended:
        cluster_status.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("check", [False, True])
def test_no_cluster_is_a_report_and_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    args = {"kubeconfig": str(tmp_path / "none"), "plan": PLAN, "_ansible_check_mode": check}
    code, result = call(capsys, args)
    assert (code, result["changed"], result["report"]["healthy"]) == (0, False, False)
    assert result["report"]["name"] == "home"
    assert result["report"]["problems"][0]["cause"] == "There is no usable kubeconfig for this cluster"
    assert [node["name"] for node in result["report"]["nodes"]] == ["server1"]


SETS = [{"name": "cni"}, {"name": "load-balancer"}]


def test_another_kubeconfig_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even one that would lead somewhere."""
    path = tmp_path / "kubeconfig"
    path.write_text("somebody's")
    path.chmod(0o600)
    digest = hashlib.sha256(b"ours").hexdigest()
    args = {"kubeconfig": str(path), "plan": PLAN, "kubeconfig_sha256": ["another", digest], "sets": SETS}
    result = call(capsys, args)[1]
    assert result["lacking"] == ["kubeconfig", "cni", "load-balancer"]
    assert not result["report"]["healthy"]
    path.write_text("ours")
    # Now it is asked for the cluster, and cannot be read.
    assert call(capsys, args)[1]["lacking"] == ["cni", "load-balancer"]
    path.chmod(0o644)
    assert "kubeconfig" in call(capsys, args)[1]["lacking"]


def test_a_cluster_that_is_not_well_is_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False, False, True, True])
    monkeypatch.setattr(cluster_status, "_look", lambda _params: {"report": {"healthy": next(answers)}})
    monkeypatch.setattr(cluster_status, "_PAUSE", 0.0)
    assert not cluster_status.run({"wait": 0})["report"]["healthy"]
    assert cluster_status.run({"wait": 60})["report"]["healthy"]
    assert next(answers), "no look after the good one"


def test_without_the_library_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_status, "IMPORT_ERROR", "Traceback: no module named kubernetes")
    code, result = call(capsys, {"kubeconfig": "/nowhere"})
    assert (code, result["failed"]) == (1, True)
    assert "Failed to import the required Python library (kubernetes)" in result["msg"]
