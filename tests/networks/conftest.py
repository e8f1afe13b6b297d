# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import sys
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "verify"), str(ROOT / "tests" / "networks")]

from cluster import Cluster, Inventory, enter_network, room  # noqa: E402
from networks import NAMESPACE, Record  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("klubster")
    default = os.environ.get("KLUBSTER_INVENTORY", str(ROOT / "inventories" / "lab_bgp"))
    group.addoption("--inventory", default=default)


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> Inventory:
    found = Inventory(str(request.config.getoption("--inventory")))
    enter_network(Path(found.vars("lab_controller")["lab_network_namespace"]))
    return found


@pytest.fixture(scope="session")
def cluster(inventory: Inventory) -> Cluster:
    return Cluster(Path(str(inventory.get("klubster_kubeconfig"))).expanduser())


@pytest.fixture(scope="session")
def record() -> t.Iterator[Record]:
    """What was measured; written even when a test fails."""
    found = Record(ROOT / "build" / "reports" / "bgp.json")
    yield found
    found.write()


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> t.Iterator[str]:
    """The one that the alias of the inventory names."""
    with room(cluster, NAMESPACE) as name:
        yield name
