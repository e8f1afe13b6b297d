# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What the CIS profile wants of a server beside its configuration: folders, modes, and what accounts give to pods."""

from __future__ import annotations

import contextlib
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_cis
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.api import Api, ApiError
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s import K3s
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import EngineError
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

_PAUSE = 0.5
_SHARED = 0o177


@dataclass(frozen=True)
class Hardening:
    """One machine. Agents have nothing of this: their part is in their configuration and in the kernel.

    :param wanted: whether the profile is on. Off, nothing is taken back: it is no worse with stricter modes.
    """

    machine: K3s
    wanted: bool

    @property
    def _applies(self) -> bool:
        return self.wanted and self.machine.is_server

    def lacking(self) -> list[str]:
        """What is looser than it shall be, for a diff."""
        if not self._applies:
            return []
        found = [f"{name}: mode {mode:04o}" for name, mode in k3s_cis.FOLDERS.items() if _mode(self._at(name)) != mode]
        found += [f"{path}: mode {k3s_cis.CERTIFICATE_MODE:04o}" for path in self._loose()]
        if self.machine.phase() == "complete" and (api := self.machine.api()) is not None and api.ready():
            found += [f"ServiceAccount {namespace}/default: no token unasked" for namespace in _giving(api)]
        return found

    def prepare(self, record: Record) -> None:
        """Before a start: the folders."""
        if not self._applies:
            return
        record.make_directory(self._at(self.machine.layout.data_dir))
        for name, mode in k3s_cis.FOLDERS.items():
            record.make_directory(self._at(name), mode)
            self._at(name).chmod(mode)

    def tighten(self) -> None:
        """After a start: what k3s and Kubernetes made meanwhile.

        :raises EngineError: an account is still missing when the time is over.
        """
        if not self._applies:
            return
        for path in self._loose():
            path.chmod(k3s_cis.CERTIFICATE_MODE)
        api = self.machine.api()
        if api is None:
            return
        deadline = time.monotonic() + self.machine.timeout
        for namespace in k3s_cis.WITHOUT_TOKENS:
            _keep_token(api, namespace, deadline)

    def _loose(self) -> list[Path]:
        folder, pattern = k3s_cis.CERTIFICATES
        found = sorted(self._at(folder).glob(pattern))
        return [path for path in found if (_mode(path) or 0) & _SHARED]

    def _at(self, path: str) -> Path:
        return self.machine.root / path.lstrip("/")


def _giving(api: Api) -> list[str]:
    found = []
    for namespace in k3s_cis.WITHOUT_TOKENS:
        with contextlib.suppress(ApiError):
            if api.get(_account(namespace)).get("automountServiceAccountToken") is not False:
                found.append(namespace)
    return found


def _keep_token(api: Api, namespace: str, deadline: float) -> None:
    """Kubernetes makes the account a moment after the namespace."""
    while True:
        try:
            if api.get(_account(namespace)).get("automountServiceAccountToken") is not False:
                api.patch(_account(namespace), {"automountServiceAccountToken": False})
        except ApiError as exc:
            if time.monotonic() > deadline:
                raise EngineError(f"The service account of the namespace {namespace} did not come: {exc}") from exc
            time.sleep(_PAUSE)
        else:
            return


def _account(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/default"


def _mode(path: Path) -> t.Optional[int]:
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        return None


__all__ = ("Hardening",)
