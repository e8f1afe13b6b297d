# SPDX-License-Identifier: Apache-2.0
"""The module `cluster_objects` against a real API server, etcd and controller-manager on loopback."""

from __future__ import annotations

import copy
import json
import os
import resource
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from control_plane import ControlPlane, missing

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = ROOT / ".ansible" / "collections"
# A no-op may cost 1.3 s on an idle machine. Processor time is judged, as other tests may run beside this one.
NO_OP_SECONDS = 1.3

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"not built yet: {', '.join(missing())}")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as running:
        yield running


class Cluster:
    """Runs the module as Ansible does: a process of its own, arguments as JSON."""

    def __init__(self, plane: ControlPlane, cache: Path) -> None:
        self.kubeconfig, self._cache = plane.kubeconfig, cache
        self.seconds = 0.0

    def run(
        self, *sets: dict[str, t.Any], check: bool = False, diff: bool = False, **options: t.Any
    ) -> dict[str, t.Any]:
        arguments = {
            "kubeconfig": str(self.kubeconfig),
            "sets": copy.deepcopy(list(sets)),
            "_ansible_check_mode": check,
            "_ansible_diff": diff,
            "timeout": 20,
            **options,
        }
        begin = _children()
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.kateskit.klubster.plugins.modules.cluster_objects"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS), "XDG_CACHE_HOME": str(self._cache)},
        )
        self.seconds = _children() - begin
        assert done.stdout, done.stderr
        answer: dict[str, t.Any] = json.loads(done.stdout)
        return answer

    def ok(self, *sets: dict[str, t.Any], **options: t.Any) -> dict[str, t.Any]:
        answer = self.run(*sets, **options)
        assert not answer.get("failed"), answer["msg"]
        return answer

    def error(self, *sets: dict[str, t.Any], **options: t.Any) -> str:
        answer = self.run(*sets, **options)
        assert answer.get("failed"), "it should have been refused"
        return str(answer["msg"])


@pytest.fixture
def cluster(plane: ControlPlane, tmp_path: Path) -> Cluster:
    return Cluster(plane, tmp_path)


def namespace(name: str) -> dict[str, t.Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def config_map(name: str, place: str, **data: str) -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": place},
        "data": data or {"a": "1"},
    }


def deployment(place: str, **template: t.Any) -> dict[str, t.Any]:
    container = {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "1000m", "memory": "0.5Gi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": place, "creationTimestamp": None},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, **template},
                "spec": {"containers": [container]},
            },
        },
    }


def definition(group: str) -> dict[str, t.Any]:
    names = {"kind": "Pool", "plural": "pools", "singular": "pool", "listKind": "PoolList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"pools.{group}"},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def pool(group: str, place: str, name: str = "one") -> dict[str, t.Any]:
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Pool",
        "metadata": {"name": name, "namespace": place},
        "spec": {"addresses": ["10.0.0.0/24"]},
    }


def summary(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    (one,) = answer["sets"]
    return {key: one[key] for key in ("created", "updated", "removed", "unchanged")}


def test_the_life_of_a_set(cluster: Cluster) -> None:
    """Check, apply, check, apply again; prune; remove."""
    full = {
        "name": "life",
        "definitions": [
            pool("life.example.org", "life"),
            deployment("life"),
            config_map("settings", "life"),
            definition("life.example.org"),
            namespace("life"),
        ],
        "generated_secrets": [{"name": "key", "namespace": "life", "key": "value"}],
    }
    created = [
        "ConfigMap kube-system/klubster-set-life",
        "CustomResourceDefinition pools.life.example.org",
        "Namespace life",
        "ConfigMap life/settings",
        "Secret life/key",
        "Deployment life/web",
        "Pool life/one",
    ]
    predicted = cluster.ok(full, check=True)
    assert predicted["changed"]
    assert sorted(summary(predicted)["created"]) == sorted(created)
    assert summary(cluster.ok(full))["created"] == created
    for check in (True, False):
        again = cluster.ok(full, check=check)
        assert not again["changed"]
        assert summary(again) == {"created": [], "updated": [], "removed": [], "unchanged": 6}
    fewer = {**full, "definitions": full["definitions"][1:]}
    assert summary(cluster.ok(fewer, check=True))["removed"] == ["Pool life/one"]
    assert summary(cluster.ok(fewer))["removed"] == ["Pool life/one"]
    assert not cluster.ok(fewer)["changed"]
    gone = {"name": "life", "state": "absent"}
    removed = summary(cluster.ok(gone))["removed"]
    assert set(removed) == set(created) - {"Pool life/one"}
    assert not cluster.ok(gone)["changed"]
    assert summary(cluster.ok(full))["created"] == created, "a removed set can come again at once"
    cluster.ok(gone)


def test_drift_is_repaired_and_shown(cluster: Cluster) -> None:
    wanted = {"name": "drift", "definitions": [namespace("drift"), config_map("a", "drift", colour="green")]}
    cluster.ok(wanted)
    # Somebody else's set takes the object over, as a person with kubectl would.
    other = {"name": "drift", "definitions": [namespace("drift"), config_map("a", "drift", colour="red", more="x")]}
    cluster.ok(other)
    answer = cluster.ok(wanted, check=True, diff=True)
    assert summary(answer)["updated"] == ["ConfigMap drift/a"]
    (difference,) = answer["diff"]
    assert difference["before"]["data"] == {"colour": "red", "more": "x"}
    assert difference["after"]["data"] == {"colour": "green"}
    assert summary(cluster.ok(wanted))["updated"] == ["ConfigMap drift/a"]
    assert not cluster.ok(wanted)["changed"]


def test_values_that_the_server_rewrites_are_no_change(cluster: Cluster) -> None:
    wanted = {"name": "rewrite", "definitions": [namespace("rewrite"), deployment("rewrite")]}
    cluster.ok(wanted)
    assert not cluster.ok(wanted)["changed"]
    changed = {"name": "rewrite", "definitions": [namespace("rewrite"), deployment("rewrite", annotations={"a": "b"})]}
    assert summary(cluster.ok(changed))["updated"] == ["Deployment rewrite/web"]


def test_secrets_do_not_show(cluster: Cluster) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "secrets"},
        "data": {"password": "aHVudGVyMg=="},
    }
    wanted = {"name": "secrets", "definitions": [namespace("secrets"), secret]}
    for check in (True, False):
        answer = cluster.ok(wanted, check=check, diff=True)
        answer.pop("invocation", None)
        assert "aHVudGVyMg==" not in json.dumps(answer)
    kubeconfig = json.loads(cluster.kubeconfig.read_text())
    key = kubeconfig["users"][0]["user"]["client-key-data"]
    assert key not in json.dumps(cluster.run(wanted, diff=True))


