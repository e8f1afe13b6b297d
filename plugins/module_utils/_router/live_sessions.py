# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Whether BGP's sessions outlive new rules of a firewall.

A session that rules cut stays up until its hold time is over, three minutes by default. So FRR is let ask its
neighbours for their routes once more: that the kernel gets an acknowledgement for the question shows at once that
packets pass in both directions.
"""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.kateskit.klubster.plugins.module_utils._router import bgp_sessions, connections
from ansible_collections.kateskit.klubster.plugins.module_utils._router.frr_device import Frr

#: seconds after which a segment that arrived is acknowledged, also where that is put off (RFC 1122 4.2.3.2)
_ACKNOWLEDGED = 1.0


class Sessions:
    """The sessions of FRR on this machine; none where it is not there or does not run."""

    def __init__(self, device: Frr, proc: Path = Path("/proc")) -> None:
        self._device, self._proc = device, proc

    def up(self) -> tuple[str, ...]:
        """Neighbours with a session."""
        if not self._device.installed() or not self._device.state()[0]:
            return ()
        return tuple(one.neighbor for one in self._all() if one.established)

    def cut(self, names: t.Collection[str], seconds: float) -> list[str]:
        """Of these neighbours those without a session, or from which nothing comes back.

        One that nothing was sent to in all that time is not among them: of it nobody knows.

        :param seconds: how long to wait for a sign of each.
        """
        if not names:
            return []
        before = self._sent()
        self._device.ask_again()
        unheard = set(names)

        def waited_for() -> list[str]:
            now = self._sent()
            unheard.intersection_update(
                {*connections.unacknowledged(self._proc)}
                | {name for name in unheard if now.get(name, 0) <= before.get(name, 0)}
            )
            return sorted(unheard)

        def stuck() -> list[str]:
            return sorted(unheard & set(connections.unacknowledged(self._proc)))

        # What was sent in this very moment may be acknowledged in the next.
        dead = self._device.until(stuck, _ACKNOWLEDGED) if self._device.until(waited_for, seconds) else []
        return sorted({*dead, *self._down(names)})

    def _down(self, names: t.Collection[str]) -> set[str]:
        return set(bgp_sessions.not_established(self._all(), names))

    def _all(self) -> tuple[bgp_sessions.Session, ...]:
        return bgp_sessions.sessions(self._device.json("show bgp summary"), self._device.json("show bgp neighbors"))

    def _sent(self) -> dict[str, int]:
        """How many messages each neighbour was sent."""
        neighbors = self._device.json("show bgp neighbors")
        counted = {name: (said.get("messageStats") or {}) for name, said in neighbors.items() if isinstance(said, dict)}
        return {name: int(said.get("totalSent") or 0) for name, said in counted.items()}


__all__ = ("Sessions",)
