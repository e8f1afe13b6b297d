# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import sys
import typing as t
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from ansible_collections.kateskit.klubster.plugins.action.preflight_check import ActionModule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import image_archives
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import charts, helm, openelb, upstream
from ansible_collections.kateskit.klubster.plugins.plugin_utils._charts import chart_problems
from ansible_collections.kateskit.klubster.plugins.plugin_utils._openelb import openelb_problems
from ansible_collections.kateskit.klubster.plugins.plugin_utils._upstream import fetch_manifests

sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_model"))
sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_bundle"))
sys.path.insert(0, str(Path(__file__).parents[1] / "module_utils" / "_cluster"))
from machines import plan, probes
from mirror import serving
from own_archives import oci
from small_bundle import flip_a_bit, make


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle")


def check(bundle: Path, hostvars: dict[str, t.Any], **arguments: t.Any) -> dict[str, t.Any]:
    wanted = plan(klubster_bundle_dir=str(bundle))
    task = MagicMock(async_val=0, check_mode=False, args={"plan": wanted, "probe": "found"} | arguments)
    action = ActionModule(task, MagicMock(), MagicMock(), MagicMock(), MagicMock(), MagicMock())
    return t.cast("dict[str, t.Any]", action.run(task_vars={"hostvars": hostvars}))


def test_upstreams_manifests_are_fetched_once_and_missing_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"---\nkind: Namespace\n"
    one = replace(upstream.METALLB, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(upstream, "METALLB", one)
    monkeypatch.setattr(upstream, "ALL", (one,))
    source = tmp_path / "mirror" / one.repository / f"v{one.version}" / one.path
    source.parent.mkdir(parents=True)
    source.write_bytes(content)
    with serving(tmp_path / "mirror") as (mirror, asked):
        wanted = {
            "layers": {"source": "release", "directory": str(tmp_path / "layers"), "mirrors": [mirror]},
            "load_balancer": {"provider": "metallb", "speaker": "native"},
            "storage": {"local_path": {"enabled": False}},
        }
        assert [fetch_manifests(wanted), fetch_manifests(wanted)] == [[], []]
        assert asked == [f"/{one.repository}/v{one.version}/{one.path}"]
        (tmp_path / "layers" / one.place).write_bytes(b"another")
        source.write_bytes(b"tampered")
        (problem,) = fetch_manifests(wanted)
    assert problem.variable == "klubster_layers_mirrors"
    assert problem.value == [mirror]
    assert "metallb 0.15.2 has to be fetched" in problem.rule
    assert "klubster_layers_source: bundle" in problem.remedy


def test_a_chart_is_fetched_once_and_another_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "find", lambda *_: helm.Helm(Path("/usr/bin/helm"), "v3"))
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/calico.tgz").write_bytes(b"a chart")
    sha256 = hashlib.sha256(b"a chart").hexdigest()
    with serving(tmp_path / "mirror") as (mirror, asked):
        given = {"klubster_cni": "calico", "klubster_cni_chart": f"{mirror}/calico.tgz"}
        good = plan(**given, klubster_cni_chart_sha256=sha256)
        assert [chart_problems(good), chart_problems(good)] == [[], []]
        assert asked == ["/calico.tgz"]
        assert charts.place(good) == charts.fetched(sha256)
        (problem,) = chart_problems(plan(**given, klubster_cni_chart_sha256="0" * 64))
    assert problem.variable == "klubster_cni_chart"
    assert "has to be fetched" in problem.rule
    assert "fetch the chart yourself" in problem.remedy


