# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""etcd's members, by the JSON form of its API (github.com/etcd-io/etcd, api/etcdserverpb/rpc.proto), and its quorum."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import ssl
import typing as t
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError

#: bytes of the sha256 at the end of a snapshot
_SUM = 32
_STREAM_TIMEOUT = 60.0


class EtcdError(KlubsterError):
    """etcd does not answer, or what is asked for would cost its quorum."""


class EtcdStopped(EtcdError):
    """Nothing listens: etcd does not run on this machine, or not yet."""


@dataclass(frozen=True)
class Member:
    """One member.

    :param name: of the Node; empty until it has started for the first time.
    :param client_urls: where it is asked.
    """

    id: str
    name: str
    client_urls: tuple[str, ...] = ()
    peer_urls: tuple[str, ...] = ()
    learner: bool = False


class Etcd:
    """etcd as seen from a server, with a certificate that the engine made for it."""

    def __init__(
        self,
        url: str,
        certificates: tuple[str, str, str],
        timeout: float = 5.0,
        asked: t.Callable[[str], bool] | None = None,
    ) -> None:
        """``certificates``: files of the CA, of a client's certificate and of its key.

        :param asked: whether the member on a host answers, where its own address does not speak JSON.
        """
        self._url, self._timeout, self._asked = url, timeout, asked
        authority, certificate, key = certificates
        self._context = ssl.create_default_context(cafile=authority)
        self._context.load_cert_chain(certificate, key)

    def members(self) -> list[Member]:
        """All members, those that are down as well.

        :raises EtcdError: there is no quorum that could tell.
        """
        return parse(self._post(self._url, "/v3/cluster/member/list", {"linearizable": True}))

    def healthy(self, member: Member) -> bool:
        """Whether a member answers for itself."""
        if self._asked is not None:
            hosts = [urllib.parse.urlsplit(url).hostname for url in member.client_urls]
            return any(self._asked(host) for host in hosts if host)
        for url in member.client_urls:
            try:
                self._post(url, "/v3/maintenance/status", {})
            except EtcdError:
                continue
            return True
        return False

    def version(self) -> str:
        """The release that this member runs."""
        return str(self._post(self._url, "/v3/maintenance/status", {}).get("version", ""))

    def snapshot(self, target: Path) -> int:
        """This member's data into a file, which ends with its sha256; how many bytes.

        :raises EtcdError: it broke off, or the sum is wrong; no file is left.
        """
        digest, tail, size = hashlib.sha256(), b"", 0
        try:
            with os.fdopen(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
                for blob in self._stream("/v3/maintenance/snapshot"):
                    file.write(blob)
                    size += len(blob)
                    tail += blob
                    digest.update(tail[:-_SUM])
                    tail = tail[-_SUM:]
                os.fsync(file.fileno())
            if tail != digest.digest():
                raise EtcdError(f"etcd's data arrived damaged or broke off after {size} bytes. Run again.")
        except BaseException:
            target.unlink()
            raise
        return size

    def _stream(self, path: str) -> t.Iterator[bytes]:
        place = urllib.parse.urlsplit(self._url)
        connection = http.client.HTTPSConnection(
            place.hostname or "", place.port, timeout=_STREAM_TIMEOUT, context=self._context
        )
        try:
            connection.request("POST", path, "{}", {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise EtcdError(f"etcd at {self._url} refuses {path}: status {answer.status}")
            for line in answer:
                entry = json.loads(line)
                if "result" not in entry:
                    raise EtcdError(f"etcd at {self._url} broke off {path}: {entry.get('error', entry)}")
                yield base64.b64decode(entry["result"].get("blob", ""))
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise EtcdError(f"etcd at {self._url} does not send its data: {exc}") from exc
        finally:
            connection.close()

    def remove(self, member: Member) -> None:
        """Take a member out; a machine that is gone for good need not be asked."""
        self._post(self._url, "/v3/cluster/member/remove", {"ID": member.id})

    def _post(self, url: str, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        place = urllib.parse.urlsplit(url)
        try:
            connection = http.client.HTTPSConnection(
                place.hostname or "", place.port, timeout=self._timeout, context=self._context
            )
            try:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
            finally:
                connection.close()
        except ConnectionRefusedError as exc:
            raise EtcdStopped(f"etcd at {url} does not answer: {exc}") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise EtcdError(f"etcd at {url} does not answer: {exc}") from exc
        if status != 200:
            raise EtcdError(f"etcd at {url} refuses {path}: status {status}: {text[:300].decode(errors='replace')}")
        found: dict[str, t.Any] = json.loads(text)
        return found


def refuse_to_stop(members: t.Sequence[Member], healthy: t.Collection[str], name: str) -> None:
    """Refuse to stop a member for a while when those that go on would be no majority of all.

    One or two servers cannot bear it whatever we do; then the API stands still meanwhile, and nothing is refused.

    :param healthy: ids of members that answer.
    :raises EtcdError: with what to do first.
    """
    voters = [member for member in members if not member.learner]
    if not any(is_of(member, name) and member.id in healthy for member in voters):
        return  # it does not run: stopping it costs nothing
    silent = [member.name or member.id for member in voters if member.id not in healthy]
    going_on = len(voters) - len(silent) - 1
    needed = len(voters) // 2 + 1
    if going_on >= needed or (len(voters) <= 2 and not silent):
        return
    raise EtcdError(
        f"Without {name}, {going_on} of etcd's {len(voters)} members would answer, and {needed} are needed: "
        f"{', '.join(silent)} is silent already. Start it, or take it out for good (playbooks/remove_node.yml), first."
    )


def lists_agree(members: t.Sequence[Member], stored: t.Mapping[bytes, bytes]) -> str:
    """How the members that etcd 3.5 works with differ from those that 3.6 would find in its file; empty: not at all.

    :param stored: the bucket ``members`` of a member's file: id as hexadecimal digits -> JSON.
    """
    works = {f"{int(member.id):x}": member.learner for member in members}
    finds = {key.decode(): bool(json.loads(value).get("isLearner")) for key, value in stored.items()}
    names = {f"{int(member.id):x}": member.name or member.id for member in members}
    found = [f"{names[key]} is missing in the file" for key in works if key not in finds]
    found += [f"{key}, which was removed, is still in the file" for key in finds if key not in works]
    found += [
        f"{names[key]} still learns in the file" for key in works if key in finds and finds[key] and not works[key]
    ]
    return ", ".join(found)


def is_of(member: Member, node: str) -> bool:
    """Whether a member is that of a Node: kubeadm gives it the Node's name, k3s adds a dash and 8 digits."""
    return member.name == node or re.fullmatch(re.escape(node) + "-[0-9a-f]{8}", member.name) is not None


def find(members: t.Sequence[Member], node: str, address: str = "") -> Member | None:
    """The member of a Node. One that was lost before it first started has no name yet: its address tells.

    :param address: of the machine, as other members reach it.
    """
    for member in members:
        if is_of(member, node) or (not member.name and address in _hosts(member)):
            return member
    return None


def at(members: t.Sequence[Member], address: str) -> Member | None:
    """The member of a machine, whatever its Node is called."""
    return next((member for member in members if address in _hosts(member)), None)


def _hosts(member: Member) -> set[str | None]:
    return {urllib.parse.urlsplit(url).hostname for url in member.peer_urls}


def take_out(etcd: Etcd, members: t.Sequence[Member], leaving: Member) -> None:
    """Remove a member whose machine goes.

    :raises EtcdError: those that stay would not be enough; nothing was changed.
    """
    refuse_without_quorum(members, {member.id for member in members if etcd.healthy(member)}, leaving)
    etcd.remove(leaving)


def health(address: str = "127.0.0.1", port: int = 2381, timeout: float = 2.0) -> str:
    """What etcd of this machine says of its health, and why; empty when it says nothing.

    It is asked where it offers its metrics, which needs no certificate: kubeadm and k3s both choose this port.
    """
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def parse(answer: t.Mapping[str, t.Any]) -> list[Member]:
    """Members in the answer of the API; numbers of 64 bits are texts there."""
    return [
        Member(
            str(entry["ID"]),
            str(entry.get("name", "")),
            tuple(entry.get("clientURLs") or ()),
            tuple(entry.get("peerURLs") or ()),
            bool(entry.get("isLearner")),
        )
        for entry in answer.get("members") or ()
    ]


def refuse_without_quorum(members: t.Sequence[Member], healthy: t.Collection[str], leaving: Member) -> None:
    """Refuse to remove a member when those that stay would not be enough.

    :param healthy: ids of members that answer.
    :raises EtcdError: with what to do first.
    """
    staying = [member for member in members if member.id != leaving.id and not member.learner]
    if not staying:
        raise EtcdError(
            f"{leaving.name} is the last server: with it the cluster would go. Use playbooks/reset.yml if it may."
        )
    alive = [member for member in staying if member.id in healthy]
    needed = len(staying) // 2 + 1
    if len(alive) < needed:
        down = ", ".join(member.name or member.id for member in staying if member.id not in healthy)
        raise EtcdError(
            f"Without {leaving.name}, etcd would have {len(staying)} members and needs {needed} of them, but only "
            f"{len(alive)} answer. Start {down} first, or remove what is gone for good ({down}) before {leaving.name}."
        )


__all__ = (
    "Etcd",
    "EtcdError",
    "EtcdStopped",
    "Member",
    "at",
    "find",
    "health",
    "is_of",
    "lists_agree",
    "parse",
    "refuse_to_stop",
    "refuse_without_quorum",
    "take_out",
)
