# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Why a session of BGP is down: what both sides were told is compared before what either says is believed.

A notification tells of the last time that the sides spoke, and may be older than what is wrong now; of a wrong password
there is none at all, for the kernel drops what comes without the right signature.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.kateskit.klubster.plugins.module_utils._router.bgp_sessions import PREFIXES
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import count

_ROUTERS = "run the playbook routers"
_BAD_AS = "0202"
_SILENT = ("0400", "060A")
_NO_WAY = ("Waiting for NHT", "No path to specified Neighbor")


@dataclass(frozen=True)
class Side:
    """One side of a session, as far as it is known.

    :param name: what its finding is about: ``router2a``, or for a node ``the cluster's nodes``, which share a cause.
    :param variable: where it is configured.
    :param seen: whether its tables were read.
    :param speaks: whether it speaks BGP at all.
    :param knows: whether it was told of the other.
    :param expects: number of the AS that it takes the other for; 0 when it takes any.
    :param password: whether it has one for the other; None when nobody knows.
    :param session: its own table's row.
    :param unsigned: segments that its kernel dropped for their signature.
    :param reaches: whether the other answers it; None when it was not asked.
    """

    name: str
    variable: str
    many: bool = False
    seen: bool = False
    speaks: bool = True
    knows: bool = True
    asn: int = 0
    expects: int = 0
    password: t.Optional[bool] = None
    shutdown: bool = False
    maximum: int = 0
    session: t.Mapping[str, t.Any] = field(default_factory=dict)
    unsigned: t.Mapping[str, int] = field(default_factory=dict)
    reaches: t.Optional[bool] = None
    unanswered: bool = False

    @property
    def code(self) -> str:
        return str(self.session.get("code") or "")

    def verb(self, one: str, many: str) -> str:
        """The form of a verb or a pronoun that goes with its name."""
        return many if self.many else one

    @property
    def said(self) -> str:
        state = str(self.session.get("state") or "")
        reason = str(self.session.get("reason") or "")
        told = f"{state}, last reset: {reason}" if reason else state
        return f"{self.name} says {told}" if told else ""


class Trouble(t.NamedTuple):
    """What is wrong with a session.

    :param cause: a sentence without its full stop.
    :param alone: whether it is about these two machines, and not about a setting that all nodes share.
    """

    severity: t.Literal["error", "warning"]
    cause: str
    seen: str
    remedy: str
    alone: bool = False


def cause_of(ours: Side, theirs: Side) -> Trouble:
    """The likely cause of a session that is down."""
    for rule in _RULES:
        found = rule(ours, theirs) or (rule(theirs, ours) if theirs.seen else None)
        if found:
            return found
    return Trouble(
        "error",
        f"The session between {ours.name} and {theirs.name} does not come up",
        _said(ours, theirs) or "neither side says why",
        f"Compare what both sides were told: {ours.variable} and {theirs.variable}.",
        alone=True,
    )


def _shut_down(one: Side, other: Side) -> t.Optional[Trouble]:
    if not one.shutdown and not str(one.session.get("reason") or "").startswith("shut down by its configuration"):
        return None
    return Trouble(
        "warning",
        f"The session between {one.name} and {other.name} is switched off on {one.name}",
        one.said or "shutdown is set",
        f"When it shall work again, take shutdown out of {one.variable} and {_ROUTERS}.",
    )


def _dumb(one: Side, other: Side) -> t.Optional[Trouble]:
    if not other.seen or other.speaks:
        return None
    return Trouble(
        "error",
        f"{other.name} {other.verb('does', 'do')} not speak BGP",
        f"{other.verb('it is a neighbour', 'they are neighbours')} of {one.name}; {one.said}".rstrip("; "),
        f"Add bgp to {other.variable} and {_ROUTERS}, or take {other.verb('it', 'them')} out of {one.variable}.",
    )


def _too_many(one: Side, other: Side) -> t.Optional[Trouble]:
    if one.code != PREFIXES:
        return None
    # A notification that came tells of the other side's limit.
    limiter, sender = (other, one) if one.session.get("notified_by") == "neighbor" else (one, other)
    limit = f"maximum_prefix {limiter.maximum}" if limiter.maximum else "its maximum_prefix"
    return Trouble(
        "error",
        f"{limiter.name} {limiter.verb('takes', 'take')} fewer prefixes than {sender.name}"
        f" {sender.verb('announces', 'announce')}",
        f"more than {limit}; {one.said}",
        f"Raise maximum_prefix in {limiter.variable} and {_ROUTERS}, or look why there are so many. Then end the"
        f" waiting on {limiter.name}: vtysh -c 'clear bgp ADDRESS'",
    )