def test_openelbs_manifest_is_fetched_once_and_looked_at(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    other = b"{apiVersion: v1, kind: Namespace, metadata: {name: other}}"
    (tmp_path / "mirror/openelb.yaml").write_bytes(other)
    sha256 = hashlib.sha256(other).hexdigest()
    pools = [{"name": "home", "addresses": ["192.168.1.240/29"], "interfaces": ["eth0"]}]
    with serving(tmp_path / "mirror") as (mirror, asked):
        given = {
            "klubster_load_balancer": "openelb",
            "klubster_openelb_manifest": f"{mirror}/openelb.yaml",
            "klubster_pools": pools,
        }
        wanted = plan(**given, klubster_openelb_manifest_sha256=sha256)
        for _time in range(2):
            (problem,) = openelb_problems(wanted)
            assert (problem.variable, "does not define the kind Eip" in problem.rule) == (openelb.VARIABLE, True)
        assert asked == ["/openelb.yaml"]
        (problem,) = openelb_problems(plan(**given, klubster_openelb_manifest_sha256="0" * 64))
    assert problem.variable == "klubster_openelb_manifest"
    assert "has to be fetched" in problem.rule
    assert "fetch the manifest yourself" in problem.remedy
    assert openelb_problems(plan()) == []


def test_a_network_that_cannot_be_made_is_refused_with_the_rest(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "find", lambda *_: None)
    wanted = plan(klubster_bundle_dir=str(bundle), klubster_cni="kube_router")
    result = check(bundle, found(), plan=wanted)
    assert [problem["variable"] for problem in result["problems"]] == ["klubster_cni"]


def test_a_bundle_without_the_chart_is_refused_once(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "find", lambda *_: helm.Helm(Path("/usr/bin/helm"), "v3"))
    result = check(bundle, found(), plan=plan(klubster_bundle_dir=str(bundle), klubster_cni="cilium"))
    assert [problem["rule"] for problem in result["problems"]] == ["The bundle has no chart of cilium."]


def found(**changes: t.Any) -> dict[str, t.Any]:
    return {name: {"found": probe} for name, probe in probes(**changes).items()}


def test_good_machines_and_a_good_bundle_pass(bundle: Path) -> None:
    result = check(bundle, found())
    assert "failed" not in result
    assert result["problems"] == []
    assert result["refusal"] == ""
    assert result["changed"] is False
    assert "7 of 7 programs installed, joined" in result["text"]


def test_a_machine_and_the_bundle_are_refused_together(bundle: Path) -> None:
    flip_a_bit(bundle / "bin" / "runc")
    result = check(bundle, found(memory_mib=100))
    assert result["failed"]
    assert [problem["variable"] for problem in result["problems"]] == ["klubster_bundle_dir", "memory of node2"]
    assert "2 problems" in result["msg"]


def test_the_plan_is_shown_also_when_it_cannot_be(bundle: Path) -> None:
    result = check(bundle, found(memory_mib=100), refuse=False)
    assert "failed" not in result
    assert "memory of node2" in result["refusal"]
    assert "node2" in result["text"]


def test_limits_are_those_of_the_role(bundle: Path) -> None:
    assert "failed" not in check(bundle, found(memory_mib=100), agent_memory_mib=64)
    assert check(bundle, found(), server_cpus=16)["failed"]


def test_machines_without_a_result_are_left_out(bundle: Path) -> None:
    hostvars = found()
    del hostvars["node3"]["found"]
    hostvars["node2"]["found"] = {"failed": True, "msg": "no"}
    assert "failed" not in check(bundle, hostvars)


def test_without_a_bundle_nothing_goes_on(tmp_path: Path, cache: Path) -> None:
    result = check(tmp_path / "none", found())
    assert result["failed"]
    assert "manifest.json is missing" in result["msg"]
    assert not cache.exists()


@pytest.mark.parametrize("engine", ["kubeadm", "k3s"])
def test_an_archive_that_is_none_is_refused_before_anything_else(bundle: Path, tmp_path: Path, engine: str) -> None:
    text = tmp_path / "text.tar"
    text.write_text("hello")
    changes: dict[str, t.Any] = {"klubster_bundle_dir": str(bundle)}
    if engine == "k3s":
        changes |= {
            "klubster_engine": "k3s",
            "klubster_engine_version": "1.34.2+k3s1",
            "klubster_kubelet_config": {},
            "klubster_load_balancer": "none",
            "klubster_pools": [],
            "klubster_storage": {"local_path": {"enabled": False}},
        }
    wanted = plan(**changes)
    assert wanted["engine"]["needs_bundle"] == (engine == "kubeadm")
    wanted["archives"] = image_archives.entries([str(text), str(oci(tmp_path / "good.tar"))], tmp_path / "c.json")
    result = check(bundle, found(), plan=wanted)
    assert [problem["variable"] for problem in result["problems"]] == ["klubster_image_archives[0]"]
    assert f"{str(text)!r}: It is no tar archive" in result["msg"]
    assert "docker save" in result["msg"]
