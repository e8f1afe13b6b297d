# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Charts of pod networks: their versions and images, where each lies, what is wrong with it, and what it renders."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.catalogue import default_cache
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster import helm, manifests
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import DefinitionError, Object
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of
from ansible_collections.kateskit.klubster.plugins.module_utils._model.cni import PROVIDERS

Plan = t.Mapping[str, t.Any]
Values = t.Mapping[str, t.Any]
VARIABLE = "klubster_cni_chart"
_OWN = Path(__file__).resolve().parents[3] / "roles" / "layers" / "files"


@dataclass(frozen=True)
class Pinned:
    """An image by version and by the digest that its publisher states."""

    repository: str
    tag: str
    digest: str


@dataclass(frozen=True)
class Chart:
    """How a provider's chart is used.

    :param version: of the provider, where we decide it; the bundle's catalogue has the same.
    """

    release: str
    namespace: str = "kube-system"
    version: str = ""
    images: tuple[Pinned, ...] = ()


#: https://github.com/cilium/cilium/releases/tag/v1.18.3 lists the digests. The module's chart has none in it.
CHARTS: dict[str, Chart] = {
    "cilium": Chart(
        "cilium",
        version="1.18.3",
        images=(
            Pinned(
                "quay.io/cilium/cilium",
                "v1.18.3",
                "sha256:5649db451c88d928ea585514746d50d91e6210801b300c897283ea319d68de15",
            ),
            Pinned(
                "quay.io/cilium/operator-generic",
                "v1.18.3",
                "sha256:b5a0138e1a38e4437c5215257ff4e35373619501f4877dbaf92c89ecfad81797",
            ),
        ),
    ),
    "calico": Chart("calico", "tigera-operator"),
    "kube_router": Chart(
        "kube-router",
        version="2.10.0",
        images=(
            Pinned(
                "docker.io/cloudnativelabs/kube-router",
                "v2.10.0",
                "sha256:0991f2cc7aaabe107b51c0c554d6b843f0483fd319b94f437fab638470c47c22",
            ),
        ),
    ),
    "custom": Chart("network"),
}


def cache() -> Path:
    return default_cache().root / "charts"


def place(plan: Plan) -> Path | None:
    """Where the chart of the plan's provider lies, or will; None where there is none."""
    cni = plan["cni"]
    row, given = PROVIDERS[cni["layer"]], str(cni.get("chart") or "")
    if given:
        return fetched(cni["chart_sha256"]) if "://" in given else Path(given)
    if row.chart == "own":
        return _OWN / row.name
    if row.chart == "bundle":
        return Path(plan["engine"]["bundle_dir"]) / "charts" / row.name
    return None


def fetched(sha256: str) -> Path:
    """Where a chart that comes from a URL is kept."""
    return cache() / "fetched" / f"{sha256}.tgz"


def problems(plan: Plan) -> list[Problem]:
    """What keeps the plan's chart and manifests from being used; what comes from a URL has been fetched."""
    return [*_chart_problems(plan), *_manifest_problems(plan)]


def _chart_problems(plan: Plan) -> list[Problem]:
    chart, cni, found = place(plan), plan["cni"], list[Problem]()
    if chart is None:
        return found
    if helm.find(plan["engine"]["bundle_dir"]) is None:
        rule = f"{cni['layer']} comes as a chart, and neither the bundle nor the PATH has a Helm to render it with."
        remedy = "Install helm 3 on this computer, or build a bundle: playbooks/bundle.yml."
        found.append(Problem("klubster_cni", cni["layer"], rule, remedy))
    if "://" in str(cni.get("chart") or ""):
        return found
    if not cni.get("chart"):
        if not (chart / "Chart.yaml").is_file():
            rule = f"The bundle has no chart of {cni['layer']}."
            remedy = "Build it: playbooks/bundle.yml -e '{source_bundle_sets: [cluster, cni]}', or name one yourself."
            found.append(Problem(VARIABLE, None, rule, remedy))
        return found
    wanted = str(cni.get("chart_sha256") or "")
    if chart.is_dir() and not (chart / "Chart.yaml").is_file():
        found.append(
            Problem(VARIABLE, str(chart), "A chart's folder has a Chart.yaml.", "Name the folder that has it.")
        )
    elif not chart.exists():
        found.append(Problem(VARIABLE, str(chart), "There is no such folder or file here.", "Put the chart there."))
    elif wanted and chart.is_file() and sha256_of(chart) != wanted:
        rule = f"The file's sha256 is {sha256_of(chart)[:12]}…, and not the one that is wanted."
        found.append(Problem("klubster_cni_chart_sha256", wanted, rule, "Fetch it again, or correct the sum."))
    return found


def _manifest_problems(plan: Plan) -> list[Problem]:
    found = []
    for index, name in enumerate(plan["cni"].get("manifests") or []):
        try:
            if not objects_of(str(name)):
                raise DefinitionError("It holds no object.")
        except KlubsterError as exc:
            remedy = "Name a file with objects of Kubernetes."
            found.append(Problem(f"klubster_cni_manifests[{index}]", name, str(exc), remedy))
    return found


def rendered(plan: Plan, values: Values) -> list[Object]:
    """The objects of the plan's chart; none where it has none.

    :raises KlubsterError: it cannot be rendered.
    """
    chart = place(plan)
    if chart is None:
        return []
    wrong = _chart_problems(plan)
    if not wrong and not chart.exists():
        wrong = [Problem(VARIABLE, plan["cni"]["chart"], "It was not fetched.", "Run without --tags and --skip-tags.")]
    program = helm.find(plan["engine"]["bundle_dir"])
    if wrong or program is None:
        raise helm.HelmError("; ".join(str(problem) for problem in wrong))
    row = CHARTS[plan["cni"]["layer"]]
    version = str(plan["engine"]["version"]).partition("+")[0]
    return helm.render(program, chart, helm.Release(row.release, row.namespace, version), values, cache=cache())


def objects_of(name: str) -> list[Object]:
    """The objects of a user's manifest.

    :raises DefinitionError: it cannot be read.
    """
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise DefinitionError(f"{name} cannot be read: {getattr(exc, 'strerror', None) or exc}.") from exc
    return manifests.parse(text, name)


__all__ = (
    "CHARTS",
    "VARIABLE",
    "Chart",
    "Pinned",
    "cache",
    "fetched",
    "objects_of",
    "place",
    "problems",
    "rendered",
)
