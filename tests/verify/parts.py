# SPDX-License-Identifier: Apache-2.0
"""Pods and services that the tests make."""

from __future__ import annotations

import typing as t

from kubernetes import client

PORT = 8080
EVERYWHERE = client.V1Toleration(operator="Exists")


def container(image: str, *arguments: str, **more: t.Any) -> client.V1Container:
    return client.V1Container(
        name="agnhost",
        image=image,
        image_pull_policy="Never",
        args=list(arguments) or ["netexec", f"--http-port={PORT}"],
        readiness_probe=client.V1Probe(
            http_get=client.V1HTTPGetAction(path="/hostname", port=PORT), period_seconds=1, timeout_seconds=2
        ),
        **more,
    )


def template(image: str, app: str, **more: t.Any) -> client.V1PodTemplateSpec:
    return client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": app}),
        spec=client.V1PodSpec(
            containers=[container(image)],
            tolerations=[EVERYWHERE],
            termination_grace_period_seconds=1,
            automount_service_account_token=False,
            **more,
        ),
    )


def service(name: str, app: str, kind: str = "ClusterIP") -> client.V1Service:
    return client.V1Service(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1ServiceSpec(
            type=kind, selector={"app": app}, ports=[client.V1ServicePort(port=80, target_port=PORT)]
        ),
    )
