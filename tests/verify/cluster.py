# SPDX-License-Identifier: Apache-2.0
"""A cluster as it is seen from outside: through its API, its addresses, and SSH to its machines.

Uses nothing of the collection but the inventory, so that a mistake there is not made twice.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import sys
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import urllib3
from kubernetes import client, config, watch

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
#: what the cluster was made with besides the inventory, as ``--extra-vars`` takes it (docs/testing.md)
TEST_VARS = ["--extra-vars", os.environ["KLUBSTER_TEST_VARS"]] if os.environ.get("KLUBSTER_TEST_VARS") else []
_CLONE_NEWNET = 0x40000000
# The machines' addresses are local; a proxy of the house has no business there.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotYet(AssertionError):
    """What was waited for did not come in time."""


@dataclass(frozen=True)
class Machine:
    name: str
    address: str
    node_name: str
    group: str


@dataclass
class Inventory:
    """What the inventory says, read by ansible-inventory as any user's run would."""

    source: str
    extra: tuple[str, ...] = ()
    data: dict[str, t.Any] = field(init=False)

    def __post_init__(self) -> None:
        done = subprocess.run(
            [str(BIN / "ansible-inventory"), "-i", self.source, "--list", *TEST_VARS],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env=ansible_environment(),
        )
        self.data = bare(json.loads(done.stdout))

    def vars(self, host: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", self.data["_meta"]["hostvars"].get(host, {}))

    def hosts(self, group: str) -> list[str]:
        entry = self.data.get(group, {})
        found = list(entry.get("hosts", ()))
        for child in entry.get("children", ()):
            found += self.hosts(child)
        return found

    @property
    def machines(self) -> list[Machine]:
        found = []
        for group in ("servers", "agents"):
            for name in self.hosts(group):
                values = self.vars(name)
                address = str(values.get("klubster_address") or values["ansible_host"])
                found.append(Machine(name, address, str(values.get("klubster_node_name") or name), group))
        return found

    @property
    def bystanders(self) -> list[str]:
        """Machines of the lab that are no nodes."""
        nodes = {machine.name for machine in self.machines}
        local = {
            name for name in self.data["_meta"]["hostvars"] if self.vars(name).get("ansible_connection") == "local"
        }
        return sorted(set(self.data["_meta"]["hostvars"]) - nodes - local)

    def get(self, name: str, default: t.Any = None) -> t.Any:
        """A variable of the cluster, as the first server has it."""
        values = self.vars(self.machines[0].name)
        value = values.get(name, default)
        # ansible-inventory shows templates as they stand.
        return jinja2.Template(value).render(values) if isinstance(value, str) and "{{" in value else value


def bare(value: t.Any) -> t.Any:
    """Texts that came from a plugin carry a mark in ansible-inventory's output."""
    if isinstance(value, dict):
        return (
            bare(value["__ansible_unsafe"])
            if set(value) == {"__ansible_unsafe"}
            else {k: bare(v) for k, v in value.items()}
        )
    return [bare(entry) for entry in value] if isinstance(value, list) else value


def ansible_environment() -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
    }


@contextlib.contextmanager
def room(cluster: Cluster, name: str) -> t.Iterator[str]:
    """A namespace for as long as a test needs it."""
    cluster.core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    # Pods are refused until the namespace has its account.
    until(lambda: cluster.core.list_namespaced_service_account(name).items, f"service account in {name}", 30)
    try:
        yield name
    finally:
        with contextlib.suppress(client.ApiException):
            cluster.core.delete_namespace(name)
        until(
            lambda: all(entry.metadata.name != name for entry in cluster.core.list_namespace().items),
            f"namespace {name} gone",
            120,
        )


def enter_network(namespace: Path) -> None:
    """Move this process into a lab's network: from there the cluster is seen as from a machine beside it."""
    descriptor = os.open(namespace, os.O_RDONLY)
    try:
        os.setns(descriptor, _CLONE_NEWNET)
    finally:
        os.close(descriptor)


def ansible(inventory: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / argv[0]), "-i", inventory, *TEST_VARS, *argv[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=ansible_environment(),
    )


