# SPDX-License-Identifier: Apache-2.0
"""The shell of the module; what it does is tested in module_utils/_cluster and, on a real API, in tests/lab."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Unreachable
from ansible_collections.kateskit.klubster.plugins.modules import cluster_objects

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_cluster"))
from fake_cluster import FakeCluster

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "house"}}
SETS = [
    {
        "name": "house",
        "definitions": [NAMESPACE],
        "generated_secrets": [{"name": "key", "namespace": "house", "key": "value"}],
    }
]


def call(capsys: pytest.CaptureFixture[str], **args: t.Any) -> tuple[int, dict[str, t.Any]]:
    with patch_module_args({"kubeconfig": "/nowhere", "sets": SETS, **args}), pytest.raises(SystemExit) as ended:
        cluster_objects.main()
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    made = FakeCluster()
    monkeypatch.setattr(cluster_objects, "KubernetesService", lambda *_args, **_options: made)
    return made


def test_check_then_real_then_again(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    created = ["ConfigMap kube-system/klubster-set-house", "Namespace house", "Secret house/key"]
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        code, result = call(capsys, _ansible_check_mode=check)
        assert (code, result["changed"]) == (0, changed)
        assert result["sets"][0]["created"] == (created if changed else [])
        assert ("no_cluster" in result) is check
    assert len(cluster.writes()) == 3


def test_the_diff_has_no_secret(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    _code, result = call(capsys, _ansible_diff=True)
    secret = next(obj for obj in cluster.objects.values() if obj["kind"] == "Secret")
    assert [entry["after_header"] for entry in result["diff"]][-1] == "Secret house/key (set house)"
    assert result["diff"][-1]["before"] == ""
    assert secret["data"]["value"] not in json.dumps(result)


def test_an_error_is_a_failure_with_its_words(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.add({**NAMESPACE, "metadata": {"name": "house"}})
    code, result = call(capsys)
    assert (code, result["failed"]) == (1, True)
    assert "Namespace house is there already and was not made by klubster" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_no_cluster(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    def unreachable(_kubeconfig: str, server: str) -> FakeCluster:
        raise Unreachable(f"The API {server} does not answer: refused")

    monkeypatch.setattr(cluster_objects, "KubernetesService", unreachable)
    code, result = call(capsys, server="https://here:6443", _ansible_check_mode=check)
    if check:
        assert (code, result["changed"]) == (0, True)
        assert result["no_cluster"] == "The API https://here:6443 does not answer: refused"
    else:
        assert (code, result["msg"]) == (1, "The API https://here:6443 does not answer: refused")


def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster_objects, "HAS_KUBERNETES", False)
    code, result = call(capsys)
    assert (code, result["failed"]) == (1, True)
    assert "Failed to import the required Python library (kubernetes)" in result["msg"]
