# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""containerd's configuration as data. Format version 3, as containerd 2 reads it."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.toml import dumps

_HEAD = "# Written by kateskit.klubster; changes are overwritten.\n"
_IMAGES = "io.containerd.cri.v1.images"
_RUNTIME = "io.containerd.cri.v1.runtime"


def config(
    *,
    sandbox_image: str,
    systemd_cgroup: bool = True,
    lower_oom_score: bool = True,
    settings: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """containerd's settings.

    :param sandbox_image: reference of the pause image; pinned, so that no registry is asked for it.
    :param systemd_cgroup: whether runc lets systemd make cgroups; must be what kubelet does (cgroupDriver).
    :param lower_oom_score: False where the machine may not lower oom_score_adj; runc would die otherwise.
    :param settings: laid over ours, key by key.
    """
    ours = {
        "version": 3,
        "plugins": {
            _IMAGES: {
                "snapshotter": "overlayfs",
                "pinned_images": {"sandbox": sandbox_image},
            },
            _RUNTIME: {
                "restrict_oom_score_adj": not lower_oom_score,
                "containerd": {
                    "default_runtime_name": "runc",
                    "runtimes": {
                        "runc": {
                            "runtime_type": "io.containerd.runc.v2",
                            "options": {"SystemdCgroup": systemd_cgroup},
                        }
                    },
                },
            },
        },
    }
    return merged(ours, settings or {})


def render(data: t.Mapping[str, t.Any]) -> str:
    """The text of config.toml."""
    return _HEAD + dumps(data)


def merged(under: t.Mapping[str, t.Any], over: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """``over`` laid over ``under``: mappings key by key, everything else replaced as a whole."""
    result = dict(under)
    for key, value in over.items():
        have = result.get(key)
        if isinstance(have, t.Mapping) and isinstance(value, t.Mapping):
            result[key] = merged(have, value)
        else:
            result[key] = value
    return result


__all__ = ("config", "merged", "render")
