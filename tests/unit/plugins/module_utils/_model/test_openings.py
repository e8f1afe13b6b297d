# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import parse

sys.path.insert(0, str(Path(__file__).parent))
from machines import plan

from inventories import CALICO, OPENELB, OPENELB_BGP, good


def _k3s(**changes: t.Any) -> dict[str, t.Any]:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        del hosts[name]["klubster_engine_version"]
        hosts[name] |= {"klubster_engine": "k3s"} | changes
    return parse(hosts, groups, bundle_dir="/srv/bundle").spec.as_dict()


def _opened(found: dict[str, t.Any], role: str) -> dict[tuple[str, tuple[str, ...]], str]:
    openings = found["firewall"]["openings"][role]
    return {(entry["protocol"], tuple(entry["sources"])): entry["ports"] for entry in openings}


def test_each_port_has_its_sources() -> None:
    found = plan(klubster_api_sources=["192.168.1.0/24", "10.0.0.9"])
    assert found["firewall"]["networks"] == {
        "servers": ["192.168.1.11"],
        "machines": ["192.168.1.11", "192.168.1.12", "192.168.1.13"],
        "pods": ["10.244.0.0/16"],
        "services": ["10.96.0.0/16"],
        "api": ["192.168.1.0/24", "10.0.0.9"],
    }
    assert _opened(found, "server") == {
        ("tcp", ("machines", "api")): "6443",
        ("tcp", ("machines",)): "7472,7946,10250",
        ("tcp", ("servers",)): "2379-2380",
        ("udp", ("machines",)): "7946,8472",
        ("tcp", ("pods",)): "1-2378,2381-65535",
        ("udp", ("pods",)): "1-8471,8473-65535",
    }
    # No pod needs etcd on an agent, for there is none.
    assert _opened(found, "agent") == {
        ("tcp", ("machines",)): "7472,7946,10250",
        ("udp", ("machines",)): "7946,8472",
        ("tcp", ("pods",)): "1-65535",
        ("udp", ("pods",)): "1-8471,8473-65535",
    }
    assert found["firewall"]["closed"]["agent"] == {"tcp": "7472,7946,10250", "udp": "7946,8472"}


def test_only_what_is_used_is_open() -> None:
    found = plan(klubster_load_balancer="none", klubster_pools=[], klubster_cni_backend="host-gw")
    assert _opened(found, "agent") == {
        ("tcp", ("machines",)): "10250",
        ("tcp", ("pods",)): "1-65535",
        ("udp", ("pods",)): "1-65535",
    }


def test_k3s_brings_ports_of_its_own() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= {"klubster_engine": "k3s", "klubster_engine_version": "1.34.2+k3s1"}
        del hosts[name]["klubster_kubelet_config"]
    hosts["node1"]["klubster_k3s_config"] = {"embedded-registry": True}
    found = parse(hosts, groups, bundle_dir="/srv/bundle").spec.as_dict()
    assert _opened(found, "agent")["tcp", ("machines",)] == "5001,7472,7946,10250"


def test_another_datastore_needs_no_port_of_etcd() -> None:
    found = _k3s(klubster_k3s_datastore="postgres://user:word@10.0.0.5:5432/k3s")
    assert ("tcp", ("servers",)) not in _opened(found, "server")


def test_an_address_that_moves_needs_its_protocol() -> None:
    found = plan(klubster_api_provider="keepalived", klubster_api_address="192.168.1.10")
    assert _opened(found, "server")["vrrp", ("servers",)] == ""
    assert ("vrrp", ("servers",)) not in _opened(found, "agent")


def test_kube_vip_needs_no_port_and_no_protocol() -> None:
    moving = {"klubster_api_address": "192.168.1.10", "klubster_kubelet_config": {}}
    found = _k3s(klubster_api_provider="kube_vip", **moving)
    assert found["firewall"] == _k3s(**moving)["firewall"]


def test_a_load_balancer_of_the_users_reaches_the_api() -> None:
    assert plan(klubster_api_address="192.168.1.9")["firewall"]["networks"]["api"] == ["192.168.1.9"]


def test_bfd_is_open_to_the_routers_that_speak_it() -> None:
    fast = {"bfd_profiles": [{"name": "fast"}]}
    one = {"name": "a", "address": "192.168.1.2", "asn": 65010}
    other = {"name": "b", "address": "192.168.1.3", "asn": 65010, "bfd_profile": "fast"}
    found = _k3s(
        klubster_metallb_speaker="frr",
        klubster_kubelet_config={},
        klubster_bgp={"asn": 65001, "peers": [one, other], **fast},
    )
    assert found["firewall"]["networks"]["routers"] == ["192.168.1.3"]
    assert _opened(found, "agent")["udp", ("routers",)] == "3784-3785,4784"
    assert "7473" in _opened(found, "agent")["tcp", ("machines",)]
    # A session begins at the node, so nothing is opened for it.
    assert not any(
        "179" in ports.split(",") for (_p, sources), ports in _opened(found, "agent").items() if sources != ("pods",)
    )


def test_without_bfd_no_router_is_named() -> None:
    found = plan(klubster_bgp={"asn": 65001, "peers": [{"name": "a", "address": "192.168.1.2", "asn": 65010}]})
    assert "routers" not in found["firewall"]["networks"]


def test_calicos_speaker_is_open_to_its_routers() -> None:
    found = plan(**CALICO)
    assert found["firewall"]["networks"]["routers"] == ["192.168.1.2"]
    assert _opened(found, "agent")["tcp", ("routers",)] == "179"
    # Nodes tell each other where pods are, too; MetalLB's speakers, which are not there, would find each other.
    assert _opened(found, "agent")["tcp", ("machines",)] == "179,5473,10250"
    assert ("udp", ("machines",)) not in _opened(found, "agent")
    assert _opened(found, "agent")["tcp", ("pods",)].startswith("1-178,180-")


def test_openelb_listens_to_its_routers() -> None:
    found = plan(**OPENELB_BGP)
    assert found["firewall"]["networks"]["routers"] == ["192.168.1.2"]
    opened = _opened(found, "agent")
    assert opened["tcp", ("routers",)] == "179"
    assert opened["tcp", ("machines",)] == "10250,50052"
    assert "7946" not in opened["udp", ("machines",)]
    # GoBGP's own interface is for the machine itself.
    assert not any("50051" in ports for (_p, sources), ports in opened.items() if sources != ("pods",))


def test_openelb_finds_itself_by_l2_only() -> None:
    found = plan(**OPENELB)
    assert "routers" not in found["firewall"]["networks"]
    assert _opened(found, "agent")["tcp", ("machines",)] == "7946,10250,50052"
    assert _opened(found, "agent")["udp", ("machines",)] == "7946,8472"
