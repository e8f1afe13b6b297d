# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""An address that moves between the servers: keepalived's configuration, and a unit of our own.

The unit is not the distribution's: a keepalived that the user has for something else goes on beside it. A check only
lowers a server's priority and never takes it out, so that the address is somewhere before the first API has started.

An API whose etcd does not answer takes connections and then fails every request, for as long as a kubelet waits before
it starts etcd anew (half a minute and more); so etcd is asked as well. Where servers have none, all of them are lowered
alike.
"""

from __future__ import annotations

import json
import sys
import typing as t
from dataclasses import dataclass

from ansible_collections.kateskit.klubster.plugins.module_utils._command import Runner
from ansible_collections.kateskit.klubster.plugins.module_utils._errors import InvalidInput, Problem
from ansible_collections.kateskit.klubster.plugins.module_utils._node import api_address_checks as checks
from ansible_collections.kateskit.klubster.plugins.module_utils._node.managed_files import WantedFile
from ansible_collections.kateskit.klubster.plugins.module_utils._node.services import Service

PROGRAM = "/usr/sbin/keepalived"
UNIT = "klubster-api-address.service"
_CONFIG = f"{checks.FOLDER}/keepalived.conf"
_HIGHEST, _STEP = 200, 5
# Each is more than lies between the first and the last of any sensible number of servers, and they differ so that an
# API that is down counts where no server has etcd.
_PENALTY, _ETCD_PENALTY = 100, 60


@dataclass(frozen=True)
class Moving:
    """The address and those between whom it moves.

    :param servers: addresses of the servers; the first that answers has it.
    :param interface: this server's interface.
    """

    address: str
    port: int
    own: str
    servers: tuple[str, ...]
    vrrp_id: int
    interface: str


def moving_of(given: t.Mapping[str, t.Any], run: Runner) -> Moving:
    """From the options of ``keepalived_config``.

    :raises KlubsterError: this machine has not the address that it shall have.
    """
    if given["own"] not in given["servers"]:
        rule = "It is one of the servers' addresses."
        raise InvalidInput([Problem("own", given["own"], rule, "Add it to servers.")])
    interface = interface_with(given["own"], run)
    return Moving(given["address"], given["port"], given["own"], tuple(given["servers"]), given["vrrp_id"], interface)


def config(moving: Moving) -> str:
    """keepalived.conf."""
    peers = [address for address in moving.servers if address != moving.own]
    listed = "".join(f"        {address}\n" for address in peers)
    unicast = f"    unicast_src_ip {moving.own}\n    unicast_peer {{\n{listed}    }}\n" if peers else ""
    prefix = 128 if ":" in moving.address else 32
    return (
        "# Written by kateskit.klubster; changes are overwritten.\n"
        "global_defs {\n"
        "    enable_script_security\n"
        "    script_user root\n"
        "}\n"
        f"{_script('api_answers', 'api-answers', _PENALTY)}"
        f"{_script('etcd_answers', 'etcd-answers', _ETCD_PENALTY)}"
        "vrrp_instance api_address {\n"
        "    state BACKUP\n"
        f"    interface {moving.interface}\n"
        f"    virtual_router_id {moving.vrrp_id}\n"
        f"    priority {_HIGHEST - _STEP * moving.servers.index(moving.own)}\n"
        "    advert_int 1\n"
        f"{unicast}"
        "    virtual_ipaddress {\n"
        f"        {moving.address}/{prefix}\n"
        "    }\n"
        "    track_script {\n"
        "        api_answers\n"
        "        etcd_answers\n"
        "    }\n"
        "}\n"
    )


def _script(name: str, program: str, penalty: int) -> str:
    return (
        f"vrrp_script {name} {{\n"
        f'    script "{checks.FOLDER}/{program}"\n'
        "    interval 1\n"
        "    timeout 3\n"
        "    fall 2\n"
        "    rise 3\n"
        f"    weight -{penalty}\n"
        "}\n"
    )


def unit() -> str:
    return (
        "# Written by kateskit.klubster; changes are overwritten. Put your own into a drop-in.\n"
        "[Unit]\n"
        "Description=The address of the Kubernetes API, on one server at a time\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "\n[Service]\n"
        "Type=simple\n"
        f"ExecStart={PROGRAM} --dont-fork --vrrp --log-console --use-file {_CONFIG}"
        " --pid /run/klubster-keepalived.pid --vrrp_pid /run/klubster-keepalived-vrrp.pid\n"
        "KillMode=process\n"
        f"RuntimeDirectory={checks.MEMORY.name}\n"
        "Restart=always\n"
        "RestartSec=1\n"
        "\n[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def files(moving: Moving) -> list[WantedFile]:
    """Everything that the service reads."""
    return [
        WantedFile(_CONFIG, config(moving)),
        WantedFile(f"{checks.FOLDER}/api-answers", checks.api_answers(moving.own, moving.port), mode=0o755),
        WantedFile(f"{checks.FOLDER}/api-is-ready", checks.api_is_ready(sys.executable), mode=0o755),
        WantedFile(f"{checks.FOLDER}/etcd-answers", checks.etcd_answers(), mode=0o755),
        WantedFile(f"/etc/systemd/system/{UNIT}", unit()),
    ]


def service(wanted: t.Sequence[WantedFile]) -> Service:
    return Service(UNIT, reads=(PROGRAM, *(file.path for file in wanted)))


def interface_with(address: str, run: Runner) -> str:
    """The interface of this machine that has an address of its own.

    :raises InvalidInput: none has it.
    """
    interface = interface_of(address, json.loads(run(["ip", "-json", "address", "show"]).stdout))
    if not interface:
        rule = "An interface of this machine has it."
        raise InvalidInput([Problem("own", address, rule, "Give the address by which other servers reach it.")])
    return interface


def interface_of(address: str, listing: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The interface that has an address, by ``ip -json address``; empty when none has."""
    for entry in listing:
        for info in entry.get("addr_info") or ():
            if info.get("local") == address:
                return str(entry.get("ifname", ""))
    return ""


__all__ = (
    "PROGRAM",
    "UNIT",
    "Moving",
    "config",
    "files",
    "interface_of",
    "interface_with",
    "moving_of",
    "service",
    "unit",
)
