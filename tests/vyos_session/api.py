# SPDX-License-Identifier: Apache-2.0
"""Lets a router that plays VyOS be asked by its HTTP API, over TLS and on this machine only.

Requests go into the same session of the configuration as what is typed. Written from VyOS's documentation and the
sources of its API, apart from what asks it.
"""

from __future__ import annotations

import contextlib
import datetime
import html
import http.server
import ipaddress
import json
import re
import ssl
import threading
import time
import typing as t
import urllib.parse
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grammar import Path as Words
from router import Console, Device

KEY = "ap1-key-of-r2"
_FAILED = re.compile(r"Invalid command|Commit failed|Set failed|Delete failed|Another confirm is pending")
_PATHLESS = ("/config-file",)
_ENDPOINTS = ("/retrieve", "/configure", "/config-file", "/show", "/reset")


class NotTaken(Exception):
    """The session of the configuration, or a command, says no."""


class Rest:
    """What stands behind the web server.

    :param confirms: whether it is new enough to know commit-confirm.
    :param strict: whether deleting what is not there is an error.
    :param clock_first: starts the clock before the commit, as the first version did that had one.
    """

    def __init__(
        self, device: Device, *, confirms: bool = True, strict: bool = False, clock_first: bool = False
    ) -> None:
        self.device, self.confirms, self.strict, self.clock_first = device, confirms, strict, clock_first
        #: switched on in the configuration
        self.enabled = True
        #: called when a request was carried out; False loses the answer
        self.answers: t.Callable[[str], bool] = lambda _: True
        #: seconds that the next commits take
        self.slow: list[float] = []
        self.asked: list[tuple[str, t.Any]] = []
        #: whether it has "show file", and whether its disk is full
        self.shows_files = True
        self.full = False
        #: whether the commit of what is loaded fails, and what that left in the session of all requests
        self.load_fails = False
        self.left: frozenset[Words] = frozenset()
        self._lock = threading.Lock()

    def answer(self, endpoint: str, form: t.Mapping[str, str]) -> tuple[int, str]:  # noqa: PLR0911 - one for each fault
        """Status and text."""
        if not self.enabled or endpoint not in _ENDPOINTS:
            return 404, "<html><head><title>404 Not Found</title></head><body>nginx</body></html>"
        if "data" not in form:
            return _error(422, "Non-empty data field is required")
        try:
            data = json.loads(form["data"])
        except ValueError as exc:
            return _error(400, f"Failed to parse JSON: {exc}")
        data = {"commands": data} if isinstance(data, list) else data
        wrong = self._malformed(endpoint, data)
        if form.get("key") != KEY:
            return _error(401, "Valid API key is required")
        if wrong:
            return _error(400, wrong)
        self.asked.append((endpoint, data))
        try:
            with contextlib.nullcontext() if endpoint == "/retrieve" else self._lock:
                return 200, json.dumps({"success": True, "data": self._do(endpoint, data), "error": None})
        except NotTaken as exc:
            if endpoint == "/configure":
                self.left = frozenset()
            return _error(400, str(exc))
        except ValueError:
            return _error(500, "An internal error occured. Check the logs for details.")

    def _malformed(self, endpoint: str, data: dict[str, t.Any]) -> str:
        for one in data.get("commands", [data]):
            if "op" not in one and "commands" not in data:
                return f"Malformed command '{one}': missing 'op' field"
            if endpoint in _PATHLESS:
                continue
            path = one.get("path")
            if not isinstance(path, list) or not all(isinstance(word, str) for word in path):
                return f"Malformed command '{one}': 'path' field must be a list of strings"
            if endpoint == "/configure" and not path:
                return f"Malformed command '{one}': 'path' list must be non-empty"
        minutes = data.get("confirm_time", 0)
        return "confirm_time: Input should be a valid integer" if self.confirms and not isinstance(minutes, int) else ""

    def _do(self, endpoint: str, data: dict[str, t.Any]) -> t.Any:
        if endpoint == "/retrieve":
            if data["op"] != "showConfig" or data["path"]:
                raise NotTaken(f"'{data['op']}' is not a valid operation")
            if self.left:
                raise ValueError("signs of a difference are no configuration")
            return _tree(self.device, self.device.running)
        if endpoint == "/configure":
            minutes = data.get("confirm_time", 0) if self.confirms else 0
            time.sleep(self.slow.pop(0) if self.slow else 0)
            return self._configure(data.get("commands", [data]), minutes)
        if endpoint == "/config-file":
            return self._file(data)
        return self._show(data["path"]) if endpoint == "/show" else self._reset(data["path"])

    def _configure(self, commands: t.Sequence[dict[str, t.Any]], minutes: int) -> str | None:
        console = Console(self.device)
        console.line("configure")
        for one in commands:
            path = [*one["path"], *([one["value"]] if "value" in one else [])]
            if one["op"] not in ("set", "delete"):
                raise NotTaken(f"'{one['op']}' is not a valid operation")
            there = any(known[: len(path)] == tuple(path) for known in self.device.running)
            if self.strict and one["op"] == "delete" and not there:
                raise NotTaken(f"Cannot delete [{' '.join(path)}]: path/value does not exist")
            _typed(console, f"{one['op']} {' '.join(_quoted(word) for word in path)}")
        if not minutes:
            return _typed(console, "commit") or None
        if self.device.deadline is not None:
            raise NotTaken("Another confirm is pending")
        if self.clock_first:
            self.device.deadline = self.device.time + minutes * 60
        _typed(console, "commit")
        self.device.deadline = self.device.time + minutes * 60
        self.device.typed.append(f"confirm_time {minutes}")
        return f"Initialized commit-confirm; {minutes} minutes to confirm before reboot\n"

    def _file(self, data: dict[str, t.Any]) -> str | None:
        console = Console(self.device)
        console.line("configure")
        if data["op"] == "save" and self.full:
            raise NotTaken("OSError: [Errno 28] No space left on device")
        if data["op"] == "save":
            return _typed(console, "save") + "\n"
        if data["op"] == "load":
            if data.get("file") != "/config/config.boot":
                raise NotTaken("No such file")
            self.device.typed.append("load")
            if self.load_fails:
                self.left = self.device.saved ^ self.device.running
                raise NotTaken("Commit failed")
            self.device.running = self.device.saved
            return None
        if data["op"] == "confirm" and self.confirms:
            return _typed(console, "confirm") + "\n"
        raise NotTaken(f"'{data['op']}' is not a valid operation")

    def _show(self, path: list[str]) -> str:
        if path == ["version"]:
            return Console(self.device).line("show version")
        if path in (["bgp", "neighbors"], ["bgp", "summary"]):
            if not any(one[:2] == ("protocols", "bgp") for one in self.device.running):
                raise NotTaken("% BGP instance not found")
            return neighbors(self.device) if path[1] == "neighbors" else summary(self.device)
        if path == ["file", "/config/config.boot"] and self.shows_files:
            return _shown(self.device)
        # There is no word for JSON.
        raise NotTaken(f"Invalid command: show [{' '.join(path)}]")

    def _reset(self, path: list[str]) -> str:
        if len(path) != 3 or path[0] != "bgp" or path[2] != "soft":
            raise NotTaken(f"Invalid command: reset [{' '.join(path)}]")
        self.device.typed.append(f"reset {' '.join(path)}")
        return self.device.clear_says


