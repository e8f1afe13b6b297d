# SPDX-License-Identifier: Apache-2.0
"""The set of each provider: values that follow from the plan, the user's laid over them, and what is waited for."""

from __future__ import annotations

import itertools
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._bundle import catalogue
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import calico, charts, cilium, cni_layer, helm
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import parse_sets
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS

sys.path.insert(0, str(Path(__file__).parents[1] / "_model"))
from machines import plan

ROOT = Path(__file__).resolve().parents[5]
BIN = ("/opt/cni/bin", "/etc/cni/net.d")
K3S = {
    "klubster_engine": "k3s",
    "klubster_engine_version": "1.34.2+k3s1",
    "klubster_kubelet_config": {},
}
DUAL = {
    "klubster_pod_network": "10.244.0.0/16,fd00:42::/56",
    "klubster_service_network": "10.96.0.0/16,fd00:43::/112",
}
CHART = {"klubster_cni_chart": "/srv/tigera-operator"}


class Rendered:
    """Stands for Helm: keeps the values and gives one object."""

    def __init__(self, *objects: Object) -> None:
        self.values: t.Mapping[str, t.Any] = {}
        self.objects = [*objects] or [service_account()]

    def __call__(self, _plan: t.Mapping[str, t.Any], values: t.Mapping[str, t.Any]) -> list[Object]:
        self.values = values
        return [dict(obj) for obj in self.objects]


def service_account(name: str = "agent") -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "kube-system"}}


def built(render: Rendered | None = None, **changes: t.Any) -> Object:
    nothing = t.cast(t.Any, None)
    return cni_layer.layer_set(nothing, plan(**changes), render or Rendered())


def names(one: Object) -> list[str]:
    return [f"{entry['kind']} {entry.get('name', '')}".strip() for entry in one["wait_for"]]


def test_every_choice_has_a_set() -> None:
    assert set(cni_layer._SETS) == set(PROVIDERS)


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("vxlan", {"routingMode": "tunnel", "tunnelProtocol": "vxlan"}),
        ("geneve", {"routingMode": "tunnel", "tunnelProtocol": "geneve"}),
        (
            "native",
            {"routingMode": "native", "autoDirectNodeRoutes": True, "ipv4NativeRoutingCIDR": "10.244.0.0/16"},
        ),
    ],
)
def test_ciliums_backends(backend: str, expected: Object) -> None:
    found = cilium.values(plan(klubster_cni="cilium", klubster_cni_backend=backend), BIN)
    keys = ("routingMode", "tunnelProtocol", "autoDirectNodeRoutes", "ipv4NativeRoutingCIDR", "ipv6NativeRoutingCIDR")
    assert {key: found[key] for key in keys if key in found} == expected


def test_ciliums_values_follow_from_the_cluster() -> None:
    found = cilium.values(
        plan(klubster_cni="cilium", klubster_cni_service_proxy=True, klubster_cni_mtu=1400, **DUAL), BIN
    )
    assert (found["kubeProxyReplacement"], found["MTU"]) == ("true", 1400)
    assert (found["ipv4"], found["ipv6"]) == ({"enabled": True}, {"enabled": True})
    assert (found["k8sServiceHost"], found["k8sServicePort"]) == ("api.home.internal", 6443)
    assert found["hubble"] == {"enabled": False}, "its certificates would be other ones at each rendering"
    assert found["image"]["digest"].startswith("sha256:")
    assert found["operator"]["replicas"] == 2
    one = plan(klubster_cni="cilium")
    one["machines"] = one["machines"][:1]
    assert cilium.values(one, BIN)["operator"]["replicas"] == 1


def test_a_chart_of_the_users_names_its_own_images() -> None:
    found = cilium.values(plan(klubster_cni="cilium", klubster_cni_chart="/srv/cilium-1.17.tgz"), BIN)
    assert "image" not in found
    assert "image" not in found["operator"]


