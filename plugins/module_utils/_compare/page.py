# Note that this module util is **PRIVATE** to the collection. It can change at any time without a deprecation period.
# SPDX-FileCopyrightText: KatesKit developers
# SPDX-License-Identifier: Apache-2.0

"""A report as one HTML page that fetches nothing: the plot is within it."""

from __future__ import annotations

import base64
import typing as t
from html import escape

from ansible_collections.kateskit.klubster.plugins.module_utils._compare.paths import PATHS
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.report import Report
from ansible_collections.kateskit.klubster.plugins.module_utils._compare.table import Block, blocks
from ansible_collections.kateskit.klubster.plugins.module_utils._status.text import clean

_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --ink: #16202c; --dim: #4d5a69; --edge: #c5ced8; }
@media (prefers-color-scheme: dark) { :root {
  --page: #10151b; --card: #1a212a; --ink: #e8edf3; --dim: #aab6c3; --edge: #3a4655; } }
body { margin: 0 auto; padding: 24px 20px 40px; max-width: 1200px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 18px; margin: 32px 0 8px; } p { color: var(--dim); }
img { display: block; max-width: 100%; height: auto; background: #ffffff; border: 1px solid var(--edge);
  border-radius: 12px; padding: 10px; box-sizing: border-box; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--edge); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: 7px 12px; border-top: 1px solid var(--edge); }
thead th { border-top: none; color: var(--dim); } .note { border-left: 6px solid #e69f00; padding-left: 12px; }
""".strip()

_HOW = (
    "Each number is the median of all rounds, in square brackets the least and the most; behind it, in round ones, the "
    "ratio to the host&#x27;s own network between the same two machines."
)


def render(report: Report, plot: bytes, note: str = "") -> str:
    """The whole page.

    :param plot: a PNG; empty: there is none, and ``note`` says why.
    """
    title = f"Pod networks compared on {report['cluster']}"
    measured = [choice for choice in report["choices"] if choice["state"] == "measured"]
    when = max((choice["measured"] for choice in measured), default="")
    amounts = sorted({f"{name} {value}" for choice in measured for name, value in choice["amounts"].items()})
    told = f"Measured until {when} ({', '.join(amounts)}). " if measured else "Nothing was measured. "
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="generator" content="kateskit.klubster">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        f"<title>{_safe(title)}</title>",
        f"<style>\n{_STYLE}\n</style>",
        "</head>",
        "<body>",
        f"<h1>{_safe(title)}</h1>",
        f"<p>{_safe(told)} {_HOW}</p>",
    ]
    if note:
        parts.append(f'<p class="note">{_safe(note)}</p>')
    if plot:
        picture = base64.b64encode(plot).decode()
        said = f"Bars for {', '.join(PATHS.values())}. All numbers stand in the tables below."
        parts.append(f'<img alt="{_safe(said)}" src="data:image/png;base64,{picture}">')
    for block in blocks(report, spread=True):
        parts += _table(block)
    return "\n".join([*parts, "<p>Made by kateskit.klubster.</p>", "</body>", "</html>"]) + "\n"


def _table(block: Block) -> t.Iterator[str]:
    yield f'<h2>{_safe(block.title)}</h2>\n<div class="scroll"><table><thead><tr>'
    yield "".join(f'<th scope="col">{_safe(word)}</th>' for word in block.head) + "</tr></thead><tbody>"
    for row in block.rows:
        rest = "".join(f"<td>{_safe(word)}</td>" for word in row[1:])
        yield f'<tr><th scope="row">{_safe(row[0])}</th>{rest}</tr>'
    yield "</tbody></table></div>"


def _safe(text: str) -> str:
    return escape(clean(text), quote=True)


__all__ = ("render",)
