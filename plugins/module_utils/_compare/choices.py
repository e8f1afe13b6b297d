# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Choices of a pod network that are compared."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS

VARIABLE = "compare_cni_choices"
#: what an entry may hold besides name and not_run -> the variable that it stands for, and its type
FIELDS: dict[str, tuple[str, type]] = {
    "cni": ("klubster_cni", str),
    "backend": ("klubster_cni_backend", str),
    "service_proxy": ("klubster_cni_service_proxy", bool),
    "mtu": ("klubster_cni_mtu", int),
    "chart": ("klubster_cni_chart", str),
    "chart_sha256": ("klubster_cni_chart_sha256", str),
    "values": ("klubster_cni_values", dict),
    "manifests": ("klubster_cni_manifests", list),
}
_OWN = {"name": str, "not_run": str}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}")


@dataclass(frozen=True)
class Choice:
    """One of them."""

    name: str
    #: as site.yml takes them
    variables: dict[str, t.Any] = field(default_factory=dict)
    #: why it is not run here; empty: it is
    not_run: str = ""

    @property
    def key(self) -> str:
        """Fit for the name of a folder."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-.")


def parse(given: t.Any) -> list[Choice]:
    """All of them, or everything that is wrong with them.

    :raises InvalidInput: before anything was touched.
    """
    if not isinstance(given, list) or not given:
        rule = "it must be a list with one entry at least."
        raise InvalidInput([Problem(VARIABLE, given, rule, "Write [{cni: flannel, backend: vxlan}].")])
    problems: list[Problem] = []
    found: list[Choice] = []
    seen: dict[str, int] = {}
    for index, entry in enumerate(given):
        where = f"{VARIABLE}[{index}]"
        wrong = _wrong(where, entry)
        if wrong:
            problems += wrong
            continue
        choice = _choice(entry)
        if choice.key in seen:
            rule = f"it is called {choice.name!r} like entry {seen[choice.key]}, so their results would be mixed."
            problems.append(Problem(where, entry, rule, "Give it a name of its own."))
        seen[choice.key] = index
        found.append(choice)
    if problems:
        raise InvalidInput(problems)
    return found


def _wrong(where: str, entry: t.Any) -> list[Problem]:
    if not isinstance(entry, dict):
        return [Problem(where, entry, "it must be a dictionary.", "Write {cni: flannel, backend: vxlan}.")]
    kinds = {**{name: kind for name, (_variable, kind) in FIELDS.items()}, **_OWN}
    problems = [
        Problem(f"{where}.{key}", value, "there is no such key.", f"Take one of {', '.join(sorted(kinds))}.")
        for key, value in entry.items()
        if key not in kinds
    ]
    problems += [
        Problem(f"{where}.{key}", value, f"it must be of type {kinds[key].__name__}.", "Write it so.")
        for key, value in entry.items()
        if key in kinds and (not isinstance(value, kinds[key]) or (kinds[key] is int and isinstance(value, bool)))
    ]
    if problems:
        return problems
    provider = PROVIDERS.get(entry.get("cni", ""))
    if provider is None or provider.name == "none":
        known = ", ".join(name for name in PROVIDERS if name != "none")
        rule = "it names no pod network that could be measured."
        return [Problem(f"{where}.cni", entry.get("cni", ""), rule, f"Take one of {known}.")]
    backend = entry.get("backend", "")
    if backend and provider.backends and provider.backend(backend) is None:
        known = ", ".join(one.name for one in provider.backends)
        problems.append(Problem(f"{where}.backend", backend, f"{provider.name} has it not.", f"Take one of {known}."))
    name = entry.get("name", "")
    if name and not _NAME.fullmatch(name):
        rule = "it must begin with a letter or digit, and hold letters, digits, spaces and . _ + - only, 40 at most."
        problems.append(Problem(f"{where}.name", name, rule, "Give another name."))
    return problems


def _choice(entry: t.Mapping[str, t.Any]) -> Choice:
    provider = PROVIDERS[entry["cni"]]
    backend = entry.get("backend") or (provider.backends[0].name if provider.backends else "")
    words = [entry["cni"], backend, "service proxy" if entry.get("service_proxy") else ""]
    name = entry.get("name") or " ".join(word for word in words if word)
    variables = {FIELDS[key][0]: value for key, value in entry.items() if key in FIELDS}
    # What an entry leaves out is as in the inventory; another provider's backend would not fit.
    variables |= {"klubster_cni_backend": backend} if backend else {}
    return Choice(name, variables, entry.get("not_run", ""))


__all__ = ("FIELDS", "VARIABLE", "Choice", "parse")
