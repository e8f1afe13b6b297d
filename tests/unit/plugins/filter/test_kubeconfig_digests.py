# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.filter.kubeconfig_digests import kubeconfig_digests

GROUPS = {"servers": ["s1", "s2"], "agents": ["a1"]}


def hosts(engine: str, probe: str = "none", **changes: str) -> dict[str, t.Any]:
    """Variables of all hosts.

    :param probe: what the first look says that is to be done on all of them.
    :param changes: by server, what the engine's own look says.
    """
    plan = {"engine": {"name": engine, "version": "1.34.2"}, "servers": ["s1", "s2"]}
    found: dict[str, t.Any] = {}
    for name in ("s1", "s2", "a1"):
        node = {
            "phase": "complete",
            "ca_hash": "x",
            "api_ready": name != "a1",
            "versions": ["1.34.2"],
            "node_name": name,
        }
        look = {
            "lacking": [] if probe == "none" else ["programs"],
            "change": probe,
            "node": node,
            "kube_proxy_wanted": "p",
            "kubeconfig_sha256": f"before-{name}" if name != "a1" else "",
        }
        found[name] = {"klubster_plan": plan, "__preflight_probe": {"layers": {engine: look}}}
        if name in changes:
            own = f"own-{name}" if name != "a1" else ""
            found[name]["engine_node"] = {"change": changes[name], "kubeconfig_sha256": own}
    return found


@pytest.mark.parametrize("engine", ["kubeadm", "k3s"])
def test_where_the_engine_has_nothing_to_do_the_first_look_holds(engine: str) -> None:
    assert kubeconfig_digests(hosts(engine), GROUPS) == ["before-s1", "before-s2"]
    # Its own look is one of an earlier playbook.
    assert kubeconfig_digests(hosts(engine, s1="none", s2="none"), GROUPS) == ["before-s1", "before-s2"]


@pytest.mark.parametrize(
    ("engine", "first", "holds"),
    [
        ("kubeadm", "none", True),
        ("kubeadm", "live", True),
        ("kubeadm", "restart", True),
        ("kubeadm", "drain", False),
        ("k3s", "none", True),
        # k3s makes certificates anew when it starts.
        ("k3s", "live", False),
        ("k3s", "restart", False),
        ("k3s", "drain", False),
        ("another", "none", False),
    ],
)
def test_a_server_that_was_changed_is_not_asked(engine: str, first: str, holds: bool) -> None:
    seen = hosts(engine, "drain", s1=first, s2="drain")
    assert kubeconfig_digests(seen, GROUPS) == (["own-s1"] if holds else [])


def test_another_server_is_asked_instead() -> None:
    assert kubeconfig_digests(hosts("kubeadm", "drain", s1="drain", s2="none"), GROUPS) == ["own-s2"]


def test_a_server_that_was_none_yet_says_nothing() -> None:
    seen = hosts("kubeadm", "live", s1="live", s2="live")
    seen["s1"]["engine_node"]["kubeconfig_sha256"] = ""
    assert kubeconfig_digests(seen, GROUPS) == ["own-s2"]


@pytest.mark.parametrize("seen", [{}, {"s1": {}, "s2": {}}])
def test_without_a_look_nothing_is_known(seen: dict[str, t.Any]) -> None:
    assert kubeconfig_digests(seen, GROUPS) == []


def test_servers_that_the_run_leaves_out_are_passed_over() -> None:
    seen = hosts("kubeadm")
    for name in ("s1", "a1"):
        del seen[name]["__preflight_probe"]
    assert kubeconfig_digests(seen, GROUPS) == ["before-s2"]
