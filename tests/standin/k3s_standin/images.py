# SPDX-License-Identifier: Apache-2.0
"""Archives in agent/images: imported before kubelet starts, and watched afterwards (k3s.md B.5)."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import typing as t
from pathlib import Path

from k3s_standin.children import Children
from k3s_standin.log import error, info
from k3s_standin.paths import SOCKET, Paths, write

_ENDS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2")
_PAUSE = 2.0


class Images:
    """Which archives are in. What is in already is not read again after a restart; k3s would."""

    def __init__(self, paths: Paths, children: Children) -> None:
        self._folder, self._children = paths.images, children
        self._ctr = [f"{children.environment['PATH'].split(':')[0]}/ctr", "-a", str(SOCKET), "-n", "k8s.io"]
        self._state = paths.standin / "images.json"
        self._done: dict[str, list[float]] = json.loads(self._state.read_text()) if self._state.exists() else {}

    def load(self) -> None:
        """Import what is new. A file that still grows is left for the next time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(self._folder.iterdir()):
            if not path.is_file():
                continue
            facts = path.stat()
            mark = [float(facts.st_size), facts.st_mtime]
            if self._done.get(path.name) == mark:
                continue
            if path.name.endswith(_ENDS):
                self._archive(path)
            elif path.suffix == ".txt":
                self._pull(path)
            else:
                continue
            self._done[path.name] = mark
            write(self._state, json.dumps(self._done))

    def watch(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()

    def _archive(self, path: Path) -> None:
        begin = time.monotonic()
        arguments = [*self._ctr, "images", "import", "--local", "--all-platforms", str(path)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=self._children.environment)
        if done.returncode:
            error(f"Failed to import images from {path}: {done.stderr.strip()}")
            return
        words = [line.split() for line in done.stdout.splitlines()]
        self._pin([word[1] for word in words if len(word) > 1 and word[0] == "unpacking"])
        info(f"Imported images from {path} in {time.monotonic() - begin:.1f}s")

    def _pin(self, names: t.Sequence[str]) -> None:
        for name in names:
            arguments = [*self._ctr, "images", "label", name, "io.cri-containerd.pinned=pinned"]
            subprocess.run(arguments, capture_output=True, check=False, env=self._children.environment)

    def _pull(self, path: Path) -> None:
        for name in path.read_text(encoding="utf-8").split():
            arguments = [*self._ctr, "images", "pull", "--hosts-dir", "", name]
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
            if done.returncode:
                error(f"Failed to pull {name}: {done.stderr.strip()[-300:]}")

    def _watch(self) -> None:
        while not self._children.stop.wait(_PAUSE):
            try:
                self.load()
            except OSError as exc:
                error(f"agent/images: {exc}")


__all__ = ("Images",)
