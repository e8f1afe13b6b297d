# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Settings of the host that a lab needs or that its machines change for all, and their way back."""

from __future__ import annotations

import contextlib
import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._lab.lock import locked_folder
from ansible_collections.kateskit.klubster.plugins.module_utils._lab.paths import NAMESPACES, RUNTIME

# systemd, kubelet and containerd of all machines draw on one allowance.
_NEEDED = {"fs/inotify/max_user_instances": 8192}
# kubelet sets these; they belong to no namespace, so a machine sets them for its host too.
_SET_BY_MACHINES = {
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
}


@dataclass(frozen=True)
class HostSettings:
    """Taken over by the first lab on a host, given back by the last."""

    runtime: Path = RUNTIME
    sysctl: Path = Path("/proc/sys")
    namespaces: Path = NAMESPACES

    @property
    def _record(self) -> Path:
        return self.runtime / "host.json"

    def take(self, lab: str) -> None:
        """Note how the host was, and raise what is too low."""
        with locked_folder(self.runtime):
            (self.runtime / "labs" / lab).mkdir(parents=True, exist_ok=True)
            if not self._record.exists():
                before = {name: self._read(name) for name in (*_NEEDED, *_SET_BY_MACHINES)}
                note = {"before": before, "namespaces": self.namespaces.exists()}
                partial = self._record.with_suffix(".partial")
                partial.write_text(json.dumps(note))
                partial.replace(self._record)
            for name, least in _NEEDED.items():
                have = self._read(name)
                if have is not None and int(have) < least:
                    (self.sysctl / name).write_text(str(least))

    def give_back(self, lab: str, unmount: t.Callable[[Path], object]) -> None:
        """Forget the lab; after the last one the host is as it was, but for what somebody else has set since."""
        if not self.runtime.exists():
            return
        with locked_folder(self.runtime):
            with contextlib.suppress(FileNotFoundError):
                for entry in (self.runtime / "labs" / lab).iterdir():
                    entry.unlink()
                (self.runtime / "labs" / lab).rmdir()
            if (self.runtime / "labs").exists() and any((self.runtime / "labs").iterdir()):
                return
            if self._record.exists():
                self._restore(json.loads(self._record.read_text()), unmount)
                self._record.unlink()
            for path in (self.runtime / "labs", self.runtime):
                with contextlib.suppress(FileNotFoundError):
                    path.rmdir()

    def _restore(self, note: dict[str, t.Any], unmount: t.Callable[[Path], object]) -> None:
        ours = {**_SET_BY_MACHINES, **{name: str(value) for name, value in _NEEDED.items()}}
        for name, before in note["before"].items():
            if before is not None and self._read(name) == ours[name] != before:
                (self.sysctl / name).write_text(before)
        if not note["namespaces"] and self.namespaces.is_dir() and not any(self.namespaces.iterdir()):
            # `ip netns` mounts its folder onto itself and never takes it away.
            if _is_mounted(self.namespaces):
                unmount(self.namespaces)
            self.namespaces.rmdir()

    def _read(self, name: str) -> str | None:
        try:
            return (self.sysctl / name).read_text().strip()
        except OSError:
            return None


def _is_mounted(path: Path) -> bool:
    # os.path.ismount does not see a folder that is mounted onto itself.
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


__all__ = ("HostSettings",)
