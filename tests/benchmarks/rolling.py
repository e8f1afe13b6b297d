# SPDX-License-Identifier: Apache-2.0
"""One kubelet key is changed on all nodes of a living cluster, while somebody reads a page and somebody asks the API.

    rolling.py --inventory DIR [--key maxPods=111]

The page has an address of the load balancer; it is read from the lab's network, where no node is, each request by a
connection of its own, sent once. Prints JSON; the exit status tells whether the playbook ended well and changed nodes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "verify"))

from cluster import Cluster, Inventory, ansible, enter_network, until  # noqa: E402
from kubernetes import client  # noqa: E402
from page import Client, changes, deploy_page, processes  # noqa: E402
from test_outages import Prober  # noqa: E402

NAMESPACE = "klubster-bench"


def make_room(cluster: Cluster) -> None:
    cluster.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    # Pods are refused until the namespace has its account.
    until(lambda: cluster.core.list_namespaced_service_account(NAMESPACE).items, "a service account", 30)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--key", default="maxPods=111", help="key of KubeletConfiguration and its value, in JSON")
    chosen = parser.parse_args()
    inventory = Inventory(chosen.inventory)
    enter_network(Path(inventory.vars("lab_controller")["lab_network_namespace"]))
    cluster = Cluster(Path(str(inventory.get("klubster_kubeconfig"))).expanduser())
    version = str(inventory.get("klubster_engine_version", "1.34.2")).partition("+")[0]
    make_room(cluster)
    address = deploy_page(cluster, NAMESPACE, f"bundle.klubster.internal/agnhost:v{version}")
    key, _sep, value = chosen.key.partition("=")
    config = {**inventory.get("klubster_kubelet_config", {}), key: json.loads(value)}
    given = json.dumps({"klubster_kubelet_config": config})
    was, began = processes(inventory), time.monotonic()
    with Prober(cluster) as prober, Client(address) as reader:
        done = ansible(inventory.source, "ansible-playbook", "playbooks/site.yml", "-e", given)
        seconds = time.monotonic() - began
    print(done.stdout, done.stderr, file=sys.stderr)
    now, said = processes(inventory), changes(done.stdout)
    names = [machine.name for machine in inventory.machines]
    changed = [name for name in names if said.get(name)]
    result = {
        "seconds": round(seconds, 1),
        "changed": said,
        "restarted": sorted(name for name in was if was[name] != now[name]),
        "requests": reader.sent,
        "failed": reader.failures,
        "api_gap": round(prober.gap, 2),
        "api_answers": prober.answers,
        "ready": [node.metadata.name for node in cluster.core.list_node().items if not node.spec.unschedulable],
    }
    print(json.dumps(result, indent=1))
    return int(done.returncode != 0 or changed != names)


if __name__ == "__main__":
    sys.exit(main())
