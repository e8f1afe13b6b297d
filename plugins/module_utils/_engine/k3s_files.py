# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""k3s's configuration files: their text written, read back, and told from those of others."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine import block_yaml
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3S, K3sLayout

_HEAD = "# Written by kateskit.klubster; changes are overwritten.\n"
#: drop-in with what is the same on all servers
SHARED = "10-klubster-cluster.yaml"
_OURS = (SHARED, K3S.join_drop_in.rpartition("/")[2])


def render(config: t.Mapping[str, t.Any]) -> str:
    """The text of a ``config.yaml`` or of one of its drop-ins."""
    return _HEAD + block_yaml.dumps(config)


def as_k3s_merges(documents: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The base file and its drop-ins, in the order of their names, as k3s makes one of them.

    A later key replaces an earlier one; ``key+`` appends, and makes a list of both.
    """
    result: dict[str, t.Any] = {}
    for document in documents:
        for key, value in document.items():
            if not key.endswith("+"):
                result[key] = value
                continue
            name = key[:-1]
            result[name] = [*_as_list(result[name]), *_as_list(value)] if name in result else _as_list(value)
    return result


def read(texts: t.Mapping[str, str], layout: K3sLayout = K3S) -> dict[str, t.Any]:
    """What files of ours say together: ``texts`` by path.

    :raises YamlError: one of them was not written by us.
    """
    drop_ins = sorted(
        path for path in texts if path.startswith(f"{layout.drop_ins}/") and path.endswith((".yaml", ".yml"))
    )
    order = [path for path in (layout.config, *drop_ins) if path in texts]
    return as_k3s_merges([block_yaml.loads(texts[path]) for path in order])


def strangers(names: t.Iterable[str]) -> list[str]:
    """Files of the drop-in folder that k3s reads and that are not ours: what they say beats what we say."""
    return sorted(name for name in names if name.endswith((".yaml", ".yml")) and name not in _OURS)


def _as_list(value: t.Any) -> list[t.Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


__all__ = ("SHARED", "as_k3s_merges", "read", "render", "strangers")
