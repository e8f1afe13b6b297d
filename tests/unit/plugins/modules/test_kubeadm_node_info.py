# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Result
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_verbs
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed
from ansible_collections.kateskit.klubster.plugins.modules import kubeadm_node_info

sys.path.insert(0, str(Path(__file__).parent))
from engine_machines import KUBEADM, only_looked_at, put_in_place, result_of

GIVEN: dict[str, t.Any] = {
    **KUBEADM,
    "install_set": "engine",
    "sandbox_image": "bundle.test/pause:1",
    "archives": [{"source": "images/pause.tar", "reference": "bundle.test/pause:1", "sha256": "ab" * 32, "size": 1}],
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def look_only(argv: t.Sequence[str], **_: t.Any) -> Result:
        if argv[0] == "systemctl":
            return only_looked_at(argv)
        assert argv[-2:] == ["list", "--quiet"]
        raise CommandFailed(list(argv), 1, "", "no socket")

    put_in_place(monkeypatch, kubeadm_verbs, tmp_path, look_only)


def run(capsys: pytest.CaptureFixture[str], arguments: dict[str, t.Any]) -> dict[str, t.Any]:
    return result_of(kubeadm_node_info, capsys, arguments)


def test_a_bare_machine_lacks_everything_and_is_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"source": "bin/kubelet", "path": str(tmp_path / "kubelet"), "sha256": "00" * 32, "size": 1}
    result = run(capsys, {**GIVEN, "programs": [missing]})
    assert not result["changed"]
    assert result["lacking"] == ["programs", "containerd", "images", "kubelet", "node"]
    assert result["node"]["phase"] == "none"
    assert result["machine"]["node_name"] == "agent1"
    assert len(result["kube_proxy_wanted"]) == 16
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_filled_in_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, {**GIVEN, "programs": [{"source": "bin/kubelet", "path": str(tmp_path / "kubelet")}]})
    assert "bin/kubelet: sha256 and size are missing" in result["msg"]
