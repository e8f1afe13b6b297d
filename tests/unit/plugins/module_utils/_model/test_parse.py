# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_plan
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.parse import Unreadable, parse
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import KUBE_VIP_IMAGE, VARIABLES
from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import LocalPath, Pool

sys.path.insert(0, str(Path(__file__).parent))
from inventories import BAD, REMOVED, Bad, calico_peer, good


def test_a_good_inventory_passes() -> None:
    hosts, groups = good()
    parsed = parse(hosts, groups, bundle_dir="/srv/bundle")
    spec = parsed.spec
    assert parsed.warnings == ()
    assert (spec.name, spec.batch, spec.single_node) == ("home", 1, False)
    assert [(machine.name, machine.role, machine.address) for machine in spec.machines] == [
        ("node1", "server", "192.168.1.11"),
        ("node2", "agent", "192.168.1.12"),
        ("node3", "agent", "192.168.1.13"),
    ]
    assert spec.machines[2].labels == {"example.org/disk": "ssd"}
    assert spec.machines[2].taints == ("example.org/only=tests:NoSchedule",)
    assert (spec.api.name, spec.api.address, spec.api.port) == ("api.home.internal", "192.168.1.11", 6443)
    assert spec.api.kubeconfig == "~/.kube/klubster-home.yaml"
    assert spec.networks.dns_address == "10.96.0.10"
    assert spec.engine.bundle_dir == "/srv/bundle"
    assert spec.engine.kubelet_config == {"maxPods": 200}
    assert spec.load_balancer.pools == (
        Pool("home", ("192.168.1.240-192.168.1.247",)),
        Pool("special", ("192.168.1.248/29",), auto_assign=False, interfaces=("eth0",)),
    )
    assert spec.storage.local_path == LocalPath(path="/srv/volumes")


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_mistake_is_refused_with_variable_value_rule_and_remedy(bad: Bad) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(*bad.inventory())
    found = [problem for problem in caught.value.problems if _matches(problem, bad)]
    assert found, f"expected {bad.variable}: …{bad.rule}… …{bad.remedy}…, got:\n{caught.value}"
    assert str(found[0]) in str(caught.value)


def _matches(problem: Problem, bad: Bad) -> bool:
    return (
        problem.variable.startswith(bad.variable)
        and bad.rule in problem.rule
        and bad.remedy in problem.remedy
        and (bad.value is REMOVED or problem.value == bad.value)
    )


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_mistake_brings_no_crowd_of_others(bad: Bad) -> None:
    """What follows from a mistake is not reported as more mistakes."""
    with pytest.raises(InvalidInput) as caught:
        parse(*bad.inventory())
    assert len(caught.value.problems) <= 3, str(caught.value)
    assert "object object" not in str(caught.value)


def test_a_word_that_calico_does_not_have_is_refused_once() -> None:
    bad = calico_peer("a time for keepalive", "keepalive", keepalive=4, hold_time=9)
    with pytest.raises(InvalidInput) as caught:
        parse(*bad.inventory())
    assert [problem.variable for problem in caught.value.problems] == ["klubster_bgp.peers[0].keepalive"]
    assert "a time for keepalive of its own" in caught.value.problems[0].rule


def test_there_are_many_mistakes_in_the_table() -> None:
    assert len(BAD) >= 60


def test_all_problems_are_reported_at_once() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= {"klubster_name": "Home", "klubster_batch": 0, "klubster_pol": 1}
    with pytest.raises(InvalidInput, match="3 problems in the input; nothing was changed"):
        parse(hosts, groups)


def test_a_value_that_cannot_be_computed_is_a_problem() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name]["klubster_dns_domain"] = Unreadable("'house' is undefined")
    hosts["node2"]["klubster_address"] = Unreadable("'lan' is undefined")
    with pytest.raises(InvalidInput) as caught:
        parse(hosts, groups)
    assert [(problem.variable, problem.value) for problem in caught.value.problems] == [
        ("klubster_dns_domain", "'house' is undefined"),
        ("klubster_address of node2", "'lan' is undefined"),
    ]


