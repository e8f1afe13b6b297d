# Note that this plugin util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)

"""What the looks at all machines mean: which of them lack something, and whether the engine has anything to do."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.filter.engine_decision import engine_decision
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.layout import LAYOUTS
from ansible_collections.kateskit.klubster.plugins.plugin_utils._plain import plain

#: what the role preflight registers on each machine
_LOOK = "__preflight_probe"
Looks = dict[str, dict[str, t.Any]]
#: a pattern that matches no host; an empty list would mean all
NOBODY = ["all", "!all"]


def looks_of(variables: t.Any, groups: t.Any) -> Looks:
    """By machine, what was said of its layers. A machine that this run leaves out has none."""
    found = {}
    for name in [*(groups.get("servers") or ()), *(groups.get("agents") or ())]:
        if name in variables and _LOOK in variables[name]:
            found[str(name)] = plain(variables[name][_LOOK].get("layers") or {})
    return found


def machines_lack(layers: t.Mapping[str, t.Any]) -> bool:
    """Whether anything below the engine is lacking; so it is where nobody looked."""
    below = [entry for layer, entry in layers.items() if layer not in LAYOUTS]
    return not layers or any(entry["lacking"] for entry in below)


def _engine_lacks(looks: Looks, plan: t.Mapping[str, t.Any]) -> bool:
    """Whether a machine lacks anything of the engine, or all of them together have something to do."""
    engine = plan["engine"]
    said = {name: layers.get(engine["name"], {}) for name, layers in looks.items()}
    if any(look.get("lacking", True) for look in said.values()):
        return True
    decision = engine_decision(said, plan["servers"], engine["version"])
    return bool(decision["needed"] or decision["refused"])


def engine_settled(variables: t.Any, groups: t.Any) -> bool:
    """Whether the engine was looked at and has nothing to do: then its own look is one of an earlier playbook."""
    looks = looks_of(variables, groups)
    return bool(looks) and not _engine_lacks(looks, plain(variables[next(iter(looks))]["klubster_plan"]))


def began(variables: t.Any, groups: t.Any) -> str:
    """The server that started the cluster in this run, if others join it and have the pods' network; empty otherwise.

    A network of pods starts on a node that joins before kube-proxy there leads it to the API, fails, and is started
    again ten seconds later. So only where the engine brings the network, the rest begins before the others join.
    """
    for name in groups.get("servers") or ():
        if name not in variables:
            continue
        decision = plain(variables[name].get("__engine_decision") or {})
        if not decision.get("begin") or not (decision["join_servers"] or decision["join_agents"]):
            continue
        if plain(variables[name]["klubster_plan"])["cni"]["layer"] == "none":
            return str(decision["begin"])
    return ""


__all__ = ("NOBODY", "Looks", "began", "engine_settled", "looks_of", "machines_lack")
