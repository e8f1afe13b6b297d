# SPDX-License-Identifier: Apache-2.0
"""Files in server/manifests are applied at the start and when they change (k3s.md B.6)."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import typing as t
from pathlib import Path

from k3s_standin.children import Children
from k3s_standin.log import error, info
from k3s_standin.paths import Paths, write

_PAUSE = 2.0
_ENDS = (".yaml", ".yml", ".json")


class Manifests:
    """Applies with kubectl; removing a file leaves the objects, disabling a component removes both."""

    def __init__(self, paths: Paths, children: Children, disabled: t.Sequence[str]) -> None:
        self._folder, self._children, self._disabled = paths.manifests, children, set(disabled)
        self._kubectl = [
            f"{children.environment['PATH'].split(':')[0]}/kubectl",
            f"--kubeconfig={paths.cred}/admin.kubeconfig",
            # k3s needs no kubectl for this, so root's own folder is not touched.
            f"--cache-dir={paths.standin}/kubectl",
        ]
        self._done: dict[Path, str] = {}

    def package(self, name: str, text: str) -> None:
        """Write a file of our own, unless its component is disabled."""
        if Path(name).stem not in self._disabled:
            write(self._folder / name, text)

    def start(self) -> None:
        """All there is now, then whatever changes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.apply()
        threading.Thread(target=self._watch, daemon=True).start()

    def apply(self) -> None:
        for path in sorted(self._folder.rglob("*")):
            if path.suffix not in _ENDS or not path.is_file() or path.with_name(f"{path.name}.skip").exists():
                continue
            if path.stem in self._disabled:
                self._remove(path)
                continue
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if self._done.get(path) != digest and self._run("apply", path):
                self._done[path] = digest
                info(f"Applied manifest at {path}")

    def _remove(self, path: Path) -> None:
        if self._run("delete", path, "--ignore-not-found", "--wait=false"):
            info(f"Deleted manifest of disabled component at {path}")
            path.unlink()

    def _run(self, verb: str, path: Path, *further: str) -> bool:
        server_side = ["--server-side", "--force-conflicts", "--field-manager=deploy@k3s"] if verb == "apply" else []
        arguments = [*self._kubectl, verb, "-f", str(path), *server_side, *further]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=self._children.environment)
        if done.returncode:
            error(f"Failed to {verb} {path}: {done.stderr.strip()[-500:]}")
        return done.returncode == 0

    def _watch(self) -> None:
        while not self._children.stop.wait(_PAUSE):
            try:
                self.apply()
            except OSError as exc:
                error(f"server/manifests: {exc}")


__all__ = ("Manifests",)