def test_what_playbooks_register_is_no_unknown_variable() -> None:
    hosts, groups = good()
    hosts["node1"]["klubster_plan"] = {"name": "home"}
    parse(hosts, groups)


def test_text_of_the_command_line_is_taken_for_numbers_and_truth_values() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= {"klubster_batch": "7", "klubster_lower_oom_score": "no", "klubster_secure_logging": "True"}
    spec = parse(hosts, groups).spec
    assert (spec.batch, spec.engine.lower_oom_score) == (7, False)


def test_everything_but_the_name_has_a_default() -> None:
    hosts = {"node1": {"klubster_name": "home", "ansible_host": "10.0.0.1"}, "10.0.0.2": {"klubster_name": "home"}}
    spec = parse(hosts, {"servers": ["node1"], "agents": ["10.0.0.2"]}).spec
    assert spec.machines[1].address == "10.0.0.2"
    assert {variable.name for variable in VARIABLES if variable.required} == {"klubster_name"}


def test_a_cluster_of_one_machine_on_request() -> None:
    hosts = {"node1": {"klubster_name": "home", "klubster_address": "10.0.0.1", "klubster_single_node": True}}
    spec = parse(hosts, {"servers": ["node1"]}).spec
    assert (spec.single_node, spec.open_servers) == (True, True)
    assert spec.agents == ()


def test_servers_take_pods_where_nobody_else_does() -> None:
    hosts = {
        f"node{number}": {"klubster_name": "home", "klubster_address": f"10.0.0.{number}"} for number in range(1, 5)
    }
    hosts |= {name: {**variables, "klubster_api_address": "10.0.0.1"} for name, variables in hosts.items()}
    servers = ["node1", "node2", "node3"]
    alone = parse({name: hosts[name] for name in servers}, {"servers": servers}).spec
    assert (alone.single_node, alone.open_servers) == (False, True)
    assert not parse(hosts, {"servers": servers, "agents": ["node4"]}).spec.open_servers


@pytest.mark.parametrize(
    ("changes", "groups", "part"),
    [
        ({}, {"servers": ["node1", "node2"], "agents": ["node3"]}, "an odd number is better"),
        ({}, {"servers": ["node1", "node2", "node3"], "agents": []}, "There are no agents"),
        ({}, {"servers": ["node1", "node2"], "agents": ["node3"]}, "leads to node1 alone"),
        ({"klubster_pools": []}, {}, "klubster_pools is empty"),
        (
            {
                "klubster_pod_network": "10.244.0.0/16,fd00:10:244::/56",
                "klubster_service_network": "10.96.0.0/16,fd00:10:96::/112",
            },
            {},
            "Two address families",
        ),
    ],
)
def test_what_is_allowed_but_doubtful_is_a_warning(
    changes: dict[str, t.Any], groups: dict[str, list[str]], part: str
) -> None:
    hosts, members = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= changes
    warnings = parse(hosts, members | groups).warnings
    assert any(part in warning for warning in warnings), warnings


def test_two_families_and_several_servers_are_in_the_model() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= {
            "klubster_pod_network": "10.244.0.0/16, fd00:10:244::/56",
            "klubster_service_network": "10.96.0.0/16,fd00:10:96::/112",
            "klubster_api_address": "192.168.1.10",
        }
    spec = parse(hosts, groups | {"servers": ["node3", "node1", "node2"], "agents": []}).spec
    assert spec.networks.pod == ("10.244.0.0/16", "fd00:10:244::/56")
    assert [machine.name for machine in spec.servers] == ["node3", "node1", "node2"]
    assert spec.api.address == "192.168.1.10"