def _error(status: int, why: str) -> tuple[int, str]:
    return status, json.dumps({"success": False, "data": None, "error": html.escape(why, quote=False)})


def _quoted(word: str) -> str:
    return f"'{word}'" if re.search(r"[^\w./:@%+=-]", word) else word


def _typed(console: Console, line: str) -> str:
    said = console.line(line).removesuffix("[edit]").strip()
    if _FAILED.search(said):
        raise NotTaken(said)
    return said


def _shown(device: Device) -> str:
    """As ``show file`` prints the saved configuration: a comment, values in quotes, and the versions of its parts."""
    body = "\n".join(_lines(_tree(device, device.saved)))
    return (
        "########## FILE INFO ##########\nPath:\t\t/config/config.boot\nType:\t\tASCII text\n\n"
        f"########## FILE DATA ##########\n/* of the house\n   on the left */\n{body}\n"
        '\n// Warning: Do not remove the following line.\n// vyos-config-version: "bgp@5:broadcast-relay@1"\n'
    )


def _lines(tree: dict[str, t.Any], indent: str = "") -> t.Iterator[str]:
    for name, below in tree.items():
        if not isinstance(below, dict):
            yield from (
                f"{indent}{name} {json.dumps(value)}" for value in ([below] if isinstance(below, str) else below)
            )
        elif not below and name != "ipv4-unicast":
            yield f"{indent}{name}"
        elif name in _TAGS and all(isinstance(inner, dict) for inner in below.values()):
            for entry, inner in below.items():
                yield f"{indent}{name} {entry} {{"
                yield from _lines(inner, f"{indent}    ")
                yield f"{indent}}}"
        else:
            yield f"{indent}{name} {{"
            yield from _lines(below, f"{indent}    ")
            yield f"{indent}}}"


