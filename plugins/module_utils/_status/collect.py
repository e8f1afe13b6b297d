# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Ask the API for everything a report needs, over one connection; and say why when it does not answer."""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import time
import traceback
import typing as t
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.calico_bgp import VERSION as CALICO
from ansible_collections.kateskit.klubster.plugins.module_utils._status import openelb
from ansible_collections.kateskit.klubster.plugins.module_utils._status.model import Object, Snapshot

try:
    import urllib3
    import yaml
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import load_kube_config

    IMPORT_ERROR = ""
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

_PAGE = 500
_BGP_PEERS = "/apis/metallb.io/v1beta2/bgppeers"
_MISSING_KEY = re.compile(r"Expected key ([a-z-]+) in")

_CERTIFICATE = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is signed by itself",
    19: "the certificate is signed by an authority this kubeconfig does not know",
    20: "the certificate is signed by an authority this kubeconfig does not know",
    62: "the certificate is not for this name",
    64: "the certificate is not for this address",
}


class Unanswered(Exception):
    """The API gave no usable answer.

    :param cause: one word: ``kubeconfig``, ``name``, ``refused``, ``unreachable``, ``timeout``, ``certificate``,
        ``closed``, ``unauthorized``, ``forbidden`` or ``failing``.
    :param why: what was seen, a part of a sentence.
    """

    def __init__(self, cause: str, why: str) -> None:
        self.cause, self.why = cause, why
        self.server, self.version = "", ""
        self.failing_checks: list[str] = []
        super().__init__(f"{cause}: {why}")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    #: the header ``Date``
    date: str


#: fetches one path
Get = t.Callable[[str], Answer]


def connect(kubeconfig: str, context: str, timeout: float) -> tuple[str, Get]:
    """The server's address, and what fetches from it until ``timeout`` seconds from now.

    :raises Unanswered: there is no usable kubeconfig.
    """
    path = Path(kubeconfig).expanduser()
    if not path.is_file():
        raise Unanswered("kubeconfig", f"there is no file {path}")
    configuration = Configuration()
    try:
        load_kube_config(
            config_file=str(path), context=context or None, client_configuration=configuration, persist_config=False
        )
    except OSError as exc:
        raise Unanswered("kubeconfig", f"{path} cannot be read: {exc.strerror}") from exc
    except (ConfigException, yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError) as exc:
        # Their texts may quote the file, and with it a key; only a missing word is taken from them.
        found = _MISSING_KEY.search(str(exc))
        why = f": {found.group(1)} is missing" if found else ""
        raise Unanswered("kubeconfig", f"{path} is no usable kubeconfig{why}") from None
    if not str(configuration.host).startswith(("https://", "http://")):
        raise Unanswered("kubeconfig", f"{path} is no usable kubeconfig: server is missing")
    pool = ApiClient(configuration).rest_client.pool_manager
    headers = {"Accept": "application/json", "User-Agent": "klubster-status"}
    for setting in configuration.auth_settings().values():
        if setting.get("in") == "header" and setting.get("value"):
            headers[setting["key"]] = setting["value"]
    deadline = time.monotonic() + timeout

    def get(path: str) -> Answer:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unanswered("timeout", f"the answers took longer than {timeout:g} s")
        limits = urllib3.Timeout(connect=min(left, 5.0), read=left)
        try:
            response = pool.request(
                "GET", configuration.host.rstrip("/") + path, headers=headers, retries=False, timeout=limits
            )
        except (urllib3.exceptions.HTTPError, OSError) as exc:
            raise reason_of(exc, timeout) from exc
        return Answer(response.status, response.data, response.headers.get("Date", ""))

    return str(configuration.host), get


def reason_of(error: BaseException, timeout: float = 0.0) -> Unanswered:
    """What a failed connection means, read from the whole chain of its exceptions."""
    chain = list(_chain(error))
    for meaning in (_of_name_or_certificate, _of_the_way, _of_tls):
        for found in chain:
            known = meaning(found, timeout)
            if known:
                return Unanswered(*known)
    return Unanswered("closed", f"the connection broke: {error}")


def _of_name_or_certificate(found: BaseException, _timeout: float) -> tuple[str, str] | None:
    if isinstance(found, ssl.SSLCertVerificationError):
        return "certificate", _CERTIFICATE.get(found.verify_code, found.verify_message)
    if isinstance(found, socket.gaierror):
        return "name", f"its name cannot be resolved ({found.strerror})"
    return None


