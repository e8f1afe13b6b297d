# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Where the DNS server for names of services is, for those who make it and those who look for it."""

from __future__ import annotations

NAMESPACE = "klubster-names"
NAME = "service-names"

__all__ = ("NAME", "NAMESPACE")