def test_what_is_not_ours_is_not_touched(cluster: Cluster) -> None:
    said = cluster.error({"name": "grab", "definitions": [namespace("default")]})
    assert "Namespace default is there already and was not made by klubster" in said
    cluster.ok({"name": "first", "definitions": [namespace("claimed")]})
    said = cluster.error({"name": "second", "definitions": [namespace("claimed")]})
    assert "belongs to the set 'first', not to 'second'" in said


def test_a_fixed_property_stays(cluster: Cluster) -> None:
    wanted = {"name": "fixed", "fixed": {"provider": "flannel"}, "fixed_remedy": "Do this."}
    cluster.ok(wanted)
    assert not cluster.ok(wanted)["changed"]
    for check in (True, False):
        said = cluster.error({**wanted, "fixed": {"provider": "none"}}, check=check)
        assert said.endswith("provider is 'flannel' in the cluster and 'none' in the inventory. Do this.")


def test_invalid_objects_are_refused_with_the_servers_words(cluster: Cluster) -> None:
    bad = deployment("bad")
    bad["spec"]["selector"]["matchLabels"] = {"app": "other"}
    for check in (False, True):
        said = cluster.error({"name": "bad", "definitions": [namespace("bad"), bad]}, check=check)
        assert "applying Deployment bad/web: the API refused (422 Invalid)" in said
        assert "selector" in said


def test_a_timeout_tells_what_is_missing(cluster: Cluster) -> None:
    web = deployment("slow")
    web["spec"]["replicas"] = 1
    said = cluster.error({"name": "slow", "definitions": [namespace("slow"), web]}, timeout=2)
    assert "Deployment slow/web: 0 of 1 replicas are available" in said


def test_a_silent_webhook_is_named(cluster: Cluster) -> None:
    group = "hook.example.org"
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "hook"},
        "webhooks": [
            {
                "name": "hook.example.org",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "clientConfig": {"service": {"name": "nobody", "namespace": "hook"}},
                "rules": [
                    {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pools"]}
                ],
            }
        ],
    }
    wanted = {
        "name": "hook",
        "definitions": [namespace("hook"), definition(group), hook, pool(group, "hook")],
    }
    said = cluster.error(wanted, timeout=2)
    assert "Pool hook/one: the admission webhook does not answer" in said
    assert '"nobody" not found' in said
    without = {**wanted, "definitions": [namespace("hook"), definition(group), pool(group, "hook")]}
    assert "Pool hook/one" in summary(cluster.ok(without))["created"]


def test_no_cluster_is_told_in_check_mode_and_refused_otherwise(cluster: Cluster, tmp_path: Path) -> None:
    wanted = {"name": "none", "definitions": [namespace("none")]}
    for options, words in (
        ({"kubeconfig": str(tmp_path / "nothing")}, "There is no kubeconfig"),
        ({"server": "https://127.0.0.1:1"}, "does not answer"),
    ):
        answer = cluster.ok(wanted, check=True, **options)
        assert answer["changed"]
        assert words in answer["no_cluster"]
        assert summary(answer)["created"] == ["ConfigMap kube-system/klubster-set-none", "Namespace none"]
        assert words in cluster.error(wanted, **options)


def test_another_address_is_checked_against_the_same_certificate(cluster: Cluster, plane: ControlPlane) -> None:
    wanted = {"name": "address", "definitions": [namespace("address")]}
    cluster.ok(wanted, server=f"https://localhost:{plane.port}")
    assert not cluster.ok(wanted)["changed"]


def test_a_no_op_is_quick(cluster: Cluster) -> None:
    definitions = [namespace("quick"), *(config_map(f"c{number}", "quick") for number in range(60))]
    definitions += [definition(f"g{number}.example.org") for number in range(8)]
    wanted = {"name": "quick", "definitions": definitions}
    cluster.ok(wanted)
    assert not cluster.ok(wanted)["changed"]
    assert cluster.seconds <= NO_OP_SECONDS
    cluster.ok({"name": "quick", "state": "absent"})


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