def test_the_users_values_are_laid_over_ours() -> None:
    render = Rendered()
    built(render, klubster_cni="cilium", klubster_cni_values={"operator": {"replicas": 1}, "debug": {"enabled": True}})
    assert render.values["operator"]["replicas"] == 1
    assert render.values["operator"]["rollOutPods"] is True
    assert render.values["debug"] == {"enabled": True}


def test_kube_router_follows_from_the_cluster() -> None:
    render = Rendered()
    built(render, klubster_cni="kube_router", klubster_cni_service_proxy=True, klubster_cni_mtu=1400)
    values = render.values
    assert (values["overlay"], values["serviceProxy"], values["mtu"]) == (True, True, 1400)
    assert values["api"] == {"host": "api.home.internal", "port": 6443}
    assert values["serviceNetworks"] == ["10.96.0.0/16"]
    assert values["cni"] == {"binDir": BIN[0], "confDir": BIN[1], "installPlugins": False}
    built(render, klubster_cni="kube_router", klubster_cni_backend="host-gw", **K3S)
    assert (render.values["overlay"], render.values["cni"]["installPlugins"]) == (False, True)


@pytest.mark.parametrize("engine", [{}, K3S])
def test_directories_are_those_that_the_runtime_takes_without_a_network_of_the_engine(engine: Object) -> None:
    assert cni_layer.directories(plan(klubster_cni="cilium", **engine)) == BIN


CALICO: list[tuple[Object, Object]] = [
    ({}, {"bgp": "Disabled", "pools": [("10.244.0.0/16", 26, "VXLAN")]}),
    (
        {"klubster_cni_backend": "ipip"},
        {"bgp": "Enabled", "pools": [("10.244.0.0/16", 26, "IPIP")]},
    ),
    (
        {"klubster_cni_backend": "bgp", **DUAL},
        {
            "bgp": "Enabled",
            "pools": [
                ("10.244.0.0/16", 26, "None"),
                ("fd00:42::/56", 122, "None"),
            ],
        },
    ),
]


@pytest.mark.parametrize(("changes", "expected"), CALICO)
def test_the_installation(changes: Object, expected: Object) -> None:
    found = calico.installation(plan(klubster_cni="calico", **CHART, **changes))["spec"]["calicoNetwork"]
    assert found["bgp"] == expected["bgp"]
    pools = [(pool["cidr"], pool["blockSize"], pool["encapsulation"]) for pool in found["ipPools"]]
    assert pools == expected["pools"]
    assert (found["containerIPForwarding"], found["linuxDataplane"]) == ("Enabled", "Iptables")
    detected = [key for key in found if key.startswith("nodeAddressAutodetection")]
    assert len(detected) == len(expected["pools"])
    assert all(found[key] == {"kubernetes": "NodeInternalIP"} for key in detected)


def test_calico_is_the_operator_of_the_chart_and_our_installation() -> None:
    render = Rendered(service_account("tigera-operator"))
    given = {"installation": {"registry": "mirror.example.org/"}, "tigeraOperator": {"registry": "mirror.example.org"}}
    one = built(render, klubster_cni="calico", klubster_cni_mtu=1400, klubster_cni_values=given, **CHART)
    assert render.values["installation"] == {"enabled": False}
    assert render.values["tigeraOperator"] == {"registry": "mirror.example.org"}
    (installation,) = [obj for obj in one["definitions"] if obj["kind"] == "Installation"]
    assert installation["spec"]["registry"] == "mirror.example.org/"
    assert installation["spec"]["calicoNetwork"]["mtu"] == 1400
    (namespace,) = [obj["metadata"] for obj in one["definitions"] if obj["kind"] == "Namespace"]
    assert namespace["name"] == "tigera-operator"
    assert namespace["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}, (
        "the CIS profile would refuse it"
    )
    assert names(one) == ["DaemonSet calico-node", "Node", "Deployment coredns"]
    (parsed,) = parse_sets([one])
    assert [obj["kind"] for obj in parsed.custom] == ["Installation"]