#: nodes with names below them
_TAGS = ("neighbor", "peer-group", "rule", "prefix-list", "route-map", "ethernet", "area", "user", "range")


def _tree(device: Device, paths: t.Collection[Words]) -> dict[str, t.Any]:
    """As showConfig has it: one of several values is a text, and a node without a value an empty mapping."""
    tree: dict[str, t.Any] = {}
    for path in sorted(paths):
        fit = device.grammar.fit(path)
        leaf = fit is not None and fit.leaf
        node = tree
        for word in path[:-2] if leaf else path:
            node = node.setdefault(word, {})
        if leaf:
            known = node.get(path[-2])
            values = [*(known if isinstance(known, list) else [known] if known else []), path[-1]]
            node[path[-2]] = values[0] if len(values) == 1 else values
    return tree


def _states(device: Device) -> dict[str, dict[str, t.Any]]:
    found: dict[str, dict[str, t.Any]] = json.loads(device.bgp("show bgp neighbors json"))
    return found


def neighbors(device: Device) -> str:
    """As FRR prints its neighbours for people."""
    blocks = []
    for name, row in _states(device).items():
        up = row["bgpState"] == "Established"
        state = "Established, up for 00:01:18" if up else row["bgpState"]
        blocks.append(
            f"BGP neighbor is {name}, remote AS 65001, local AS 65010, external link\n"
            f"  BGP version 4, remote router ID 0.0.0.0, local router ID 10.0.0.1\n"
            f"  BGP state = {state}\n  Last read 00:00:18, Last write 00:00:18\n"
            "  Hold time is 180 seconds, keepalive interval is 60 seconds\n"
            "\n For address family: IPv4 Unicast\n  Update group 2, subgroup 1\n  3 accepted prefixes\n\n"
            f"  Connections established 1; dropped {row['connectionsDropped']}\n"
            "  Last reset 00:01:48,  Waiting for peer OPEN\n"
        )
    return "\n".join(blocks)


def summary(device: Device) -> str:
    """As FRR prints its table of neighbours."""
    rows = [
        f"{name:<16}4      65001        10        10        0    0    0 00:01:18 "
        f"{'3' if row['bgpState'] == 'Established' else row['bgpState']:>12}        2 N/A"
        for name, row in _states(device).items()
    ]
    head = "Neighbor        V         AS   MsgRcvd   MsgSent   TblVer  InQ OutQ  Up/Down State/PfxRcd   PfxSnt Desc"
    return "\n".join(["IPv4 Unicast Summary (VRF default):", head, *rows, "", f"Total number of neighbors {len(rows)}"])


# --- the web server


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate that signed itself, for a name or an address, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "VyOS")])
    try:
        other: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        other = x509.DNSName(name)
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


class ApiServing:
    """A server in threads of its own, until it is closed.

    :param folder: for its certificate.
    :param name: for which that is.
    """

    def __init__(self, rest: Rest, folder: Path, name: str = "127.0.0.1") -> None:
        self.certificate, key = certificate(folder, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if rest.device.unreachable:
                    return
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(text))
                status, said = rest.answer(self.path, form)
                if not rest.answers(self.path):
                    return
                self.send_response(status)
                self.end_headers()
                self.wfile.write(said.encode())

            def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 - its name
                pass

        class Server(http.server.ThreadingHTTPServer):
            # Of a client that does not like our certificate nothing has to be told.
            def handle_error(self, *_: t.Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)


__all__ = ("KEY", "ApiServing", "Rest", "certificate", "neighbors", "summary")
