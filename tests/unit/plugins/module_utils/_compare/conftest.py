# SPDX-License-Identifier: Apache-2.0
"""A plan, and numbers as loads would show them."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.kateskit.klubster.plugins.module_utils._compare import paths, report

AMOUNTS = {"rounds": 3, "seconds": 5, "round_trips": 2000, "connections": 100, "timeout": 30}


def machine(name: str, address: str) -> dict[str, str]:
    return {"name": name, "node_name": f"{name}-node", "address": address, "role": "agent"}


@pytest.fixture
def amounts() -> dict[str, int]:
    return dict(AMOUNTS)


@pytest.fixture
def plan() -> dict[str, t.Any]:
    return {
        "name": "lab",
        "machines": [machine("server1", "192.0.2.11"), machine("agent1", "192.0.2.21")],
        "servers": ["server1"],
        "agents": ["agent1"],
        "load_balancer": {"provider": "metallb", "pools": [{"name": "lan"}]},
    }


def sample(path: str, number: int, rate: float, trip: float) -> dict[str, t.Any]:
    wobble = 1 + (number - 2) * 0.04
    return {
        "path": path,
        "round": number,
        "bits_per_second": rate * wobble,
        "sender_cpu": 40.0,
        "receiver_cpu": 60.0,
        "retransmits": 3,
        "round_trip_p50": trip * wobble,
        "round_trip_p99": trip * 2.2 * wobble,
        "connect_p50": trip * 1.7 * wobble,
        "connect_p99": trip * 4 * wobble,
        "error": "",
    }


RATES = {
    "host": (21e9, 42.0),
    "pod_same": (27e9, 31.0),
    "pod_other": (9.1e9, 66.0),
    "service": (8.8e9, 69.0),
    "outside_host": (20e9, 44.0),
    "outside": (11e9, 63.0),
}


@pytest.fixture
def made(plan: dict[str, t.Any]) -> t.Callable[..., report.Result]:
    """A result; ``factor`` makes pods faster or slower than the host."""

    def build(name: str = "flannel vxlan", factor: float = 1.0, lose: tuple[str, ...] = ()) -> report.Result:
        samples = []
        for path, (rate, trip) in RATES.items():
            for number in (1, 2, 3):
                share = 1.0 if "host" in path else factor
                one = sample(path, number, rate * share, trip / share)
                if path in lose:
                    one = {**dict.fromkeys(one), "path": path, "round": number, "error": "nobody <there>"}
                samples.append(one)
        looks = [
            {
                "cpu_seconds": {"flanneld": 1.0, "kube-proxy": 2.0},
                "memory": {"flanneld": 3, "kube-proxy": 4},
                "at": 10.0,
            },
            {
                "cpu_seconds": {"flanneld": 1.5, "kube-proxy": 2.1},
                "memory": {"flanneld": 31 << 20, "kube-proxy": 42 << 20},
                "at": 60.0,
            },
        ]
        return report.result(
            name,
            paths.layout(plan, "client", AMOUNTS),
            samples=samples,
            reached={"before": True, "after": True},
            costs={"server1": looks, "agent1": looks},
            measured="2026-11-22 08:00 UTC",
        )

    return build
