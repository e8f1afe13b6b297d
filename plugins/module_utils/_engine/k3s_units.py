# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Units of systemd for k3s, as text. Nothing stands on the command line but the role."""

from __future__ import annotations

from ansible_collections.kateskit.klubster.plugins.module_utils._engine.engine_layout import Role
from ansible_collections.kateskit.klubster.plugins.module_utils._engine.k3s_layout import K3sLayout

_HEAD = "# Written by kateskit.klubster; changes are overwritten. Put your own into a drop-in.\n"


def unit(layout: K3sLayout, role: Role) -> str:
    """The service of a server or an agent.

    It tells when it is ready, and has no limit for that: with a wrong token it is never ready, so whoever starts it
    does not wait for systemd. Stopping it leaves the containers running.
    """
    return (
        f"{_HEAD}[Unit]\n"
        f"Description=k3s {role}\n"
        "Documentation=https://docs.k3s.io\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "\n[Service]\n"
        "Type=notify\n"
        "EnvironmentFile=-/etc/default/%N\n"
        "EnvironmentFile=-/etc/sysconfig/%N\n"
        f"EnvironmentFile=-{layout.environment(role)}\n"
        "ExecStartPre=-/sbin/modprobe br_netfilter\n"
        "ExecStartPre=-/sbin/modprobe overlay\n"
        f"ExecStart={layout.program} {role}\n"
        "KillMode=process\n"
        "Delegate=yes\n"
        "User=root\n"
        "LimitNOFILE=1048576\n"
        "LimitNPROC=infinity\n"
        "LimitCORE=infinity\n"
        "TasksMax=infinity\n"
        "TimeoutStartSec=0\n"
        "Restart=always\n"
        "RestartSec=5s\n"
        "\n[Install]\n"
        "WantedBy=multi-user.target\n"
    )


__all__ = ("unit",)
