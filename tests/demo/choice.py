# SPDX-License-Identifier: Apache-2.0
"""What the demo is made of: what the user says, else what is up already, else what can be had from here."""

from __future__ import annotations

import platform
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_release import (
    K3sVersion,
    architecture,
    places,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import DEFAULT_VERSIONS, one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._node.http_get import (
    Client,
    Deadline,
    GetFailed,
    Limits,
    get,
)
from ansible_collections.kateskit.klubster.plugins.module_utils._node.urls import shown

#: seconds that the download host has for its answer
PATIENCE = 3.0
#: engines, each with the sources that it can have, its own first
SOURCES: dict[str, tuple[str, ...]] = {
    "k3s": ("release", "airgap"),
    "kubeadm": ("bundle",),
    "standin": ("airgap",),
}
#: name of the lab by engine: demos of several engines stand side by side, and each is recognised again
LABS: dict[str, str] = {"kubeadm": "lab", "k3s": "demo-k3s", "standin": "demo-standin"}
VERSION = DEFAULT_VERSIONS["k3s"]

Probe = t.Callable[[], str]


@dataclass(frozen=True)
class Wish:
    """What the user said; empty where nothing was said."""

    engine: str = ""
    source: str = ""
    #: folder with a release
    airgap_dir: str = ""
    #: where to fetch the release instead of the official place
    mirror: str = ""

    @classmethod
    def of(cls, environment: t.Mapping[str, str]) -> Wish:
        """Read from ``ENGINE``, ``SOURCE``, ``AIRGAP_DIR`` and ``MIRROR``.

        :raises InvalidInput: no demo can be made that way; names what is allowed.
        """
        wish = cls(*(environment.get(name, "").strip() for name in ("ENGINE", "SOURCE", "AIRGAP_DIR", "MIRROR")))
        problems = wish._problems()
        if problems:
            raise InvalidInput(problems)
        return wish

    def _problems(self) -> list[Problem]:
        sources = list(dict.fromkeys(source for fitting in SOURCES.values() for source in fitting))
        if self.engine and self.engine not in SOURCES:
            return [Problem("ENGINE", self.engine, "is no engine of the demo.", _allowed(self.engine, list(SOURCES)))]
        if self.source and self.source not in sources:
            return [Problem("SOURCE", self.source, "is no source of the demo.", _allowed(self.source, sources))]
        if self.source and self.engine and self.source not in SOURCES[self.engine]:
            rule = f"{self.engine} does not come from it."
            return [Problem("SOURCE", self.source, rule, _allowed(self.source, SOURCES[self.engine]))]
        found = []
        airgap = self.source == "airgap" and self.engine in ("", "k3s")
        if airgap and not self.airgap_dir:
            remedy = "Name it: AIRGAP_DIR=/path holds a release's program, list of sums and archive of images."
            found.append(Problem("AIRGAP_DIR", None, "SOURCE=airgap is a folder of yours.", remedy))
        if self.airgap_dir and not airgap:
            found.append(Problem("AIRGAP_DIR", self.airgap_dir, "is for SOURCE=airgap only.", "Leave it out."))
        if self.airgap_dir and not Path(self.airgap_dir).expanduser().is_absolute():
            found.append(Problem("AIRGAP_DIR", self.airgap_dir, "is not absolute.", "Write it from the root on."))
        if self.mirror and (self.engine not in ("", "k3s") or self.source not in ("", "release")):
            found.append(Problem("MIRROR", shown(self.mirror), "is for releases of k3s only.", "Leave it out."))
        elif self.mirror:
            try:
                release_urls(self.mirror)
            except InvalidInput as exc:
                found += exc.problems
        return found


@dataclass(frozen=True)
class Choice:
    engine: str
    source: str
    why: str
    airgap_dir: str = ""
    mirror: str = ""

    @property
    def lab(self) -> str:
        return LABS[self.engine]

    @property
    def sentence(self) -> str:
        made_of = {
            ("k3s", "release"): f"the release of k3s {VERSION}",
            ("k3s", "airgap"): f"k3s from {self.airgap_dir}",
            ("kubeadm", "bundle"): "kubeadm, all of it built from source",
            ("standin", "airgap"): f"the tests' stand-in for k3s {VERSION}, built from source",
        }[self.engine, self.source]
        return f"The demo is made of {made_of}: {self.why}."


def choose(wish: Wish, there: t.Collection[str], probe: Probe) -> Choice:
    """:param there: engines whose demo is up.
    :param probe: why the release cannot be had; empty when it can.
    """
    if wish.engine or wish.source:
        engine = wish.engine or next(name for name, sources in SOURCES.items() if wish.source in sources)
        source = wish.source or SOURCES[engine][0]
        said = [f"{name}={value}" for name, value in (("ENGINE", wish.engine), ("SOURCE", wish.source)) if value]
        return Choice(engine, source, f"{' '.join(said)} says so", wish.airgap_dir, wish.mirror)
    for engine in SOURCES:
        if engine in there:
            why = "such a demo is up already (`make demo-down` removes it)"
            return Choice(engine, SOURCES[engine][0], why, mirror=wish.mirror)
    trouble = probe()
    if trouble:
        return Choice("kubeadm", "bundle", f"the release of k3s cannot be had from here, {trouble}")
    return Choice("k3s", "release", "its download host answers", mirror=wish.mirror)


def release_urls(mirror: str = "") -> list[str]:
    """Where the release's list of sums is; that of this machine's architecture, as the lab's machines share it."""
    sums = architecture(platform.machine()).sums
    return places(K3sVersion.parse(VERSION), sums, [mirror] if mirror else (), "MIRROR")


def trouble_with(url: str, patience: float = PATIENCE) -> str:
    """Why nothing can be fetched from there; empty when the file itself answers in time. Proxies are those of the
    environment."""
    found = [f"{shown(url)} gave no answer within {patience:g} s"]

    def ask() -> None:
        limits = Limits(stall=patience, total=patience)
        try:
            with get(url, {}, Client(limits=limits), Deadline(patience)) as answer:
                first = next(answer.chunks(), b"") if answer.status == 200 else b""
                found[:] = [] if first else [f"{shown(url)} answers {answer.status} {answer.reason}".rstrip()]
        except GetFailed as exc:
            found[:] = [f"{shown(url)}: {exc}"]

    # A name that is not resolved has a patience of its own, which is longer.
    asking = threading.Thread(target=ask, name="probe", daemon=True)
    asking.start()
    asking.join(patience)
    return "".join(found[:1])


def _allowed(given: str, known: t.Sequence[str]) -> str:
    near = one_of(given, known)
    return near if near.startswith("Use") else f"{near} Allowed: {', '.join(known)}."


__all__ = ("LABS", "PATIENCE", "SOURCES", "VERSION", "Choice", "Wish", "choose", "release_urls", "trouble_with")
