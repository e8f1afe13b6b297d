# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""From the variables ``klubster_cni*`` to the choice of a pod network that holds together."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model import sources
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS, Provider
from ansible_collections.kateskit.klubster.plugins.module_utils._model.rules import one_of
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG, Complain
from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import Cni

_ARCHIVES = (".tgz", ".tar.gz")
_DOCUMENTS = (".yml", ".yaml", ".json")
Cluster = t.Mapping[str, t.Any]


def read(cluster: Cluster, families: t.Collection[int], complain: Complain) -> Cni:
    """The choice; what is wrong with it is complained about, and then it is not to be used.

    :param cluster: typed values of the cluster's variables.
    :param families: address families of the pods' networks.
    """
    names = ("", "_backend", "_mtu", "_service_proxy", "_chart", "_chart_sha256", "_values", "_manifests")
    given = {f"klubster_cni{name}": cluster[f"klubster_cni{name}"] for name in names}
    if WRONG in (*(given[name] for name in given if name != "klubster_cni_manifests"), *_entries(given)):
        return Cni("none")
    row = PROVIDERS[given["klubster_cni"]]
    reader = _Reader(row, complain)
    return Cni(
        provider=t.cast(t.Any, row.name),
        backend=reader.backend(given["klubster_cni_backend"], families),
        mtu=reader.mtu(given["klubster_cni_mtu"]),
        service_proxy=reader.service_proxy(given["klubster_cni_service_proxy"], cluster["klubster_kube_proxy_config"]),
        chart=reader.chart(given["klubster_cni_chart"], given["klubster_cni_manifests"]),
        chart_sha256=reader.chart_sha256(given["klubster_cni_chart_sha256"], given["klubster_cni_chart"]),
        values=reader.values(given["klubster_cni_values"], given["klubster_cni_chart"]),
        manifests=reader.manifests(given["klubster_cni_manifests"]),
    )


def _entries(given: Cluster) -> list[t.Any]:
    manifests = given["klubster_cni_manifests"]
    return [WRONG] if manifests is WRONG else list(manifests)


class _Reader:
    """Reads the values of one provider."""

    def __init__(self, row: Provider, complain: Complain) -> None:
        self._row, self._complain = row, complain

    def backend(self, given: str | None, families: t.Collection[int]) -> str:
        row, names = self._row, [backend.name for backend in self._row.backends]
        if not names:
            if given is not None:
                self._refuse("klubster_cni_backend", given, f"With {row.name} it is not ours to choose.", "Remove it.")
            return ""
        name = names[0] if given is None else given
        chosen = row.backend(name)
        if chosen is None:
            self._refuse("klubster_cni_backend", name, f"{row.name} has no such backend.", one_of(name, names))
            return names[0]
        lacking = sorted(set(families) - set(chosen.families))
        if lacking:
            fitting = [one.name for one in row.backends if set(families) <= set(one.families)]
            remedy = "Change klubster_pod_network, or choose another provider."
            self._refuse(
                "klubster_cni_backend",
                name,
                f"{row.name} carries no IPv{lacking[0]} by it, and klubster_pod_network has that.",
                one_of("", fitting) if fitting else remedy,
            )
        return name

    def mtu(self, given: int | None) -> int | None:
        if given is not None and not self._row.backends:
            self._refuse("klubster_cni_mtu", given, f"With {self._row.name} it is not ours to set.", "Remove it.")
        return given

    def service_proxy(self, given: bool, kube_proxy: t.Any) -> bool:
        if given and not self._row.service_proxy:
            able = ", ".join(name for name, row in PROVIDERS.items() if row.service_proxy)
            self._refuse(
                "klubster_cni_service_proxy",
                given,
                f"{self._row.name} cannot do kube-proxy's work; {able} can.",
                "Set it to false, or choose one of these.",
            )
        elif given and kube_proxy:
            self._refuse(
                "klubster_kube_proxy_config",
                kube_proxy,
                f"There is no kube-proxy: {self._row.name} does its work (klubster_cni_service_proxy).",
                "Remove it.",
            )
        return given

    def chart(self, given: str | None, manifests: t.Sequence[str]) -> str:
        row, name = self._row, "klubster_cni_chart"
        if given is None:
            if row.chart == "user":
                rule = f"The chart of {row.name} is neither in the bundle nor in this collection."
                self._refuse(name, None, rule, "Name a folder or .tgz on the controller, or a URL with its sum.")
            if row.name == "custom" and not manifests:
                rule = "With klubster_cni: custom the network is yours, and nothing says what it is."
                self._refuse("klubster_cni_manifests", [], rule, f"Name files here, or a chart: {name}.")
            return ""
        if not row.own_chart:
            why = "comes with a chart of this collection" if row.chart else "is not installed by a chart"
            able = ", ".join(one for one, other in PROVIDERS.items() if other.own_chart)
            self._refuse(name, given, f"{row.name} {why}; a chart of yours is for {able}.", "Remove it.")
            return ""
        if sources.is_url(given):
            return sources.url(name, given, self._complain, what="chart", endings=_ARCHIVES)
        return sources.path(name, given, self._complain)

    def chart_sha256(self, given: str | None, chart: str | None) -> str:
        name, url = "klubster_cni_chart_sha256", sources.is_url(chart)
        if given is None:
            if url and self._row.own_chart:
                sources.needs_sum(name, self._complain)
            return ""
        if not chart:
            self._refuse(
                name, given, "There is no chart whose sum it would be.", "Set klubster_cni_chart, or remove it."
            )
        elif sources.is_sum(name, given, self._complain) and not url and not chart.endswith(_ARCHIVES):
            self._refuse(name, given, "A folder has no sum; only a .tgz has one.", "Remove it, or name the .tgz.")
        return given

    def values(self, given: t.Mapping[str, t.Any], chart: str | None) -> dict[str, t.Any]:
        name, row = "klubster_cni_values", self._row
        if given and (not row.has_values or (row.name == "custom" and not chart)):
            why = "klubster_cni_chart names none" if row.own_chart else f"{row.name} has none"
            self._refuse(name, sorted(given), f"They are values of a chart, and {why}.", "Remove them.")
            return dict(given)
        for path, remedy in row.decided.items():
            found = _at(given, path.split("."))
            if found is not None:
                self._refuse(f"{name}.{path}", found, "This value is decided by the collection.", remedy)
        return dict(given)

    def manifests(self, given: t.Sequence[str]) -> tuple[str, ...]:
        if given and not self._row.own_manifests:
            able = " and ".join(name for name, row in PROVIDERS.items() if row.own_manifests)
            rule = f"Manifests of yours are for {able}, not for {self._row.name}."
            self._refuse("klubster_cni_manifests", list(given), rule, "Remove them, or set klubster_cni: custom.")
            return ()
        found: list[str] = []
        for index, text in enumerate(given):
            where = f"klubster_cni_manifests[{index}]"
            path = sources.path(where, text, self._complain)
            if path and not path.endswith(_DOCUMENTS):
                self._refuse(
                    where, text, "It is a file of YAML or JSON.", "Name one that ends in .yml, .yaml or .json."
                )
            elif path and path in found:
                self._refuse(where, text, "Each file is named once.", "Remove one of the two.")
            found.append(path)
        return tuple(found)

    def _refuse(self, where: str, value: t.Any, rule: str, remedy: str) -> None:
        self._complain(where, value, rule, remedy)


def _at(values: t.Any, path: t.Sequence[str]) -> t.Any:
    for key in path:
        if not isinstance(values, t.Mapping) or key not in values:
            return None
        values = values[key]
    return values


__all__ = ("read",)
