# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""What this machine's firewall is told, however it is called: the plan's data for one role."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

FAMILIES = (4, 6)
_ANY = {4: "0.0.0.0/0", 6: "::/0"}


@dataclass(frozen=True)
class Opening:
    """Ports that some networks reach.

    :param ports: as in ``2379-2380,6443``; empty for a protocol without ports.
    :param sources: names of networks.
    """

    protocol: str
    ports: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Openings:
    """Everything for one machine."""

    #: by name: addresses and networks
    networks: dict[str, tuple[str, ...]] = field(default_factory=dict)
    openings: tuple[Opening, ...] = ()
    #: the cluster's ports, by protocol
    closed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: t.Mapping[str, t.Any], role: str) -> Openings:
        """The plan's ``firewall`` for a machine of this role."""
        return cls(
            networks={name: tuple(entries) for name, entries in data["networks"].items()},
            openings=tuple(
                Opening(entry["protocol"], entry["ports"], tuple(entry["sources"])) for entry in data["openings"][role]
            ),
            closed=dict(data["closed"][role]),
        )

    def of(self, name: str, family: int) -> tuple[str, ...]:
        """The addresses of one family."""
        return tuple(text for text in self.networks.get(name, ()) if (":" in text) == (family == 6))

    def anybody(self, name: str, family: int) -> bool:
        return _ANY[family] in self.networks.get(name, ())


__all__ = ("FAMILIES", "Opening", "Openings")