def _of_the_way(found: BaseException, timeout: float) -> tuple[str, str] | None:
    number = getattr(found, "errno", None)
    if number == errno.ECONNREFUSED:
        return "refused", "the connection is refused"
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "unreachable", "there is no route to it"
    if isinstance(found, TimeoutError) or "Timeout" in type(found).__name__:
        return "timeout", f"there is no answer within {timeout:g} s"
    return None


def _of_tls(found: BaseException, _timeout: float) -> tuple[str, str] | None:
    return ("certificate", f"TLS failed: {found.reason or found}") if isinstance(found, ssl.SSLError) else None


def _chain(error: BaseException) -> t.Iterator[BaseException]:
    """An exception, what it wraps and what it came from, each once."""
    waiting: list[t.Any] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]


def gather(server: str, get: Get) -> Snapshot:
    """Everything a report needs.

    :raises Unanswered: one of the answers did not come; carries what is known by then.
    """
    version = ""
    failing: list[str] = []
    try:
        first = get("/version")
        version = str(_json(first, "/version").get("gitVersion", ""))
        failing = _failing_checks(get("/readyz?verbose"))
        return _snapshot(server, get, _iso(first.date), version, failing)
    except Unanswered as exc:
        exc.server, exc.version, exc.failing_checks = server, version, failing
        raise


def _snapshot(server: str, get: Get, now: str, version: str, failing: list[str]) -> Snapshot:
    def every(path: str, kind: str) -> list[Object]:
        return _list(get, path, kind) or []

    services = every("/api/v1/services", "Service")
    balanced = any((service.get("spec") or {}).get("type") == "LoadBalancer" for service in services)
    balancer = _metallb(get)
    if balancer is None or not balancer.pools:
        # Kinds of MetalLB may be there after it has gone.
        balancer = _openelb(get) or balancer or _Balancer()
    workloads = every("/apis/apps/v1/daemonsets", "DaemonSet") + every("/apis/apps/v1/deployments", "Deployment")
    return Snapshot(
        server=server,
        now=now,
        version=version,
        failing_checks=failing,
        nodes=every("/api/v1/nodes", "Node"),
        pods=every("/api/v1/pods", "Pod"),
        workloads=workloads,
        services=services,
        endpoint_slices=every("/apis/discovery.k8s.io/v1/endpointslices", "EndpointSlice") if balanced else [],
        claims=every("/api/v1/persistentvolumeclaims", "PersistentVolumeClaim"),
        storage_classes=every("/apis/storage.k8s.io/v1/storageclasses", "StorageClass"),
        service_networks=[
            str(network)
            for entry in every("/apis/networking.k8s.io/v1/servicecidrs", "ServiceCIDR")
            for network in (entry.get("spec") or {}).get("cidrs") or []
        ],
        pools=balancer.pools,
        advertisements=balancer.advertisements,
        announcements=balancer.announcements,
        bgp_peers=balancer.peers,
        calico_bgp=balancer.calico,
        events=every("/api/v1/events?fieldSelector=type%3DWarning", "Event"),
    )


@dataclass(frozen=True)
class _Balancer:
    """Who hands out addresses; without any, the API serves none of its kinds."""

    pools: list[Object] | None = None
    advertisements: list[Object] | None = None
    announcements: list[Object] | None = None
    peers: list[Object] = field(default_factory=list)
    #: of the pod network, where it speaks for the pools
    calico: list[Object] = field(default_factory=list)


def _metallb(get: Get) -> _Balancer | None:
    group = "/apis/metallb.io/v1beta1/"
    pools = _list(get, group + "ipaddresspools", "IPAddressPool")
    if pools is None:
        return None
    advertisements = _with_communities(get, group, _advertisements(get, group))
    peers = (_list(get, _BGP_PEERS, "BGPPeer") or []) if _by_bgp(advertisements) else []
    calico = _by_calico(get) if pools and not advertisements else []
    return _Balancer(pools, advertisements, _announcements(get, group, advertisements), peers, calico)


