# SPDX-License-Identifier: Apache-2.0
"""The set of the DNS server for services' names."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import service_names
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.sets import parse_sets


@dataclass(frozen=True)
class Image:
    reference: str


class Bundle:
    def __init__(self, *images: str) -> None:
        self._images = images

    def of_kind(self, _kind: str) -> tuple[()]:
        return ()

    def image(self, name: str) -> Image | None:
        return Image(f"bundle.test/{name}:v1") if name in self._images else None


def objects(**options: t.Any) -> dict[str, Object]:
    one = service_names.names_set(Bundle("coredns"), **{"zone": "apps.test", **options})
    assert [entry.name for entry in parse_sets([one])] == [service_names.SET]
    return {entry["kind"]: entry for entry in one["definitions"]}


def corefile(**options: t.Any) -> str:
    text: str = objects(**options)["ConfigMap"]["data"]["Corefile"]
    return text


def test_the_zone_alone_is_answered_and_by_the_addresses_outside() -> None:
    lines = [line.strip() for line in corefile(ttl=60, dns_domain="house.test").splitlines()]
    assert lines[0] == "apps.test.:5353 {"
    assert lines[lines.index("k8s_external apps.test {") + 1] == "ttl 60"
    assert "kubernetes house.test" in lines
    assert not [line for line in lines if line.startswith("rewrite")]


def test_an_alias_stands_for_a_service_in_questions_and_answers() -> None:
    text = corefile(aliases={"wiki": "web.pages", "cloud": "files.default"})
    assert re.findall(r"rewrite (.*)", text) == [
        "name exact cloud.apps.test. files.default.apps.test. answer auto",
        "name exact wiki.apps.test. web.pages.apps.test. answer auto",
    ]


def test_changed_settings_make_new_pods() -> None:
    def template(**options: t.Any) -> t.Any:
        return objects(**options)["Deployment"]["spec"]["template"]["metadata"]["annotations"]

    assert template() == template()
    assert template() != template(aliases={"wiki": "web.pages"})


def test_the_address_is_asked_for_only_when_it_is_given() -> None:
    assert "annotations" not in objects()["Service"]["metadata"]
    given = objects(address="10.0.0.53")["Service"]["metadata"]["annotations"]
    assert given == {"metallb.io/loadBalancerIPs": "10.0.0.53"}


def test_openelb_is_asked_in_its_own_way() -> None:
    """It passes over services that do not name it."""
    named = {"lb.kubesphere.io/v1alpha1": "openelb"}
    assert objects(balancer="openelb")["Service"]["metadata"]["annotations"] == named
    given = objects(balancer="openelb", address="10.0.0.53")["Service"]["metadata"]["annotations"]
    assert given == {**named, "eip.openelb.kubesphere.io/v1alpha1": "10.0.0.53"}


def test_both_protocols_reach_ports_that_the_pods_have() -> None:
    found = objects()
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    open_there = {(port["name"], port["protocol"]) for port in container["ports"]}
    ports = found["Service"]["spec"]["ports"]
    assert {(port["targetPort"], port["protocol"]) for port in ports} == open_there
    assert {port["port"] for port in ports} == {53}
    assert all(port["containerPort"] == 5353 for port in container["ports"])


def test_pods_may_do_nothing_but_look() -> None:
    found = objects()
    verbs = {verb for rule in found["ClusterRole"]["rules"] for verb in rule["verbs"]}
    assert verbs == {"list", "watch"}
    assert "secrets" not in str(found["ClusterRole"])
    spec = found["Deployment"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_image_is_the_bundles_or_upstreams() -> None:
    (container,) = objects()["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("bundle.test/coredns:v1", "Never")
    without = service_names.names_set(Bundle(), zone="apps.test")["definitions"]
    (deployment,) = (entry for entry in without if entry["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == service_names.UPSTREAM
    assert "imagePullPolicy" not in container