def test_a_namespace_of_the_chart_is_not_made_twice() -> None:
    one = built(Rendered(calico.namespace()), klubster_cni="calico", **CHART)
    assert len([obj for obj in one["definitions"] if obj["kind"] == "Namespace"]) == 1
    parse_sets([one])


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "network.yml"
    path.write_text(yaml.safe_dump_all([service_account("theirs"), {"kind": "List", "items": [service_account("b")]}]))
    return path


def test_custom_is_the_users_and_only_nodes_are_waited_for(manifest: Path) -> None:
    render = Rendered()
    render.objects = []
    one = built(render, klubster_cni="custom", klubster_cni_manifests=[str(manifest)])
    assert [obj["metadata"]["name"] for obj in one["definitions"]] == ["theirs", "b"]
    assert (names(one), one["wait_own"]) == (["Node"], False)
    assert one["fixed"] == {"provider": "custom", "networks": "10.244.0.0/16"}


def test_custom_takes_a_chart_and_manifests_together(manifest: Path) -> None:
    values = {"podCidr": "10.244.0.0/16"}
    render = Rendered(service_account("chart"))
    one = built(
        render,
        klubster_cni="custom",
        klubster_cni_chart="/srv/network.tgz",
        klubster_cni_values=values,
        klubster_cni_manifests=[str(manifest)],
    )
    assert render.values == values
    assert len(one["definitions"]) == 3


def test_definitions_that_a_chart_left_out_come_by_manifests(manifest: Path) -> None:
    one = built(klubster_cni="calico", klubster_cni_manifests=[str(manifest)], **CHART)
    assert "theirs" in [obj["metadata"]["name"] for obj in one["definitions"]]


@pytest.mark.parametrize(
    "choice",
    [
        {"klubster_cni": "cilium"},
        {"klubster_cni": "kube_router"},
        {"klubster_cni": "calico", **CHART},
        {"klubster_cni": "custom", "klubster_cni_manifests": []},
    ],
    ids=lambda choice: choice["klubster_cni"],
)
def test_sets_are_fixed_by_what_the_engine_compares(choice: Object, manifest: Path) -> None:
    if "klubster_cni_manifests" in choice:
        choice = choice | {"klubster_cni_manifests": [str(manifest)]}
    one = built(**choice)
    assert one["fixed"] == plan(**choice)["cni"]["node"]["kept"]
    assert "playbooks/reset.yml" in one["fixed_remedy"]


def test_a_dns_that_k3s_leaves_out_is_not_waited_for() -> None:
    assert "Deployment coredns" in names(built(klubster_cni="cilium", **K3S))
    without = plan(klubster_cni="cilium", **K3S)
    without["machines"][0]["k3s_config"] = {"disable": ["coredns"]}
    assert "Deployment coredns" not in names(cni_layer.layer_set(t.cast(t.Any, None), without, Rendered()))


def test_versions_are_the_catalogues_and_the_charts() -> None:
    known = catalogue.load().component("cilium")
    assert known.version == charts.CHARTS["cilium"].version
    assert {image.tag for image in charts.CHARTS["cilium"].images} == {f"v{known.version}"}
    own = yaml.safe_load((ROOT / "roles/layers/files/kube_router/Chart.yaml").read_text())
    assert own["appVersion"] == charts.CHARTS["kube_router"].version
    values = yaml.safe_load((ROOT / "roles/layers/files/kube_router/values.yaml").read_text())
    assert values["image"]["tag"] == f"v{own['appVersion']}"


def test_our_chart_knows_every_value_that_we_give(tmp_path: Path) -> None:
    render = Rendered()
    built(render, klubster_cni="kube_router")
    known = yaml.safe_load((ROOT / "roles/layers/files/kube_router/values.yaml").read_text())
    assert set(render.values) == set(known)
    templates = "".join(path.read_text() for path in (ROOT / "roles/layers/files/kube_router/templates").iterdir())
    assert [key for key in known if f".Values.{key}" not in templates] == []


def test_no_two_providers_decide_the_same_plan(tmp_path: Path) -> None:
    chosen = [("cilium", backend.name) for backend in PROVIDERS["cilium"].backends]
    sets = [built(klubster_cni=name, klubster_cni_backend=backend) for name, backend in chosen]
    assert all(one["fixed"] != other["fixed"] for one, other in itertools.combinations(sets, 2))


