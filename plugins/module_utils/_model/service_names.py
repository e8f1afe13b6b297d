# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Names of services outside the cluster: the rules of ``klubster_names``."""

from __future__ import annotations

import typing as t

from ansible_collections.kateskit.klubster.plugins.module_utils._model import addresses, rules
from ansible_collections.kateskit.klubster.plugins.module_utils._model.load_balancer_spec import LoadBalancer
from ansible_collections.kateskit.klubster.plugins.module_utils._model.schema import WRONG, Complain, ruled
from ansible_collections.kateskit.klubster.plugins.module_utils._model.spec import Names

VARIABLE = "klubster_names"


class NamesReader:
    """Reads ``klubster_names``.

    :param complain: takes variable, value, rule and remedy of each problem.
    """

    def __init__(self, cluster: dict[str, t.Any], complain: Complain) -> None:
        self._cluster, self._complain = cluster, complain

    def read(self, load_balancer: LoadBalancer) -> Names:
        given = self._cluster[VARIABLE]
        if given is WRONG or WRONG in given.values():
            return Names()
        if not given["zone"]:
            for key in ("address", "aliases"):
                if given[key]:
                    rule = "There is no zone."
                    self._complain(f"{VARIABLE}.{key}", given[key], rule, f"Name it in {VARIABLE}.zone.")
            return Names()
        zone = self._rule("zone", given["zone"], rules.dns_name)
        if self._cluster["klubster_dns_domain"] in (zone, str(zone).partition(".")[2]):
            rule = "It is the domain of the cluster's own DNS (klubster_dns_domain)."
            self._complain(f"{VARIABLE}.zone", zone, rule, "Take a zone of your network, such as 'apps.home.arpa'.")
        if load_balancer.provider == "none":
            rule = "Names are those of services with addresses, and klubster_load_balancer is none."
            self._complain(f"{VARIABLE}.zone", zone, rule, "Set klubster_load_balancer, or leave klubster_names out.")
        aliases = {
            self._rule("aliases", alias, rules.dns_label): self._service(f"aliases.{alias}", service)
            for alias, service in given["aliases"].items()
        }
        return Names(zone, self._address(given["address"], load_balancer), aliases, given["ttl"])

    def _rule(self, key: str, value: str, rule: t.Callable[[str], t.Any]) -> t.Any:
        return ruled(f"{VARIABLE}.{key}", value, rule, self._complain)

    def _address(self, given: str, load_balancer: LoadBalancer) -> str:
        if not given:
            return ""
        address = self._rule("address", given, addresses.address)
        if address is WRONG:
            return ""
        pools = [text for pool in load_balancer.pools for text in pool.addresses if text is not WRONG]
        if load_balancer.provider in ("metallb", "openelb") and not any(
            addresses.span(text).contains(address) for text in pools
        ):
            remedy = "Take an address of klubster_pools, or leave this out."
            self._complain(f"{VARIABLE}.address", given, "No pool has it.", remedy)
        return str(address.text)

    def _service(self, key: str, text: str) -> t.Any:
        """``SERVICE.NAMESPACE``."""
        name, dot, namespace = text.partition(".")
        if not dot or "." in namespace:
            remedy = "Write SERVICE.NAMESPACE, such as 'web.default'."
            self._complain(f"{VARIABLE}.{key}", text, "It is no service.", remedy)
            return WRONG
        parts = [self._rule(key, part, rules.dns_label) for part in (name, namespace)]
        return WRONG if WRONG in parts else text


__all__ = ("VARIABLE", "NamesReader")