def _openelb(get: Get) -> _Balancer | None:
    eips = _list(get, openelb.GROUP + "eips", openelb.KIND)
    if eips is None:
        return None
    advertisements, peers = openelb.advertisements(eips), list[Object]()
    if _by_bgp(advertisements):
        confs = _list(get, openelb.GROUP + "bgpconfs", "BgpConf") or []
        peers = openelb.peers(_list(get, openelb.GROUP + "bgppeers", "BgpPeer") or [], confs)
    return _Balancer(openelb.pools(eips), advertisements, None, peers)


def _advertisements(get: Get, group: str) -> list[Object]:
    return [
        *(_list(get, group + "l2advertisements", "L2Advertisement") or []),
        *(_list(get, group + "bgpadvertisements", "BGPAdvertisement") or []),
    ]


def _with_communities(get: Get, group: str, advertisements: list[Object]) -> list[Object]:
    """With the communities' numbers instead of their names; nobody is asked where there are no names."""
    given = [one for entry in advertisements for one in (entry.get("spec") or {}).get("communities") or []]
    if all(":" in str(one) for one in given):
        return advertisements
    numbers: dict[str, str] = {}
    for obj in _list(get, group + "communities", "Community") or []:
        for one in (obj.get("spec") or {}).get("communities") or []:
            numbers[str(one.get("name"))] = str(one.get("value"))
    found = []
    for entry in advertisements:
        spec = dict(entry.get("spec") or {})
        if spec.get("communities"):
            spec["communities"] = [numbers.get(str(one), one) for one in spec["communities"]]
        found.append({**entry, "spec": spec})
    return found


def _by_bgp(advertisements: t.Iterable[Object]) -> bool:
    return any(entry["kind"] == "BGPAdvertisement" for entry in advertisements)


def _by_calico(get: Get) -> list[Object]:
    """What Calico is told of BGP, of which its definitions may not be there."""
    return [
        *(_list(get, f"/apis/{CALICO}/bgpconfigurations", "BGPConfiguration") or []),
        *(_list(get, f"/apis/{CALICO}/bgppeers", "BGPPeer") or []),
    ]


def _announcements(get: Get, group: str, advertisements: t.Sequence[Object]) -> list[Object] | None:
    """Which node announces which service, in either way; nobody is asked about BGP where it is not used."""
    l2 = _list(get, group + "servicel2statuses", "ServiceL2Status")
    if not _by_bgp(advertisements):
        return l2
    return [*(l2 or []), *(_list(get, group + "servicebgpstatuses", "ServiceBGPStatus") or [])]


def _list(get: Get, path: str, kind: str) -> list[Object] | None:
    """All objects of a kind, page by page; None when the API does not serve it."""
    found: list[Object] = []
    separator = "&" if "?" in path else "?"
    token = ""
    while True:
        page = f"{path}{separator}limit={_PAGE}" + (f"&continue={quote(token)}" if token else "")
        answer = get(page)
        if answer.status == 404:
            return None
        data = _json(answer, path)
        for entry in data.get("items") or []:
            found.append({**entry, "kind": kind})
        token = str((data.get("metadata") or {}).get("continue") or "")
        if not token:
            return found


def _json(answer: Answer, path: str) -> dict[str, t.Any]:
    try:
        data = json.loads(answer.body)
    except ValueError:
        data = None
    if answer.status == 200 and isinstance(data, dict):
        return data
    said = data.get("message", "") if isinstance(data, dict) else ""
    detail = f"{path} is answered with HTTP status {answer.status}" + (f": {said}" if said else "")
    cause = {401: "unauthorized", 403: "forbidden"}.get(answer.status, "failing")
    if answer.status == 200:
        detail = f"{path} is answered by something that is no Kubernetes API"
    raise Unanswered(cause, detail)


def _failing_checks(answer: Answer) -> list[str]:
    """Names in ``[-]etcd failed: reason withheld``; a kubeconfig that may not ask sees none."""
    if answer.status in (200, 401, 403, 404):
        return []
    lines = answer.body.decode("utf-8", "replace").splitlines()
    return [line[3:].split(" ")[0] for line in lines if line.startswith("[-]")]


def _iso(date: str) -> str:
    try:
        return parsedate_to_datetime(date).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, IndexError):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


__all__ = ("IMPORT_ERROR", "Answer", "Get", "Unanswered", "connect", "gather", "reason_of")
