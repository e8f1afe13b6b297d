# SPDX-License-Identifier: Apache-2.0
"""A claim keeps its data when its pod is gone, in the folder that the inventory names."""

from __future__ import annotations

import json
import typing as t
import uuid

import pytest
from cluster import Cluster, Inventory, Machine, on_machine
from kubernetes import client
from parts import PORT, container

CLAIM = "data"
FOLDER = "/uploads"


def pod(name: str, image: str, *arguments: str) -> client.V1Pod:
    mount = client.V1VolumeMount(name=CLAIM, mount_path=FOLDER)
    one = container(image, *arguments, volume_mounts=[mount])
    if arguments:
        one.readiness_probe = None
    volume = client.V1Volume(
        name=CLAIM, persistent_volume_claim=client.V1PersistentVolumeClaimVolumeSource(claim_name=CLAIM)
    )
    return client.V1Pod(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1PodSpec(
            containers=[one],
            volumes=[volume],
            restart_policy="Never",
            termination_grace_period_seconds=1,
            automount_service_account_token=False,
        ),
    )


def ready(found: t.Any, name: str) -> bool:
    conditions = {entry.type: entry.status for entry in found.status.conditions or ()}
    return found.metadata.name == name and conditions.get("Ready") == "True"


@pytest.fixture(scope="module")
def written(cluster: Cluster, namespace: str, image: str) -> t.Iterator[tuple[str, str, str]]:
    """A pod writes a word into its claim and goes; (file, word, node)."""
    cluster.core.create_namespaced_persistent_volume_claim(
        namespace,
        client.V1PersistentVolumeClaim(
            metadata=client.V1ObjectMeta(name=CLAIM),
            spec=client.V1PersistentVolumeClaimSpec(
                access_modes=["ReadWriteOnce"],
                resources=client.V1VolumeResourceRequirements(requests={"storage": "16Mi"}),
            ),
        ),
    )
    cluster.core.create_namespaced_pod(namespace, pod("writer", image))
    found = cluster.wait(
        cluster.core.list_namespaced_pod, namespace, lambda entry: ready(entry, "writer"), "a pod with a claim", 90
    )
    word = uuid.uuid4().hex
    name = upload(cluster, namespace, "writer", word)
    cluster.core.delete_namespaced_pod("writer", namespace)
    cluster.gone(cluster.core.list_namespaced_pod, namespace, "writer", 60)
    yield name, word, found.spec.node_name
    cluster.core.delete_namespaced_persistent_volume_claim(CLAIM, namespace)


def upload(cluster: Cluster, namespace: str, name: str, word: str) -> str:
    """agnhost writes what it is sent into its upload folder, and says under which name."""
    url = f"{cluster.url}/api/v1/namespaces/{namespace}/pods/{name}:{PORT}/proxy/upload"
    mark = uuid.uuid4().hex
    body = (
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="word"\r\n'
        f"Content-Type: text/plain\r\n\r\n{word}\r\n--{mark}--\r\n"
    )
    # The client library would make a form of its own of a body that is already one.
    pool = cluster.api.rest_client.pool_manager
    answer = pool.request(
        "POST", url, body=body.encode(), headers={"Content-Type": f"multipart/form-data; boundary={mark}"}
    )
    said = answer.data
    assert answer.status == 201, said
    result = json.loads(said)
    assert not result.get("error"), result
    return str(result["output"]).rpartition("/")[2]


def test_the_claim_is_bound_by_the_default_class(
    cluster: Cluster, inventory: Inventory, namespace: str, written: t.Any
) -> None:
    claim = cluster.core.read_namespaced_persistent_volume_claim(CLAIM, namespace)
    local = (inventory.get("klubster_storage") or {}).get("local_path") or {}
    assert written
    assert claim.status.phase == "Bound"
    assert claim.spec.storage_class_name == local.get("class_name", "local-path")


def test_a_new_pod_finds_the_data(cluster: Cluster, namespace: str, image: str, written: tuple[str, str, str]) -> None:
    name, word, node = written
    cluster.core.create_namespaced_pod(namespace, pod("reader", image, "mounttest", f"--file_content={FOLDER}/{name}"))
    found = cluster.wait(
        cluster.core.list_namespaced_pod,
        namespace,
        lambda entry: entry.metadata.name == "reader" and entry.status.phase in {"Succeeded", "Failed"},
        "the reader's end",
        60,
    )
    log = cluster.core.read_namespaced_pod_log("reader", namespace)
    assert found.status.phase == "Succeeded", log
    assert word in log
    assert found.spec.node_name == node


def test_the_data_is_in_the_folder_of_the_inventory(
    inventory: Inventory, machines: list[Machine], written: tuple[str, str, str]
) -> None:
    name, word, node = written
    local = (inventory.get("klubster_storage") or {}).get("local_path") or {}
    path = local.get("path", "/var/lib/klubster/local-path")
    (host,) = (machine.name for machine in machines if machine.node_name == node)
    assert on_machine(inventory, host, f"grep -rl {word} {path}").strip().endswith(name)
    kind = on_machine(inventory, host, f"stat -f -c %T {path}").strip()
    assert kind not in {"tmpfs", "ramfs"}, f"{path} is in memory: {kind}"