def test_an_address_that_moves_is_nobodys_own() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name] |= {"klubster_api_provider": "keepalived", "klubster_api_address": "192.168.1.10"}
    members = groups | {"servers": ["node1", "node2", "node3"], "agents": []}
    found = parse(hosts, members)
    assert not any("leads to" in warning for warning in found.warnings)
    assert found.spec.api.provider == "keepalived"
    assert 1 <= found.spec.api.vrrp_id <= 255
    assert found.spec.api.url == "https://192.168.1.10:6443"
    for name in hosts:
        hosts[name]["klubster_api_address"] = "192.168.1.12"
    with pytest.raises(InvalidInput, match="It is the address of node2"):
        parse(hosts, members)


@pytest.mark.parametrize("image", [None, "registry.example.org:5000/kube-vip:v1.1.0"])
def test_kube_vip_moves_an_address_for_k3s(image: str | None) -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        del hosts[name]["klubster_engine_version"]
        hosts[name] |= {"klubster_engine": "k3s", "klubster_api_provider": "kube_vip"}
        hosts[name] |= {"klubster_api_address": "192.168.1.10", "klubster_api_image": image}
    found = parse(hosts, groups | {"servers": ["node1", "node2", "node3"], "agents": []})
    assert not any("leads to" in warning for warning in found.warnings)
    assert (found.spec.api.provider, found.spec.api.image) == ("kube_vip", image or KUBE_VIP_IMAGE)
    # The API's certificate has the address, or nobody could come by it.
    for files in k3s_plan.files(found.spec.as_dict()).values():
        assert '"192.168.1.10"' in files[K3S.config]


def test_without_kube_vip_there_is_no_image() -> None:
    assert parse(*good()).spec.api.image == ""


def test_an_even_number_of_servers_is_a_warning() -> None:
    hosts, groups = good()
    warnings = parse(hosts, groups | {"servers": ["node1", "node2"], "agents": ["node3"]}).warnings
    assert any("2 servers bear the loss of no more machines than 1 do" in warning for warning in warnings)


@pytest.mark.parametrize(("agents", "batch"), [(1, 1), (2, 1), (7, 1), (8, 2), (40, 10)])
def test_a_quarter_of_the_agents_goes_at_once(agents: int, batch: int) -> None:
    hosts, groups = good()
    names = [f"agent{number}" for number in range(agents)]
    for number, name in enumerate(names):
        hosts[name] = {**hosts["node1"], "ansible_host": f"192.168.1.{30 + number}"}
    kept = {name: hosts[name] for name in ("node1", *names)}
    for variables in kept.values():
        del variables["klubster_batch"]
    found = parse(kept, groups | {"servers": ["node1"], "agents": names})
    assert found.spec.batch == batch
    assert not any("klubster_batch" in warning for warning in found.warnings)


def test_emptying_all_agents_at_once_is_warned_of() -> None:
    hosts, groups = good()
    for name in ("node1", "node2", "node3"):
        hosts[name]["klubster_batch"] = 2
    assert any("their pods had nowhere to go" in warning for warning in parse(hosts, groups).warnings)


def test_the_spec_is_plain_data() -> None:
    data = parse(*good()).spec.as_dict()
    assert data["servers"] == ["node1"]
    assert data["agents"] == ["node2", "node3"]
    assert data["hosts"] == [
        {"address": "192.168.1.11", "names": ["api.home.internal", "node1"]},
        {"address": "192.168.1.12", "names": ["node2"]},
        {"address": "192.168.1.13", "names": ["node3"]},
    ]
    assert set(data["images"]) == {
        "flannel",
        "local-path-provisioner",
        "metallb-controller",
        "metallb-speaker",
        "shell",
    }
    assert data["load_balancer"]["pools"][0]["addresses"] == ["192.168.1.240-192.168.1.247"]


def test_fifty_machines_are_read_in_a_moment() -> None:
    shared = good()[0]["node1"]
    hosts = {f"node{number}": shared | {"ansible_host": f"192.168.2.{number}"} for number in range(1, 51)}
    groups = {"servers": ["node1", "node2", "node3"], "agents": [f"node{number}" for number in range(4, 51)]}
    begin = time.perf_counter()
    parse(hosts, groups)
    assert time.perf_counter() - begin < 0.3
