# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""The administrator's kubeconfig: read from the engine's, written for one cluster, told from the files of others."""

from __future__ import annotations

import hashlib
import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import write_atomically

_MARK = "# Written by kateskit.klubster for the cluster "
_FIELDS = {
    "ca": "certificate-authority-data",
    "certificate": "client-certificate-data",
    "key": "client-key-data",
}
Action = t.Literal["", "create", "replace", "mode", "remove"]


class KubeconfigError(KlubsterError):
    """The kubeconfig cannot be read, or must not be written."""


@dataclass(frozen=True)
class Credentials:
    """Base64 text, as it stands in a kubeconfig."""

    ca: str
    certificate: str
    key: str


def read(path: Path) -> Credentials | None:
    """The credentials of a kubeconfig that the engine wrote; None when there is no such file.

    :raises KubeconfigError: it lacks something.
    """
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    values = {}
    for name, field in _FIELDS.items():
        match = re.search(rf"^\s*{field}:\s*([A-Za-z0-9+/=]+)\s*$", text, re.MULTILINE)
        if match is None:
            raise KubeconfigError(
                f"{path} has no {field}: it is not as the engine writes it. Let the engine make it anew."
            )
        values[name] = match.group(1)
    return Credentials(**values)


def render(cluster: str, server: str, credentials: Credentials) -> str:
    """The text of our kubeconfig."""
    user = f"{cluster}-admin"
    return (
        f"{_MARK}{cluster}\n"
        "apiVersion: v1\n"
        "kind: Config\n"
        f"current-context: {cluster}\n"
        "clusters:\n"
        f"  - name: {cluster}\n"
        "    cluster:\n"
        f"      server: {server}\n"
        f"      certificate-authority-data: {credentials.ca}\n"
        "contexts:\n"
        f"  - name: {cluster}\n"
        f"    context: {{cluster: {cluster}, user: {user}}}\n"
        "users:\n"
        f"  - name: {user}\n"
        "    user:\n"
        f"      client-certificate-data: {credentials.certificate}\n"
        f"      client-key-data: {credentials.key}\n"
    )


def digest(text: str) -> str:
    """sha256 of a kubeconfig's text: tells whether a file is current, without its secrets."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_for(path: Path, params: t.Mapping[str, t.Any]) -> str:
    """Digest of the kubeconfig that would be made of the engine's; empty where there is none.

    :param params: a module's, with the cluster's name and the API.
    """
    credentials = read(path)
    return "" if credentials is None else digest(render(params["cluster"], params["api"]["url"], credentials))


def is_current(path: Path, wanted: t.Collection[str]) -> bool:
    """Whether the file has one of these digests, and nobody else may read it."""
    try:
        have = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return digest(have) in wanted and mode & 0o7777 == 0o600


def chosen(path: Path, texts: t.Sequence[str]) -> str:
    """Of texts that are as good, each with another server's certificate, the one that stands there, else the first."""
    try:
        have = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        have = ""
    return have if have in texts else texts[0]


def plan(path: Path, cluster: str, text: str | None) -> Action:
    """What has to happen with the file; ``text`` None: it shall be gone.

    :raises KubeconfigError: the file is somebody else's.
    """
    try:
        have = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return "" if text is None else "create"
    if not have.startswith(f"{_MARK}{cluster}\n"):
        if text is None:
            return ""
        raise KubeconfigError(
            f"klubster_kubeconfig = {str(path)!r}: a file stands there that was not written for the cluster "
            f"{cluster!r}. It was not touched. Move it away, or set klubster_kubeconfig to another path."
        )
    if text is None:
        return "remove"
    if have != text:
        return "replace"
    return "" if path.stat().st_mode & 0o7777 == 0o600 else "mode"


def apply(path: Path, action: Action, text: str | None) -> None:
    """Make it happen."""
    if action == "remove":
        path.unlink()
    elif action:
        write_atomically(path, (text or "").encode(), mode=0o600, uid=os.geteuid(), gid=os.getegid())


__all__ = (
    "Action",
    "Credentials",
    "KubeconfigError",
    "apply",
    "chosen",
    "digest",
    "digest_for",
    "is_current",
    "plan",
    "read",
    "render",
)