# --- where charts and manifests lie, and what is wrong with them


@pytest.fixture
def with_helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "find", lambda *_: helm.Helm(Path("/usr/bin/helm"), "v3"))


def problems(**changes: t.Any) -> list[tuple[str, str, str]]:
    return [(one.variable, one.rule, one.remedy) for one in charts.problems(plan(**changes))]


def test_without_helm_a_chart_is_refused_before_anything_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helm, "find", lambda *_: None)
    ((variable, rule, remedy),) = problems(klubster_cni="kube_router")
    assert (variable, "neither the bundle nor the PATH has a Helm" in rule) == ("klubster_cni", True)
    assert "Install helm 3" in remedy
    assert problems(klubster_cni="flannel") == problems(klubster_cni="none") == []
    with pytest.raises(helm.HelmError, match="neither the bundle nor the PATH"):
        charts.rendered(plan(klubster_cni="kube_router"), {})


@pytest.mark.usefixtures("with_helm")
def test_a_bundle_without_the_chart_says_how_to_get_it(tmp_path: Path) -> None:
    ((variable, rule, remedy),) = problems(klubster_cni="cilium", klubster_bundle_dir=str(tmp_path))
    assert (variable, rule) == ("klubster_cni_chart", "The bundle has no chart of cilium.")
    assert "source_bundle_sets: [cluster, cni]" in remedy
    (tmp_path / "charts/cilium").mkdir(parents=True)
    (tmp_path / "charts/cilium/Chart.yaml").write_text("name: cilium\n")
    assert problems(klubster_cni="cilium", klubster_bundle_dir=str(tmp_path)) == []


@pytest.mark.usefixtures("with_helm")
def test_a_chart_of_the_users_that_is_none(tmp_path: Path) -> None:
    ((variable, rule, _remedy),) = problems(klubster_cni="calico", klubster_cni_chart=str(tmp_path / "none"))
    assert (variable, rule) == ("klubster_cni_chart", "There is no such folder or file here.")
    ((_variable, rule, _remedy),) = problems(klubster_cni="calico", klubster_cni_chart=str(tmp_path))
    assert rule == "A chart's folder has a Chart.yaml."
    archive = tmp_path / "chart.tgz"
    archive.write_bytes(b"x")
    given = {"klubster_cni": "calico", "klubster_cni_chart": str(archive)}
    assert problems(**given) == []
    ((variable, rule, _remedy),) = problems(**given, klubster_cni_chart_sha256="0" * 64)
    assert (variable, "not the one that is wanted" in rule) == ("klubster_cni_chart_sha256", True)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "cannot be read: No such file"),
        ("", "It holds no object"),
        ("a: [", "cannot be read as YAML"),
        ("- a\n", "something else than objects"),
        ("a word\n", "something else than objects"),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_manifest_of_the_users_that_is_none(tmp_path: Path, content: str | bytes | None, rule: str) -> None:
    path = tmp_path / "network.yml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ((variable, said, remedy),) = problems(klubster_cni="custom", klubster_cni_manifests=[str(path)])
    assert (variable, rule in said, remedy) == (
        "klubster_cni_manifests[0]",
        True,
        "Name a file with objects of Kubernetes.",
    )


def test_a_manifest_without_a_kind_is_refused_as_a_definition(tmp_path: Path) -> None:
    path = tmp_path / "network.yml"
    path.write_text("metadata: {name: x}\n")
    render = Rendered()
    render.objects = []
    with pytest.raises(DefinitionError, match="apiVersion"):
        parse_sets([built(render, klubster_cni="custom", klubster_cni_manifests=[str(path)])])


def test_a_fetched_chart_is_known_by_its_sum_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given = {"klubster_cni_chart": "https://example.org/t.tgz", "klubster_cni_chart_sha256": "ab" * 32}
    assert charts.place(plan(klubster_cni="calico", **given)) == tmp_path / f"klubster/charts/fetched/{'ab' * 32}.tgz"
