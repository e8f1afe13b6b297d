# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Renders charts by ``helm template``. What was rendered before of the same chart, values and Helm is kept.

Nothing is installed by Helm: what it prints becomes a set of cluster objects like any other. Hooks are left out.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._bundle.manifest import BundleError, Manifest
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.manifests import parse
from ansible_collections.kateskit.klubster.plugins.module_utils._cluster.objects import Object
from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._command import run as run_program
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import CommandFailed, KlubsterError
from ansible_collections.kateskit.klubster.plugins.module_utils._files import sha256_of, write_atomically

_PROGRAM = "bin/helm"
_TIMEOUT = 120.0
#: kinds of Kubernetes' own that live in a namespace: ``helm template`` writes none into them
_NAMESPACED = frozenset(
    {
        *("ConfigMap", "CronJob", "DaemonSet", "Deployment", "Endpoints", "HorizontalPodAutoscaler", "Ingress", "Job"),
        *("Lease", "LimitRange", "NetworkPolicy", "PersistentVolumeClaim", "Pod", "PodDisruptionBudget", "PodTemplate"),
        *("ReplicaSet", "ResourceQuota", "Role", "RoleBinding", "Secret", "Service", "ServiceAccount", "StatefulSet"),
    }
)


class HelmError(KlubsterError):
    """A chart cannot be rendered."""


@dataclass(frozen=True)
class Helm:
    """The program, and what tells one build of it from another."""

    program: Path
    identity: str


@dataclass(frozen=True)
class Release:
    """What a chart is told besides its values."""

    name: str
    namespace: str
    #: of Kubernetes, without a leading v
    version: str


def find(
    bundle_dir: str, run: Runner = run_program, which: t.Callable[[str], str | None] = shutil.which
) -> Helm | None:
    """The Helm of the bundle, or else the one on the PATH."""
    try:
        program = Manifest.load(bundle_dir).file(_PROGRAM) if bundle_dir else None
    except BundleError:
        program = None
    if program is not None and program.path.is_file():
        return Helm(program.path, program.sha256)
    found = which("helm")
    if found is None:
        return None
    try:
        return Helm(Path(found), run([found, "version", "--template", "{{.Version}}"], timeout=_TIMEOUT).stdout.strip())
    except CommandFailed:
        return None


def render(
    helm: Helm,
    chart: Path,
    release: Release,
    values: t.Mapping[str, t.Any],
    *,
    cache: Path,
    run: Runner = run_program,
) -> list[Object]:
    """The objects of a chart.

    :param chart: a folder or a .tgz.
    :param cache: folder with what was rendered before.
    :raises HelmError: Helm refuses the chart or the values.
    """
    place = cache / f"{_key(helm, chart, release, values)}.json"
    try:
        kept: list[Object] = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass
    else:
        return kept
    argv = [str(helm.program), "template", release.name, str(chart), "--namespace", release.namespace]
    argv += ["--no-hooks", "--include-crds", "--kube-version", f"v{release.version}", "--values", "-"]
    # Of the user's Helm nothing counts: neither plugins nor settings.
    folders = {f"HELM_{name}_HOME": str(cache / "helm" / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    try:
        done = run(argv, stdin=json.dumps(values), env=folders, timeout=_TIMEOUT)
    except CommandFailed as exc:
        said = "\n".join(line for line in exc.stderr.splitlines() if line.strip() and "--debug" not in line)
        raise HelmError(f"Helm cannot render {chart}: {said or exc}") from exc
    objects = [placed(obj, release.namespace) for obj in parse(done.stdout, str(chart))]
    cache.mkdir(parents=True, exist_ok=True)
    write_atomically(place, (json.dumps(objects, sort_keys=True) + "\n").encode(), mode=0o600)
    return objects


def placed(obj: Object, namespace: str) -> Object:
    """The object in the release's namespace, unless it names one or needs none."""
    metadata = obj.get("metadata") or {}
    if obj.get("kind") not in _NAMESPACED or metadata.get("namespace"):
        return obj
    return {**obj, "metadata": {**metadata, "namespace": namespace}}


def digest_of_chart(chart: Path) -> str:
    """A fingerprint of a chart's content, whatever its files' times are."""
    if chart.is_file():
        return sha256_of(chart)
    digest = hashlib.sha256()
    for path in sorted(path for path in chart.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(chart).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _key(helm: Helm, chart: Path, release: Release, values: t.Mapping[str, t.Any]) -> str:
    recipe = [helm.identity, digest_of_chart(chart), release.name, release.namespace, release.version, values]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32]


__all__ = ("Helm", "HelmError", "Release", "digest_of_chart", "find", "placed", "render")
