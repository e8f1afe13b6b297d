# SPDX-License-Identifier: Apache-2.0
"""Pod networks whose images cannot be had here: a real API server takes every object, and their pods get nodes.

Nothing runs: nodes are Node objects only. Cilium's chart is taken from its module, as the bundle does; that of Calico's
operator is a stand-in (calico_chart), or the real one: KLUBSTER_TEST_CALICO_CHART=<folder or .tgz>.
Goes by name: `pytest tests/lab/test_cni_accepted.py`.
"""

from __future__ import annotations

import copy
import os
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue, gomodule
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.builder import Builder
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.errors import BuildError
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import calico_bgp, cni_layer, helm
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.apply import Applier, FixedProperty
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.client import KubernetesService
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    Kind,
    Object,
    Ref,
    contains,
    labels_of,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import Refused
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import (
    ObjectSet,
    Options,
    Report,
    parse_sets,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput
from control_plane import SCHEDULER, ControlPlane, find, missing

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/plugins/module_utils/_model"))
from machines import plan  # noqa: E402

from inventories import CALICO as BY_CALICO  # noqa: E402 - needs the path
from inventories import PEER  # noqa: E402

LACKING = [*missing(), *(name for name in (SCHEDULER, "helm") if find(name) is None)]
NODES = ("node1", "node2", "node3")
POD = Kind("v1", "Pod")
DUAL = {
    "klubster_pod_network": "10.244.0.0/16,fd00:42::/56",
    "klubster_service_network": "10.96.0.0/16,fd00:43::/112",
}
CILIUM = [
    {"klubster_cni_backend": "vxlan"},
    {"klubster_cni_backend": "geneve", "klubster_cni_mtu": 1400},
    {"klubster_cni_backend": "native", "klubster_cni_service_proxy": True, **DUAL},
]
KUBE_ROUTER = [
    {"klubster_cni_backend": "ipip"},
    {"klubster_cni_backend": "host-gw", "klubster_cni_service_proxy": True, "klubster_cni_mtu": 1400},
]
CALICO = [
    {"klubster_cni_backend": "vxlan", **DUAL},
    {"klubster_cni_backend": "ipip", "klubster_cni_mtu": 1400},
    {"klubster_cni_backend": "bgp"},
]

PASSWORDS = {"router2": "s3cret-word", "router6": "s3cret-word"}
ROUTER3 = {"name": "router3", "address": "192.168.1.3", "asn": 65001}
#: each with a word for all that Calico is told of BGP
ROUTERS: list[Object] = [
    {},
    {
        **DUAL,
        "klubster_pools": [
            {"name": "far", "addresses": ["203.0.113.0/24", "2001:db8:5::/120"]},
            {"name": "near", "addresses": ["192.168.1.240-192.168.1.246"]},
        ],
        "klubster_bgp": {
            "asn": 65001,
            "pods": True,
            "communities": {"big": "65001:1:2"},
            "peers": [
                PEER | {"node_selectors": [{"match_labels": {"kubernetes.io/hostname": "node1"}}]},
                ROUTER3,
                {"name": "router6", "address": "fd00:1::2", "asn": 65010, "port": 1179},
            ],
            "advertisements": [
                {"name": "wide", "pools": ["far"], "communities": ["big", "no-export"]},
                {"name": "narrow", "pools": ["near"], "peers": ["router2"]},
            ],
        },
        "klubster_bgp_passwords": PASSWORDS,
    },
]

pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not built yet: {', '.join(LACKING)}")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are rendered by the Helm that the bundle built, into a cache of the test's own."""
    program = find("helm")
    assert program is not None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(helm, "find", lambda *_: helm.Helm(program, str(program.stat().st_mtime_ns)))


@pytest.fixture(scope="module")
def cilium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle's folder with Cilium's chart, from the verified module."""
    content = catalogue.load()
    place = catalogue.Cache(tmp_path_factory.mktemp("cilium"))
    try:
        builder = Builder(place, content.files, gomodule.toolchain(run), catalogue.go_arch(), run)
        return builder.build(content.component("cilium")).directory
    except (BuildError, InvalidInput) as exc:
        pytest.skip(f"Cilium's module cannot be had: {exc}")


class Cluster:
    """An API server of one provider's own, with three nodes that exist in name."""

    def __init__(self, plane: ControlPlane) -> None:
        self.service = KubernetesService(str(plane.kubeconfig))
        for name in NODES:
            self.service.create(_node(name), dry_run=False)

    def apply(self, one: Object, *, check: bool = False) -> tuple[ObjectSet, Report]:
        sets = parse_sets([copy.deepcopy(one)], PASSWORDS)
        options = Options(check=check, wait=False, timeout=30)
        return sets[0], Applier(self.service, sets, options).run()

    def nodes_of(self, label: str, value: str, pods: int) -> list[str]:
        """Where the pods with a label are to run, once there are so many and each has a place."""
        deadline = time.monotonic() + 60
        while True:
            found = [pod for pod in self.service.list(POD) if labels_of(pod).get(label) == value]
            places = sorted(pod["spec"].get("nodeName", "") for pod in found)
            if (len(places) >= pods and "" not in places) or time.monotonic() > deadline:
                return places
            time.sleep(0.2)


@pytest.fixture
def cluster(tmp_path: Path) -> t.Iterator[Cluster]:
    with ControlPlane(tmp_path, scheduler=True) as plane:
        yield Cluster(plane)


def _node(name: str) -> Object:
    room = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux", "kubernetes.io/hostname": name}},
        "status": {"capacity": room, "allocatable": room},
    }


