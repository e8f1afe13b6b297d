# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""One look at a machine for all layers that work on it, with the very functions by which each of them compares.

It only decides whether a layer need run. So what cannot be looked at counts as lacking: the layer itself then says why.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._engine import api_address, kube_vip
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.service_set import settle
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import KlubsterError, reason
from ansible_collections.kateskit.klubster.plugins.module_utils._node import keepalived, machine
from ansible_collections.kateskit.klubster.plugins.module_utils._node.kernel import Kernel
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import Change
from ansible_collections.kateskit.klubster.plugins.module_utils._node.record import Record

ENGINES = ("k3s", "kubeadm")
Layers = t.Mapping[str, t.Mapping[str, t.Any]]


class EngineLook(t.NamedTuple):
    """How a machine of one engine is looked at, from checked options to the answer."""

    arguments: dict[str, t.Any]
    look: t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]]


def engine_look(engine: str) -> EngineLook:
    """The look of one of ``ENGINES``.

    A machine has one of them, and to read the other as well takes a tenth of a second on each machine in each run.
    """
    if engine == "k3s":
        from ansible_collections.kateskit.klubster.plugins.module_utils._engine import k3s_look  # noqa: PLC0415

        return EngineLook(k3s_look.ARGUMENTS, k3s_look.look)
    from ansible_collections.kateskit.klubster.plugins.module_utils._engine import kubeadm_look  # noqa: PLC0415

    return EngineLook(kubeadm_look.ARGUMENTS, kubeadm_look.look)


def layer_looks(layers: Layers, run: Runner) -> dict[str, dict[str, t.Any]]:
    """What each layer lacks on this machine.

    :param layers: options of the module that each layer would call; ``unseen`` instead says why it cannot be looked at.
    """
    return {name: _look(name, given, run) for name, given in layers.items()}


def warnings_of(found: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    """What a user should know of what :func:`layer_looks` found."""
    paths = found.get("k3s", {}).get("strangers", ())
    if not paths:
        return []
    from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_look import STRANGER  # noqa: PLC0415

    return [STRANGER.format(path=path) for path in paths]


def _look(name: str, given: t.Mapping[str, t.Any], run: Runner) -> dict[str, t.Any]:
    if "unseen" in given:
        return {"lacking": ["look"], "reason": str(given["unseen"])}
    try:
        return _LOOKS[name](given, run)
    except (KlubsterError, OSError) as exc:
        return {"lacking": ["look"], "reason": reason(exc)}


def _machine(given: t.Mapping[str, t.Any], run: Runner) -> dict[str, t.Any]:
    record = Record.load()
    state = machine.compare(machine.wanted_of(given), record, Kernel(), run)
    return {"lacking": machine.lacking(state, record)}


def _keepalived(given: t.Mapping[str, t.Any], run: Runner) -> dict[str, t.Any]:
    if not Path(keepalived.PROGRAM).exists():
        return {"lacking": ["keepalived"]}
    files = keepalived.files(keepalived.moving_of(given, run))
    settled = settle(api_address.NAME, files, keepalived.service(files), run, check=True)
    return _address(settled.changes, changed=settled.changed)


def _kube_vip(given: t.Mapping[str, t.Any], run: Runner) -> dict[str, t.Any]:
    changes = api_address.plan(kube_vip.files(kube_vip.pod_of(given, run)))
    return _address(changes, changed=bool(changes))


def _nobody(_given: t.Mapping[str, t.Any], _run: Runner) -> dict[str, t.Any]:
    changes = api_address.plan([])
    return _address(changes, changed=bool(changes))


def _address(changes: t.Sequence[Change], *, changed: bool) -> dict[str, t.Any]:
    """Who moved the address here before is named: to take that away is more than to bring something."""
    gone = [change.path for change in changes if change.action == "remove"]
    found: dict[str, t.Any] = {"lacking": ["api_address"] if changed else []}
    return {**found, "reason": f"Something else moves the address here: {', '.join(gone)}."} if gone else found


def _k3s(given: t.Mapping[str, t.Any], _run: Runner) -> dict[str, t.Any]:
    if not given["programs"]:
        return {"lacking": ["programs"], "reason": "The controller has no release for this machine yet."}
    return engine_look("k3s").look(given)


def _kubeadm(given: t.Mapping[str, t.Any], _run: Runner) -> dict[str, t.Any]:
    return engine_look("kubeadm").look(given)


_LOOKS: dict[str, t.Callable[[t.Mapping[str, t.Any], Runner], dict[str, t.Any]]] = {
    "machine": _machine,
    "none": _nobody,
    "keepalived": _keepalived,
    "kube_vip": _kube_vip,
    "kubeadm": _kubeadm,
    "k3s": _k3s,
}

__all__ = ("ENGINES", "EngineLook", "engine_look", "layer_looks", "warnings_of")