def _wrong_number(one: Side, other: Side) -> t.Optional[Trouble]:
    if one.expects and other.asn and one.expects != other.asn:
        return Trouble(
            "error",
            f"{one.name} {one.verb('takes', 'take')} {other.name} for AS {one.expects}, but"
            f" {other.verb('it is', 'they are')} AS {other.asn}",
            _said(one, other) or "the two sides were told different numbers",
            f"Correct the number of {other.name} in {one.variable}, or {other.verb('its', 'their')} own in"
            f" {other.variable}.",
        )
    if one.code != _BAD_AS or (one.asn and other.asn):
        return None
    expected = f" (AS {one.expects})" if one.expects else ""
    return Trouble(
        "error",
        f"The number of an AS is wrong between {one.name} and {other.name}",
        one.said,
        f"{one.name} {one.verb('takes', 'take')} {other.name}{expected} for another than"
        f" {other.verb('it is', 'they are')}, or the other way round: ask who runs {other.verb('it', 'them')}.",
    )


def _stranger(one: Side, other: Side) -> t.Optional[Trouble]:
    if not other.seen or other.knows:
        return None
    return Trouble(
        "error",
        f"{other.name} {other.verb('does', 'do')} not know {one.name} as {one.verb('a neighbour', 'neighbours')}",
        one.said or f"{one.name} {one.verb('is', 'are')} told to speak to {other.verb('it', 'them')}",
        f"Add {one.name} in {other.variable}, or take {other.name} out of {one.variable}.",
    )


def _far(one: Side, other: Side) -> t.Optional[Trouble]:
    no_way = str(one.session.get("reason") or "") in _NO_WAY
    if one.reaches is not False and not no_way:
        return None
    return Trouble(
        "error",
        f"{one.name} {one.verb('does', 'do')} not reach {other.name}",
        "; ".join([*(["no route to it"] if no_way else ["no answer to an echo request"]), *_words(one.said)]),
        f"{other.verb('Is it', 'Are they')} on, and is the network between them whole? On {one.name}: ip route get"
        " ADDRESS, ip neigh",
        alone=True,
    )


def _one_password(one: Side, other: Side) -> t.Optional[Trouble]:
    if not one.password or other.password is not False:
        return None
    return Trouble(
        "error",
        f"{one.name} {one.verb('has', 'have')} a password for {other.name}, and"
        f" {other.verb('it has', 'they have')} none",
        _said(one, other) or "the kernel drops what comes without a signature",
        f"Give both the same password: {_password_of(one)} and {_password_of(other)}.",
    )


def _two_passwords(one: Side, other: Side) -> t.Optional[Trouble]:
    # Those without a signature say nothing: so a machine refuses a connection to a port where nobody listens.
    dropped = int(one.unsigned.get("wrong") or 0)
    if one.password is False or other.password is False or not (one.password or other.password) or not dropped:
        return None
    return Trouble(
        "error",
        f"{one.name} and {other.name} have different passwords, as it seems",
        f"since it started, the kernel of {one.name} dropped {count(dropped, 'segment')} with a wrong signature, of any"
        f" neighbour; {_said(one, other)}".rstrip("; "),
        f"Give both the same password: {_password_of(one)} and {_password_of(other)}.",
    )


def _password_of(side: Side) -> str:
    return "klubster_bgp_passwords" if side.many else f"router_passwords of {side.name}"


def _fell_silent(one: Side, other: Side) -> t.Optional[Trouble]:
    if one.code not in _SILENT:
        return None
    return Trouble(
        "error",
        f"{other.name} fell silent",
        one.said,
        f"Look whether BGP still runs there, and whether packets get lost between {one.name} and"
        f" {other.verb('it', 'them')}.",
        alone=True,
    )


def _unheard(one: Side, other: Side) -> t.Optional[Trouble]:
    if not one.unanswered:
        return None
    secret = " Both have a password: compare them as well." if one.password else ""
    return Trouble(
        "error",
        f"{other.name} {other.verb('does', 'do')} not answer {one.name} on port 179",
        f"nothing comes back to the first segment; {one.said}",
        f"Let TCP 179 pass between them in both directions.{secret}",
        alone=True,
    )


def _said(*sides: Side) -> str:
    return "; ".join(side.said for side in sides if side.said)


def _words(text: str) -> list[str]:
    return [text] if text else []


#: what was told comes first, then what was seen to be in the way, then what was said last
_RULES: t.Final[tuple[t.Callable[[Side, Side], t.Optional[Trouble]], ...]] = (
    _shut_down,
    _dumb,
    _too_many,
    _wrong_number,
    _stranger,
    _far,
    _one_password,
    _two_passwords,
    _fell_silent,
    _unheard,
)


__all__ = ("Side", "Trouble", "cause_of")
