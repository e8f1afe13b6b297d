# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The Service of a real cluster: the DynamicClient of the official Python client for Kubernetes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import traceback
import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import (
    FIELD_MANAGER,
    Kind,
    Object,
    Ref,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.service import (
    ClusterError,
    Refused,
    UnknownKind,
    Unreachable,
)

try:
    import kubernetes
    import kubernetes.dynamic
    import kubernetes.dynamic.exceptions
    import urllib3.exceptions
except ImportError:
    HAS_KUBERNETES = False
    KUBERNETES_IMPORT_ERROR: str | None = traceback.format_exc()
else:
    HAS_KUBERNETES = True
    KUBERNETES_IMPORT_ERROR = None

_APPLY = "application/apply-patch+yaml"
_WORKLOADS = ("CronJob", "DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet")
#: seconds to connect, seconds to wait for an answer
_TIMEOUTS = (5, 60)
#: A server that loses the API's address in the middle of an answer falls silent for good. So the other side is asked
#: whether it is there, after seconds of silence, every so many seconds, so many times.
_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}


class KubeconfigMissing(ClusterError):
    """There is no kubeconfig at the path: as a rule because there is no cluster yet."""


class BrokeOff(Unreachable):
    """The API was reached, and then the connection ended without an answer."""


class KubernetesService:
    """Objects as plain dictionaries; the library's errors as ours."""

    def __init__(self, kubeconfig: str, *, server: str = "", cache_dir: str = "") -> None:
        """Read the kubeconfig and greet the API.

        :param kubeconfig: path of the file.
        :param server: URL to use instead of the file's; the certificate is still checked against the file's name.
        :param cache_dir: folder for what the API offers; a private one in the user's cache folder by default.
        :raises KubeconfigMissing: the file does not exist.
        :raises Unreachable: no answer from the API.
        """
        path = Path(kubeconfig).expanduser()
        if not path.is_file():
            raise KubeconfigMissing(f"There is no kubeconfig {path}. It is written when the cluster is made.")
        configuration = kubernetes.client.Configuration()
        try:
            kubernetes.config.load_kube_config(config_file=str(path), client_configuration=configuration)
        except kubernetes.config.ConfigException:
            # The library's own words quote the file, keys included; not even the cause is kept.
            raise ClusterError(
                f"The kubeconfig {path} cannot be used: it is damaged or lacks an entry. "
                "Remove it, and site.yml writes it anew."
            ) from None
        if server:
            configuration.tls_server_name = urllib3.util.parse_url(configuration.host).host
            configuration.host = server
        # An unreachable API is told at once; whoever wants to wait does so with a deadline of his own.
        # An API that has just started asks for patience (429 with Retry-After); that is heeded.
        configuration.retries = urllib3.Retry(
            None,
            connect=0,
            read=0,
            redirect=0,
            other=0,
            status=10,
            status_forcelist=(429,),
            allowed_methods=None,
            raise_on_status=False,
        )
        configuration.socket_options = _socket_options()
        self._server = configuration.host
        self._api = kubernetes.client.ApiClient(configuration)
        folder = Path(cache_dir).expanduser() if cache_dir else _cache_dir()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = hashlib.sha256(f"{configuration.host}\n{path}".encode()).hexdigest()[:32]
        with self._translated("reading what the API offers"):
            self._client = kubernetes.dynamic.DynamicClient(self._api, cache_file=str(folder / f"{key}.json"))

    def list(self, kind: Kind, *, namespace: str = "", labels: str = "", fields: str = "") -> list[Object]:
        resource = self._resource(kind)
        path = resource.path(namespace=namespace or None)
        what = f"listing {kind}"
        query: dict[str, t.Any] = {}
        if labels:
            query["label_selector"] = labels
        if fields:
            query["field_selector"] = fields
        try:
            answer = self._request("get", path, what, **query)
        except Refused as exc:
            if exc.missing:
                raise UnknownKind(kind) from exc
            raise
        # The items of a list do not say what they are.
        return [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in answer.get("items") or []]

    def get(self, ref: Ref) -> Object | None:
        try:
            return self._request("get", self._path(ref), f"reading {ref}")
        except UnknownKind:
            return None
        except Refused as exc:
            if exc.missing:
                return None
            raise

    def apply(self, obj: Object, *, dry_run: bool) -> Object:
        ref = Ref.of(obj)
        return self._request(
            "patch",
            self._path(ref),
            f"applying {ref}",
            body=obj,
            content_type=_APPLY,
            query_params=[("fieldManager", FIELD_MANAGER), ("force", "true"), *_dry_run(dry_run)],
        )

    def create(self, obj: Object, *, dry_run: bool) -> Object:
        ref = Ref.of(obj)
        path = self._resource(ref.kind).path(namespace=ref.namespace or None)
        query = [("fieldManager", FIELD_MANAGER), *_dry_run(dry_run)]
        return self._request("post", path, f"creating {ref}", body=obj, query_params=query)

    def delete(self, ref: Ref, *, uid: str) -> None:
        # Pods go before their workload is called gone. For a custom resource the garbage collector would have to
        # know a kind that may be seconds old; it learns of new kinds only twice a minute.
        policy = "Foreground" if ref.kind.kind in _WORKLOADS and not ref.kind.custom else "Background"
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._request("delete", self._path(ref), f"removing {ref}", body=body)
        except UnknownKind:
            return
        except Refused as exc:
            # 409: another object bears the name by now; the one that was meant is gone.
            if not (exc.missing or (exc.status == 409 and "uid" in exc.said.lower())):
                raise

    def logs(self, pod: Ref, container: str, *, lines: int, previous: bool) -> str:
        path = f"{self._path(pod)}/log"
        query = [("container", container), ("tailLines", str(lines)), ("previous", "true" if previous else "false")]
        return self._answer("get", path, f"reading the log of {pod}", query_params=query).decode(errors="replace")

    def _resource(self, kind: Kind) -> t.Any:
        with self._translated(f"looking up {kind}"):
            try:
                return self._client.resources.get(api_version=kind.api_version, kind=kind.kind)
            except kubernetes.dynamic.exceptions.ResourceNotFoundError as exc:
                raise UnknownKind(kind) from exc

    def _path(self, ref: Ref) -> str:
        resource = self._resource(ref.kind)
        if resource.namespaced and not ref.namespace:
            raise ClusterError(f"{ref} needs a namespace. Give its definition metadata.namespace.")
        return str(resource.path(name=ref.name, namespace=ref.namespace or None))

    def _request(self, method: str, path: str, what: str, **arguments: t.Any) -> Object:
        try:
            data = self._answer(method, path, what, **arguments)
        except BrokeOff:
            # What was asked for can be asked again; whether something was changed is not known.
            if method != "get":
                raise
            data = self._answer(method, path, what, **arguments)
        answer: Object = json.loads(data)
        return answer

    def _answer(self, method: str, path: str, what: str, **arguments: t.Any) -> bytes:
        with self._translated(what):
            response = self._client.request(method, path, serialize=False, _request_timeout=_TIMEOUTS, **arguments)
            # Its body may still be on its way.
            return bytes(response.data)

    @contextlib.contextmanager
    def _translated(self, what: str) -> t.Iterator[None]:
        try:
            yield
        except kubernetes.dynamic.exceptions.DynamicApiError as exc:
            raise _refused(what, exc.status, exc.reason, exc.body) from exc
        except kubernetes.client.ApiException as exc:
            raise _refused(what, exc.status, exc.reason, exc.body) from exc
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            root = _root(exc)
            never = isinstance(root, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))
            kind = Unreachable if never else BrokeOff
            raise kind(f"The API {self._server} does not answer: {root}") from exc


def _refused(what: str, status: t.Any, reason: t.Any, body: t.Any) -> ClusterError:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    answer = answer if isinstance(answer, dict) else {}
    code = int(status or answer.get("code") or 0)
    said = str(answer.get("message") or text or reason or "")
    if code in (502, 503, 504):
        return Unreachable(f"The API is not up ({code}): {said}")
    if code in (401, 403) and not answer:
        said = f"{said} (is the kubeconfig of this cluster?)"
    return Refused(what, code, str(answer.get("reason") or reason or ""), said.strip())


def _root(exc: BaseException) -> BaseException:
    reason = getattr(exc, "reason", None)
    return _root(reason) if isinstance(reason, BaseException) else exc


def _socket_options() -> list[tuple[int, int, int]]:
    known = [(getattr(socket, name), value) for name, value in _ALIVE.items() if hasattr(socket, name)]
    return [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, name, value) for name, value in known),
    ]


def _dry_run(wanted: bool) -> list[tuple[str, str]]:
    return [("dryRun", "All")] if wanted else []


def _cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "klubster" / "discovery"


__all__ = ("HAS_KUBERNETES", "KUBERNETES_IMPORT_ERROR", "KubeconfigMissing", "KubernetesService")
