# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""Programs by which keepalived learns whether a server is one to lead the API's address to.

They run every second, so what they ask every second is cheap: whether a port takes connections, and etcd's health. Both
say too little of an API that has just started, or has lost its etcd for a while: it listens long before it answers. So
it has to be ready once, which costs the start of Python, before its port is believed again.
"""

from __future__ import annotations

from pathlib import PurePosixPath

FOLDER = PurePosixPath("/etc/klubster")
#: what they remember; systemd makes it for the unit, and takes it away with it
MEMORY = PurePosixPath("/run/klubster-api-address")
#: where etcd of kubeadm and of k3s takes requests, and where it tells of its health without TLS (--listen-metrics-urls)
ETCD_CLIENTS, ETCD_METRICS = 2379, 2381


def api_answers(address: str, port: int, *, folder: PurePosixPath = FOLDER, memory: PurePosixPath = MEMORY) -> str:
    """Ends with 0 when the API takes connections, and was ready since it last did not."""
    return f"""#!/bin/bash
# Written by kateskit.klubster; changes are overwritten.
ready={memory}/ready
# bash is on every machine, curl is not.
if ! timeout 2 bash -c ': < /dev/tcp/{address}/{port}' 2>/dev/null; then
    rm -f "$ready"
    exit 1
fi
[[ -e $ready ]] || {{ {folder}/api-is-ready {address} {port} && : > "$ready"; }}
"""


def api_is_ready(python: str) -> str:
    """Ends with 0 when the API says that it is ready; called with its address and port.

    An API that lets nobody unknown ask (401) answers at least. Who answers does not matter on one's own machine.
    """
    return f"""#!{python}
# Written by kateskit.klubster; changes are overwritten.
import http.client, ssl, sys
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection(sys.argv[1], int(sys.argv[2]), timeout=1, context=context)
try:
    connection.request("GET", "/readyz")
    sys.exit(connection.getresponse().status not in (200, 401))
except (OSError, http.client.HTTPException):
    sys.exit(1)
"""


def etcd_answers(clients: int = ETCD_CLIENTS, metrics: int = ETCD_METRICS, *, memory: PurePosixPath = MEMORY) -> str:
    """Ends with 0 when this server's etcd takes requests and has a leader. The API has to find one that was away again.

    One that is told to stop takes no more requests, but says for seven seconds that it is well. Whether it listens is
    read from the kernel: it would log each connection that says nothing.
    """
    ask = f"exec 3<>/dev/tcp/localhost/{metrics} && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3"
    return f"""#!/bin/bash
# Written by kateskit.klubster; changes are overwritten.
well={memory}/etcd-was-well
if grep -Eqs ':{clients:04X} 0+:0000 0A' /proc/net/tcp /proc/net/tcp6 &&
    timeout 2 bash -c "{ask} && read -r _ status _ <&3 && [[ \\$status == 200 ]]" 2>/dev/null; then
    : > "$well"
    exit 0
fi
[[ -e $well ]] && rm -f {memory}/ready
exit 1
"""


__all__ = ("FOLDER", "MEMORY", "api_answers", "api_is_ready", "etcd_answers")
