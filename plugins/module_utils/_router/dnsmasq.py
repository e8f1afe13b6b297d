# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""DNS and DHCP in dnsmasq's words, one process and one file for each, and read back from there.

Who may ask for names dnsmasq cannot say; ``nft_tables.py`` does.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._router.model import DhcpNetwork, Dns

LEASES = "/var/lib/klubster-router/dhcp.leases"
#: seconds for which an address is lent where the model says nothing, as on VyOS
LEASE = 86400
HEADER = "# Written by kateskit.klubster; changes are overwritten."

# Names come from this file and from servers that it names, not from the machine's own settings.
_DNS_ALWAYS = ("no-resolv", "no-hosts", "bind-dynamic", "pid-file=")
_DHCP_ALWAYS = ("port=0", "bind-dynamic", "pid-file=", "dhcp-authoritative", f"dhcp-leasefile={LEASES}")


def dns(part: Dns) -> str:
    """The file of the server for names."""
    lines = [*_DNS_ALWAYS, *(f"listen-address={one}" for one in part.listen)]
    lines += [f"server={one}" for one in part.servers]
    for domain in part.domains:
        lines += [f"server=/{domain.name}/{one}" for one in domain.servers]
    for zone in part.zones:
        lines.append(f"local=/{zone.name}/")
        for record in zone.records:
            name = zone.name if record.name == "@" else f"{record.name}.{zone.name}"
            lines += [f"host-record={name},{one}" for one in record.addresses]
    return _file(lines)


def gather_dns(text: str) -> tuple[dict[str, t.Any], tuple[str, ...]]:
    """The part as data but for ``allow_from``, and lines without words in the model."""
    listen: list[str] = []
    servers: list[str] = []
    domains: dict[str, list[str]] = {}
    zones: dict[str, dict[str, t.Any]] = {}
    strange = []
    for line in _lines(text, _DNS_ALWAYS):
        key, dummy, value = line.partition("=")
        words = value.split("/") if value.startswith("/") else value.split(",")
        if key == "listen-address" and len(words) == 1:
            listen.append(value)
        elif key == "server" and len(words) == 1:
            servers.append(value)
        elif key == "server" and len(words) == 3:
            domains.setdefault(words[1], []).append(words[2])
        elif key == "local" and len(words) == 3 and not words[2]:
            zones[words[1]] = {"records": {}}
        elif key == "host-record" and len(words) == 2 and _zone_of(words[0], zones):
            place = _zone_of(words[0], zones)
            zones[place]["records"].setdefault(words[0][: -len(place) - 1] or "@", []).append(words[1])
        else:
            strange.append(line)
    return {"listen": listen, "servers": servers, "domains": domains, "zones": zones}, tuple(strange)


def _zone_of(name: str, zones: t.Iterable[str]) -> str:
    """The zone that a name is in: the longest that fits."""
    fitting = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(fitting, key=len, default="")


def dhcp(part: t.Sequence[DhcpNetwork]) -> str:
    """The file of the server for addresses."""
    lines = list(_DHCP_ALWAYS)
    for network in part:
        subnet = ipaddress.IPv4Network(network.subnet)
        tail = f"{subnet.netmask},{network.lease or LEASE}"
        for one in network.ranges:
            lines.append(f"dhcp-range=set:{network.name},{one.start},{one.stop},{tail}")
        if not network.ranges:
            lines.append(f"dhcp-range=set:{network.name},{subnet.network_address},static,{tail}")
        # Without a value nothing is sent; without the line dnsmasq would send its own address.
        lines.append(",".join((f"dhcp-option=tag:{network.name}", "option:router", *_some(network.gateway))))
        lines.append(",".join((f"dhcp-option=tag:{network.name}", "option:dns-server", *network.name_servers)))
        lines += [f"dhcp-host={host.mac},set:{host.name},{host.address}" for host in network.hosts]
    return _file(lines)


def _some(value: t.Optional[str]) -> tuple[str, ...]:
    return (value,) if value is not None else ()


def gather_dhcp(text: str) -> tuple[dict[str, t.Any], tuple[str, ...]]:
    """The part as data, and lines without words in the model."""
    networks: dict[str, dict[str, t.Any]] = {}
    strange = []
    for line in _lines(text, _DHCP_ALWAYS):
        key, dummy, value = line.partition("=")
        words = value.split(",")
        name = words[0].partition(":")[2]
        if key == "dhcp-range" and len(words) == 5:
            networks.setdefault(name, {"ranges": [], "hosts": {}}).update(
                subnet=str(ipaddress.ip_interface(f"{words[1]}/{words[3]}").network), lease=words[4]
            )
            if words[2] != "static":
                networks[name]["ranges"].append({"start": words[1], "stop": words[2]})
        elif key == "dhcp-option" and name in networks and words[1] == "option:router":
            networks[name]["gateway"] = words[2] if len(words) > 2 else None
        elif key == "dhcp-option" and name in networks and words[1] == "option:dns-server":
            networks[name]["name_servers"] = words[2:]
        elif key == "dhcp-host" and len(words) == 3 and networks:
            last = list(networks.values())[-1]
            last["hosts"][words[1].partition(":")[2]] = {"mac": words[0], "address": words[2]}
        else:
            strange.append(line)
    return networks, tuple(strange)


def canonical_dhcp(part: t.Sequence[DhcpNetwork]) -> tuple[DhcpNetwork, ...]:
    """The part as it is read back: dnsmasq needs no number, and a lease is always said."""
    return tuple(dataclasses.replace(network, id=None, lease=network.lease or LEASE) for network in part)


def _file(lines: t.Iterable[str]) -> str:
    return "\n".join((HEADER, *lines, ""))


def _lines(text: str, always: t.Collection[str]) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#") and line not in always]


__all__ = ("HEADER", "LEASE", "LEASES", "canonical_dhcp", "dhcp", "dns", "gather_dhcp", "gather_dns")