def _set(**changes: t.Any) -> Object:
    nothing = t.cast(t.Any, None)
    return cni_layer.layer_set(nothing, plan(**changes))


def accepted(cluster: Cluster, one: Object) -> None:
    """Every object is taken, one by one; again, nothing differs."""
    wanted, _predicted = cluster.apply(one, check=True)
    _wanted, report = cluster.apply(one)
    created = {change.ref for change in report.changes if change.action == "created"}
    assert wanted.refs <= created
    _wanted, again = cluster.apply(one)
    assert [str(change.ref) for change in again.changes] == []
    _wanted, looked = cluster.apply(one, check=True)
    assert not looked.changed


@pytest.mark.parametrize("choice", CILIUM, ids=lambda choice: choice["klubster_cni_backend"])
def test_ciliums_objects_are_taken_and_its_pods_get_nodes(cluster: Cluster, cilium: Path, choice: Object) -> None:
    one = _set(klubster_cni="cilium", klubster_bundle_dir=str(cilium), **choice)
    accepted(cluster, one)
    assert cluster.nodes_of("k8s-app", "cilium", 3) == list(NODES)
    operators = cluster.nodes_of("io.cilium/app", "operator", 2)
    assert len(set(operators) & set(NODES)) == 2, "two of them, on different nodes"


@pytest.mark.parametrize("choice", KUBE_ROUTER, ids=lambda choice: choice["klubster_cni_backend"])
def test_kube_routers_objects_are_taken_and_its_pods_get_nodes(cluster: Cluster, choice: Object) -> None:
    accepted(cluster, _set(klubster_cni="kube_router", **choice))
    assert cluster.nodes_of("app.kubernetes.io/name", "kube-router", 3) == list(NODES)


def _calico(choice: Object) -> Object:
    chart = os.environ.get("KLUBSTER_TEST_CALICO_CHART") or str(Path(__file__).parent / "calico_chart")
    return _set(klubster_cni="calico", klubster_cni_chart=chart, **choice)


