# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Which pools are announced in which way: what the inventory leaves out, filled in.

Pools and advertisements are plain data, as the plan has them. MetalLB and the routers' own settings are both made of
what is said here, so that they cannot disagree.
"""

from __future__ import annotations

import ipaddress
import typing as t

Plain = t.Mapping[str, t.Any]
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
#: length of the prefixes that are announced, unless an advertisement says another
WHOLE = {4: 32, 6: 128}


def pools_by(way: str, balancer: Plain) -> list[Plain]:
    """Pools that are announced in this way; one that does not say how follows the mode."""
    mode = balancer.get("mode", "l2")
    return [pool for pool in balancer.get("pools") or [] if way in (pool.get("announce") or [mode])]


def l2_advertisements(balancer: Plain) -> list[Plain]:
    """The inventory's, and one for each pool that none of them names."""
    return _complete(
        pools_by("l2", balancer),
        balancer.get("l2_advertisements") or [],
        lambda pool: {"interfaces": pool.get("interfaces") or []},
    )


def bgp_advertisements(balancer: Plain) -> list[Plain]:
    """The inventory's, and one for each pool that none of them names."""
    given = (balancer.get("bgp") or {}).get("advertisements") or []
    return _complete(pools_by("bgp", balancer), given, lambda _pool: {})


def _complete(pools: t.Sequence[Plain], given: t.Sequence[Plain], own: t.Callable[[Plain], Plain]) -> list[Plain]:
    """With the names of the pools in each: to MetalLB an empty list would mean those of other ways, too."""
    every = [str(pool["name"]) for pool in pools]
    named = [{**entry, "pools": list(entry.get("pools") or every)} for entry in given]
    covered = {name for entry in named for name in entry["pools"]}
    added = [{"name": str(pool["name"]), "pools": [str(pool["name"])], **own(pool)} for pool in pools]
    return [entry for entry in named if entry["pools"]] + [one for one in added if one["name"] not in covered]


def networks_of(text: str) -> list[Network]:
    """The networks that a network or a range consists of."""
    low, dash, high = text.partition("-")
    if not dash:
        return [ipaddress.ip_network(low)]
    first, last = ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    return list(ipaddress.summarize_address_range(first, last))


def selectors_of(plain: t.Any) -> list[dict[str, t.Any]]:
    """Selectors as Kubernetes writes them."""
    return [
        only_given(
            matchLabels=dict(one.get("match_labels") or {}),
            matchExpressions=[
                {
                    "key": entry["key"],
                    "operator": entry["operator"],
                    **only_given(values=list(entry.get("values") or [])),
                }
                for entry in one.get("match_expressions") or []
            ],
        )
        for one in plain or []
    ]


def only_given(**values: t.Any) -> dict[str, t.Any]:
    """Only what somebody has said."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}


def aggregation_of(advertisement: Plain, family: int) -> int:
    """Length of the prefixes that it announces."""
    given = advertisement.get("aggregation_length" if family == 4 else "aggregation_length_v6")
    return WHOLE[family] if given is None else int(given)


__all__ = (
    "Network",
    "aggregation_of",
    "bgp_advertisements",
    "l2_advertisements",
    "networks_of",
    "only_given",
    "pools_by",
    "selectors_of",
)
