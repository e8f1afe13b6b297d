# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_config as config
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_flags import FLAGS, release
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_match import (
    Mismatch,
    Unreadable,
    compare,
    compare_with_running,
    refused,
    reported,
)

sys.path.insert(0, str(Path(__file__).parent))
from k3s_settings import DUAL, cluster, server

VERSION = release("1.36.0+k3s1")

#: key -> two values that differ for k3s, and how both are shown
DIFFERENT: dict[str, tuple[t.Any, t.Any, str, str]] = {
    "agent-token": ("hunter22", "hunter23", "(masked)", "(masked)"),
    "cluster-cidr": (["10.42.0.0/16"], ["10.44.0.0/16"], "10.42.0.0/16", "10.44.0.0/16"),
    "cluster-dns": (None, ["10.43.0.53"], "10.43.0.10", "10.43.0.53"),
    "cluster-domain": (None, "home.internal", "cluster.local", "home.internal"),
    "disable": (["servicelb", "traefik"], ["traefik"], "servicelb", "(none)"),
    "disable-cloud-controller": (True, None, "true", "false"),
    "disable-helm-controller": (True, False, "true", "false"),
    "disable-kube-proxy": (True, None, "true", "false"),
    "disable-network-policy": (True, None, "true", "false"),
    "egress-selector-mode": (None, "pod", "agent", "pod"),
    "embedded-registry": (True, None, "true", "false"),
    "flannel-backend": (None, "none", "vxlan", "none"),
    "flannel-external-ip": (True, None, "true", "false"),
    "flannel-ipv6-masq": (True, None, "true", "false"),
    "secrets-encryption": (True, None, "true", "false"),
    "secrets-encryption-provider": (None, "secretbox", "aescbc", "secretbox"),
    "service-cidr": (None, "10.99.0.0/16", "10.43.0.0/16", "10.99.0.0/16"),
    "supervisor-metrics": (True, None, "true", "false"),
}


def with_key(key: str, value: t.Any) -> dict[str, t.Any]:
    # The address of DNS follows the services; here only one key shall differ.
    fixed: dict[str, t.Any] = {"cluster-dns": ["10.43.0.10"]} if key == "service-cidr" else {}
    return fixed if value is None else {**fixed, key: value}


def test_the_table_names_every_such_key() -> None:
    assert sorted(DIFFERENT) == sorted(name for name, flag in FLAGS.items() if flag.must_match or flag.match_items)


@pytest.mark.parametrize("key", DIFFERENT)
def test_servers_that_differ_are_named_with_key_and_values(key: str) -> None:
    left, right, shown, other = DIFFERENT[key]
    servers = {"s1": with_key(key, right), "s2": with_key(key, left), "s3": with_key(key, left)}
    expected = [Mismatch(key, shown, ("s2", "s3"), other, ("s1",))]
    assert compare(servers, VERSION) == expected
    problem = expected[0].problem("klubster_k3s_config")
    assert problem.variable == f"klubster_k3s_config.{key} of s1"
    assert "s2, s3" in problem.rule
    assert "hunter" not in str(problem)


@pytest.mark.parametrize("key", DIFFERENT)
def test_a_living_cluster_keeps_its_values(key: str) -> None:
    left, right, shown, other = DIFFERENT[key]
    found = compare_with_running({"s2": with_key(key, right)}, {"s1": with_key(key, left)}, VERSION)
    assert found == [Mismatch(key, shown, ("s1",), other, ("s2",))]
    assert compare_with_running({"s2": with_key(key, left)}, {"s1": with_key(key, left)}, VERSION) == []


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({}, {"cluster-cidr": ("10.42.0.0/16",), "service-cidr": ["10.43.0.0/16"], "cluster-dns": "10.43.0.10"}),
        ({"disable": ["traefik"]}, {"disable": ["coredns"]}),
        ({"cluster-cidr": "10.42.0.0/16,fd00:0042::/56"}, {"cluster-cidr": ["10.42.0.0/16", "fd00:42::/56"]}),
        ({"service-cidr": "10.9.0.0/16"}, {"service-cidr": "10.9.0.0/16", "cluster-dns": ["10.9.0.10"]}),
        ({"debug": True}, {"tls-san": ["x"]}),
    ],
)
def test_what_means_the_same_is_the_same(left: dict[str, t.Any], right: dict[str, t.Any]) -> None:
    assert compare({"s1": left, "s2": right}, VERSION) == []


def test_three_values_are_two_mismatches() -> None:
    backends = {"s1": {"flannel-backend": "none"}, "s2": {}, "s3": {"flannel-backend": "host-gw"}, "s4": {}}
    found = compare(backends, VERSION)
    assert [(entry.value, entry.machines, entry.other, entry.others) for entry in found] == [
        ("vxlan", ("s2", "s4"), "none", ("s1",)),
        ("vxlan", ("s2", "s4"), "host-gw", ("s3",)),
    ]