@pytest.mark.parametrize("choice", CALICO, ids=lambda choice: choice["klubster_cni_backend"])
def test_calicos_definitions_are_established_and_our_installation_fits_them(cluster: Cluster, choice: Object) -> None:
    accepted(cluster, _calico(choice))
    installation = Ref(Kind("operator.tigera.io/v1", "Installation"), "default")
    live = cluster.service.get(installation)
    assert live is not None
    network = plan(klubster_cni="calico", klubster_cni_chart="/x", **choice)["networks"]["pod"]
    assert [pool["cidr"] for pool in live["spec"]["calicoNetwork"]["ipPools"]] == network
    operators = cluster.nodes_of("name", "tigera-operator", 1)
    assert len(operators) == 1
    assert operators[0] in NODES


def test_an_installation_that_does_not_fit_is_refused_by_the_definition(cluster: Cluster) -> None:
    one = _calico({"klubster_cni_values": {"installation": {"calicoNetwork": {"hostPorts": "Perhaps"}}}})
    with pytest.raises(Refused, match="hostPorts"):
        cluster.apply(one)


def _speaking(**changes: t.Any) -> Object:
    """What the set of the load balancer has of Calico; MetalLB's part is shown by other tests."""
    found = plan(**BY_CALICO | changes)
    balancer = found["load_balancer"]
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": calico_bgp.NAMESPACE}}
    return {
        "name": "load-balancer",
        "definitions": [namespace, *calico_bgp.definitions(balancer, found["networks"]["pod"])],
        "given_secrets": calico_bgp.password_secrets(balancer),
        "wait_for": calico_bgp.wait_for(),
    }


@pytest.mark.parametrize("routers", ROUTERS, ids=("one", "all"))
def test_calicos_definitions_take_what_it_is_told_of_routers(cluster: Cluster, routers: Object) -> None:
    looked = cluster.apply(_speaking(**routers), check=True)[1]
    assert "BGPPeer router2" in [change.ref.kind.kind + " " + change.ref.name for change in looked.changes]
    cluster.apply(_calico({"klubster_cni_backend": "bgp"}))
    one = _speaking(**routers)
    accepted(cluster, one)
    for wanted in parse_sets([copy.deepcopy(one)], PASSWORDS)[0].custom:
        live = cluster.service.get(Ref.of(wanted))
        assert live is not None
        assert contains(live["spec"], wanted["spec"]), "the API server drops what a definition does not know"


def test_a_router_that_left_takes_its_objects_along(cluster: Cluster) -> None:
    cluster.apply(_calico({"klubster_cni_backend": "bgp"}))
    cluster.apply(_speaking(**ROUTERS[1]))
    report = cluster.apply(_speaking(klubster_bgp={"asn": 65001, "peers": [ROUTER3]}))[1]
    removed = {str(change.ref) for change in report.changes if change.action == "removed"}
    assert removed == {
        *(f"{kind} {name}" for kind in ("BGPPeer", "BGPFilter") for name in ("router2", "router6")),
        *(f"Secret calico-system/klubster-bgp-peer-{name}" for name in ("router2", "router6")),
        *(f"{kind} calico-system/klubster-bgp-passwords" for kind in ("Role", "RoleBinding")),
    }


def test_another_provider_is_refused_by_the_cluster_itself(cluster: Cluster) -> None:
    cluster.apply(_set(klubster_cni="kube_router"))
    with pytest.raises(FixedProperty, match="provider is 'kube_router' in the cluster and 'calico' in the inventory"):
        cluster.apply(_calico({}), check=True)
    with pytest.raises(FixedProperty, match="service_proxy"):
        cluster.apply(_set(klubster_cni="kube_router", klubster_cni_service_proxy=True))


def test_hooks_of_a_chart_stay_out() -> None:
    assert "Job" not in [obj["kind"] for obj in _calico({})["definitions"]]


def test_a_chart_is_rendered_once(tmp_path: Path) -> None:
    _calico({})
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "klubster/charts").glob("*.json")}
    assert len(kept) == 1
    _calico({})
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "klubster/charts").glob("*.json")} == kept