def on_machine(inventory: Inventory, host: str, command: str) -> str:
    """Run a shell line on a machine and return what it printed."""
    done = ansible(inventory.source, "ansible", host, "-m", "ansible.builtin.raw", "-a", command, "--one-line")
    head, _sep, rest = done.stdout.partition("(stdout) ")
    rest = rest.partition(" (stderr) ")[0]
    assert done.returncode == 0, f"on {host}: {command}\n{done.stdout}{done.stderr}"
    assert head.startswith(host)
    return rest.strip().replace("\\n", "\n").replace("\\r", "")


def fetch(url: str, timeout: float = 3.0) -> str:
    with _DIRECT.open(url, timeout=timeout) as answer:
        return t.cast("bytes", answer.read()).decode()


def until(question: t.Callable[[], t.Any], what: str, seconds: float, interval: float = 0.25) -> t.Any:
    """Ask until the answer is true; for things that send no event, such as a packet that arrives."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = question()
            if last:
                return last
        except (OSError, urllib.error.URLError, urllib3.exceptions.HTTPError, client.ApiException) as exc:
            last = exc
        time.sleep(interval)
    raise NotYet(f"{what}: not within {seconds:g} s; last: {last!r}")


class Cluster:
    """The API, and the few verbs that the tests need."""

    def __init__(self, kubeconfig: Path) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        settings.proxy = None
        settings.no_proxy = "*"
        self.url: str = settings.host
        self.api = client.ApiClient(settings)
        self.core = client.CoreV1Api(self.api)
        self.apps = client.AppsV1Api(self.api)
        self.custom = client.CustomObjectsApi(self.api)

    def raw(self, path: str, query: dict[str, str] | None = None, timeout: float = 15.0) -> str:
        """GET a path of the API, such as a pod's proxy."""
        address = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        answer = self.api.call_api("GET", address, header_params={}, _request_timeout=timeout)
        body = answer.read()
        if answer.status != 200:
            raise client.ApiException(status=answer.status, reason=f"{path}: {body[:500]!r}")
        return t.cast("bytes", body).decode()

    def pod_get(
        self, namespace: str, pod: str, path: str, query: dict[str, str] | None = None, port: int = 8080
    ) -> str:
        return self.raw(f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}", query)

    def dial(self, namespace: str, pod: str, host: str, port: int, tries: int = 1) -> list[str]:
        """Let a pod of agnhost ask another for its name; returns the names that answered.

        :raises AssertionError: one of the tries got no answer.
        """
        query = {"request": "hostname", "protocol": "http", "host": host, "port": str(port), "tries": str(tries)}
        answer = json.loads(self.pod_get(namespace, pod, "/dial", query))
        assert not answer.get("errors"), f"{pod} -> {host}:{port}: {answer['errors']}"
        return t.cast("list[str]", answer["responses"])

    def wait(
        self,
        listing: t.Callable[..., t.Any],
        namespace: str,
        ready: t.Callable[[t.Any], bool],
        what: str,
        seconds: float,
    ) -> t.Any:
        """Watch objects until one is as wanted; the API tells of each change, so nothing is asked twice."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            stream = watch.Watch()
            for event in stream.stream(listing, namespace, timeout_seconds=max(1, int(left))):
                if event["type"] != "DELETED" and ready(event["object"]):
                    stream.stop()
                    return event["object"]
        raise NotYet(f"{what}: not within {seconds:g} s")

    def gone(self, listing: t.Callable[..., t.Any], namespace: str, name: str, seconds: float) -> None:
        """Watch until an object has been deleted."""
        first = listing(namespace)
        if all(item.metadata.name != name for item in first.items):
            return
        stream = watch.Watch()
        version = first.metadata.resource_version
        for event in stream.stream(listing, namespace, resource_version=version, timeout_seconds=int(seconds)):
            if event["type"] == "DELETED" and event["object"].metadata.name == name:
                stream.stop()
                return
        raise NotYet(f"{name} is still there after {seconds:g} s")


def in_pool(address: str, pools: t.Sequence[t.Mapping[str, t.Any]]) -> bool:
    """Whether an address is in one of the inventory's pools; each entry is a network or first-last."""
    wanted = ipaddress.ip_address(address)
    for pool in pools:
        for entry in pool["addresses"]:
            first, _sep, last = str(entry).partition("-")
            if last:
                low, high = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
                if wanted.version == low.version and int(low) <= int(wanted) <= int(high):
                    return True
            elif wanted in ipaddress.ip_network(str(entry)):
                return True
    return False
