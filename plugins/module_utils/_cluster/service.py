# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What the rest of this package needs of a Kubernetes API, as a Protocol: tests bring a small fake."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Kind, Object, Ref
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError


class ClusterError(KlubsterError):
    """Something about the cluster that the user must know."""


class Unreachable(ClusterError):
    """No answer from the API: it does not exist yet, is down, or is out of reach."""


class UnknownKind(ClusterError):
    """The API does not serve this kind; its CustomResourceDefinition is not there (yet)."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        super().__init__(f"The cluster does not know the kind {kind}.")


class Refused(ClusterError):
    """The API answered no.

    :param status: HTTP status.
    :param reason: Kubernetes' word for it, for example ``Invalid``.
    :param said: its sentence.
    """

    def __init__(self, what: str, status: int, reason: str, said: str) -> None:
        self.what, self.status, self.reason, self.said = what, status, reason, said
        super().__init__(f"{what}: the API refused ({status} {reason}): {said}")

    @property
    def webhook_silent(self) -> bool:
        """An admission webhook could not be asked: the program behind it is not up (yet)."""
        return self.status == 500 and "failed calling webhook" in self.said

    @property
    def missing(self) -> bool:
        """Something the object needs is not there, usually its namespace."""
        return self.status == 404


class Service(t.Protocol):
    """The verbs; every one may raise Unreachable or Refused."""

    def list(self, kind: Kind, *, namespace: str = ..., labels: str = ..., fields: str = ...) -> list[Object]:
        """Objects of a kind, in all namespaces unless one is named.

        :raises UnknownKind: the API does not serve the kind.
        """

    def get(self, ref: Ref) -> Object | None:
        """The live object, or None when there is none or its kind is unknown."""

    def apply(self, obj: Object, *, dry_run: bool) -> Object:
        """Server-side apply as our field manager, taking our fields back from others; returns the result.

        :raises UnknownKind: the API does not serve the kind.
        """

    def create(self, obj: Object, *, dry_run: bool) -> Object:
        """Make the object; Refused with status 409 when it is there already."""

    def delete(self, ref: Ref, *, uid: str) -> None:
        """Ask for removal of exactly the object with this uid; a workload's pods go first. Gone already is no error."""

    def logs(self, pod: Ref, container: str, *, lines: int, previous: bool) -> str:
        """The last lines a container wrote, or nothing when there are none to be had."""


__all__ = ("ClusterError", "Refused", "Service", "UnknownKind", "Unreachable")