def test_keys_that_a_version_does_not_have_are_left_alone() -> None:
    servers = {"s1": {"supervisor-metrics": True}, "s2": {}}
    assert compare(servers, release("1.29.3+k3s1")) == []


def test_the_order_of_families_counts() -> None:
    servers = {
        "s1": {"cluster-cidr": ["10.42.0.0/16", "fd00::/56"]},
        "s2": {"cluster-cidr": ["fd00::/56", "10.42.0.0/16"]},
    }
    assert [entry.key for entry in compare(servers, VERSION)] == ["cluster-cidr"]


def as_annotation(keys: dict[str, t.Any]) -> str:
    """What k3s writes down of a configuration: each entry of a list is an option of its own."""
    words = ["server"]
    for key, value in keys.items():
        for entry in value if isinstance(value, tuple) else [value]:
            words += [f"--{key}", str(entry).lower() if isinstance(entry, bool) else str(entry)]
    return json.dumps(words)


def test_what_a_node_reports_is_what_it_was_given() -> None:
    given = cluster(**DUAL, cni="none", secrets_encryption=True)
    wanted = config.effective(given, server(), {"kubelet-arg": ["a=b,c", "d=e"], "v": 2})
    running = reported(as_annotation(wanted))
    assert running == wanted
    assert compare_with_running({"s1": wanted}, {"s1": running}, VERSION) == []


def test_reports_in_other_forms() -> None:
    words = ["server", "--cluster-init", "--disable", "traefik,servicelb", "-t", "********", "--debug", "--v=4"]
    assert reported(json.dumps([*words, "--flannel-ipv6-masq"])) == {
        "cluster-init": True,
        "disable": ("traefik", "servicelb"),
        "token": "********",
        "debug": True,
        "v": 4,
        "flannel-ipv6-masq": True,
    }


def test_a_secret_that_was_left_out_cannot_be_compared() -> None:
    running = reported('["server", "--agent-token", "********"]')
    assert compare_with_running({"s2": {"agent-token": "hunter22"}}, {"s1": running}, VERSION) == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", "server --debug"])
def test_a_report_that_is_none(text: str) -> None:
    with pytest.raises(Unreadable, match=r"k3s\.io/node-args"):
        reported(text)


def node(**keys: str) -> dict[str, t.Any]:
    """A Node of a server that was started with these keys."""
    words = ["server", *(word for key, value in keys.items() for word in (f"--{key.replace('_', '-')}", value))]
    return {
        "metadata": {"name": "s1", "annotations": {"k3s.io/node-args": json.dumps(words)}},
        "status": {"nodeInfo": {"kubeletVersion": "v1.34.2+k3s1"}},
    }


#: key -> what it runs with, what is wanted, where the user sets it
CHANGED = {
    "cluster-cidr": ("10.42.0.0/16", ("10.44.0.0/16",), "klubster_pod_network"),
    "flannel-backend": ("vxlan", "host-gw", "klubster_cni, klubster_cni_backend"),
    "secrets-encryption": ("false", True, "klubster_secrets_encryption, or klubster_profile"),
    "embedded-registry": ("true", False, "klubster_k3s_config.embedded-registry"),
    "disable-kube-proxy": (
        "false",
        True,
        "klubster_cni_service_proxy, or klubster_k3s_config.disable-kube-proxy",
    ),
    "disable-network-policy": ("false", True, "klubster_cni, or klubster_k3s_config.disable-network-policy"),
}


@pytest.mark.parametrize(("key", "case"), CHANGED.items(), ids=CHANGED)
def test_a_living_cluster_keeps_it(key: str, case: tuple[str, t.Any, str]) -> None:
    runs, wanted, variable = case
    (problem,) = refused({key: wanted}, node(**{key: runs}))
    assert problem.variable == variable
    assert f"s1 runs with '{runs}'" in problem.rule
    assert problem.remedy.startswith("Set it back")
    assert (
        refused({key: wanted}, node(**{key: str(wanted if isinstance(wanted, (str, bool)) else wanted[0]).lower()}))
        == []
    )


def test_what_may_change_is_not_refused() -> None:
    assert refused({"tls-san": ("a", "b"), "kubelet-arg": ("max-pods=9",), "disable": ("traefik",)}, node()) == []


def test_a_node_that_says_nothing_of_its_start_is_not_compared() -> None:
    assert refused({"cluster-cidr": ("10.44.0.0/16",)}, {"metadata": {"name": "s1"}}) == []
    assert refused({"cluster-cidr": ("10.44.0.0/16",)}, {}) == []
