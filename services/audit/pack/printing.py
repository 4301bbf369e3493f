"""The readable side of a pack: plain HTML pages, one style, no script, nothing loaded from anywhere. Pure.

Text that people typed is escaped, and characters that are invisible or turn the direction of reading are spelled out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from services.audit.pack.contents import flat, title

_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_STYLE = """
body{font:15px/1.5 Georgia,serif;color:#111;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #ccc;
overflow-wrap:anywhere}
th{font-weight:600}td.fact{width:14rem;color:#444}
code,td.digest{font:13px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
blockquote{margin:.6rem 0;padding:.2rem 0 .2rem 1rem;border-left:3px solid #999;white-space:pre-wrap}
.void{border:2px solid #a00;padding:.5rem 1rem}.seal{border:1px solid #111;padding:.5rem 1rem}
nav,footer{font-size:13px;color:#444}a{color:#114}
@media print{body{margin:0;max-width:none}nav{display:none}tr,blockquote,.seal{break-inside:avoid}
a{color:#111;text-decoration:none}}
"""


def text(value: object) -> str:
    """Safe to stand anywhere in a page."""
    shown = "".join(
        char if char in "\n\t" or unicodedata.category(char) not in _HIDDEN else f"<U+{ord(char):04X}>"
        for char in str(value)
    )
    return escape(shown, quote=True)


def document(heading: str, body: Iterable[str], *, depth: int = 0, origin: str) -> bytes:
    """A whole page. `depth` says how many folders below the pack's root it lies."""
    up = "../" * depth
    way = f'<nav><a href="{up}index.html">Contents of this pack</a></nav>' if depth else ""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{text(heading)}</title><style>{_STYLE}</style></head><body>",
        way,
        f"<h1>{text(heading)}</h1>",
        *body,
        _footer(origin),
    ]
    return "\n".join(part for part in parts if part).encode("utf-8", "replace")


def _footer(origin: str) -> str:
    return (
        f"<footer><hr>Countersign audit pack of {text(origin)}. This page is a rendering; the record is the signed "
        "entry in the log of this pack.</footer></body></html>\n"
    )


def facts(rows: Iterable[tuple[str, object]]) -> str:
    lines = "".join(f'<tr><td class="fact">{text(name)}</td><td>{text(value)}</td></tr>' for name, value in rows)
    return f"<table>{lines}</table>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are HTML already: made by `text`, `link` or `code`."""
    head = "".join(f"<th>{text(name)}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def link(path: str, words: object) -> str:
    return f'<a href="{text(path)}">{text(words)}</a>'


def decision_page(page: Mapping[str, Any], *, origin: str) -> bytes:
    """One entry for people: the signature's components, the comment, the judged gates, then every signed field."""
    seq = page["entry"]
    body = [f"<p>{text(page['sentence'])}</p>"]
    if page["void"]:
        body.append(f'<p class="void"><strong>Without effect.</strong> {text(page["void"])}</p>')
    body.append(facts((name, value) for name, value in page["printed"]))
    if page["comment"] is not None:
        body += ["<h2>Comment of the signer</h2>", f"<blockquote>{text(page['comment']['text'])}</blockquote>"]
    gates = page["statement"].get("predicate", {}).get("evidence", {})
    if isinstance(gates, Mapping) and gates.get("gates"):
        body += ["<h2>Gates as judged</h2>", _gates(gates["gates"])]
    body += [
        "<h2>Signatures</h2>",
        table(("Whose key", "Key"), [(text(item["name"]), code(item["keyid"])) for item in page["signatures"]]),
        "<h2>Place in the log</h2>",
        facts((("Entry", seq), ("Leaf hash", page["leaf"]))),
        _proofs_of(seq),
        "<h2>Every signed field</h2>",
        table(("Field", "Value"), [(code(name), text(value)) for name, value in flat(page["statement"])]),
    ]
    return document(f"Entry {seq}: {page['kind']}", body, depth=1, origin=origin)


def _proofs_of(seq: int) -> str:
    ways = (
        link(f"../envelopes/{seq}.dsse.json", "Signed envelope"),
        link(f"../proofs/{seq}.tlog-proof", "proof of inclusion"),
        link(f"{seq}.json", "the same as JSON"),
    )
    return f"<p>{', '.join(ways)}</p>"


def code(value: object) -> str:
    return f"<code>{text(value)}</code>"


def _gates(gates: Iterable[Any]) -> str:
    rows = [
        [text(item.get(name, "")) for name in ("id", "rule", "observed", "result")]
        for item in gates
        if isinstance(item, Mapping)
    ]
    return table(("Gate", "Rule", "Observed", "Result"), rows)


def index_page(index: Mapping[str, Any]) -> bytes:
    origin = index["origin"]
    body = [
        f'<p class="seal">{text(index["certifiedCopy"])}</p>',
        facts(
            (
                ("Scope", index["scopeWords"]),
                ("Made", f"{index['builtAt']} by {index['builtBy']['name']}, {title(index['builtBy']['role'])}"),
                ("Log", origin),
                ("First entry (genesis)", index["genesis"]),
                ("Entries", index["log"]["size"]),
                ("Root", index["log"]["root"]),
                ("Checked while it was made", index["checked"]),
            )
        ),
        "<h2>How to check this pack</h2>",
        _how_to_check(index["genesis"]),
        *_changes(index["changes"]),
        *_entries(index),
        *_more(index),
    ]
    return document("Audit pack", body, origin=origin)


def _how_to_check(genesis: str) -> str:
    return (
        "<p>With Python 3.11 or newer and the library <code>cryptography</code>: "
        f"<code>python verify.py PACK.zip --pin {text(genesis)}</code>. Compare the fingerprint with the one you were "
        "given when this log was founded; it is not proven by standing here. Better use a copy of "
        f"{link('verify.py', 'verify.py')} that you hold already: a pack in which report, pin and verifier were all "
        "replaced can only be found out with your own copies.</p>"
    )


def _changes(changes: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield "<h2>Changes of production</h2>"
    if not changes:
        yield "<p>None in this scope.</p>"
        return
    yield table(
        ("Time (UTC)", "Change", "Decided by", "Ordered", "Outcome"),
        [
            (
                text(item["at"]),
                text(item["sentence"]),
                "<br>".join(_signature(one) for one in item["decisions"]) or "—",
                link(f"decisions/{item['entry']}.html", f"entry {item['entry']}"),
                text(item["outcome"] or "none recorded"),
            )
            for item in changes
        ],
    )


def _signature(item: Mapping[str, Any]) -> str:
    behalf = f" for {text(item['behalf'])} by delegation" if item["behalf"] else ""
    words = f"{text(item['decision'])}: {text(item['name'])}{behalf}, {text(title(item['role']))}, {text(item['at'])}"
    entry = item["entry"]
    return f"{words}, {link(f'decisions/{entry}.html', f'entry {entry}')}"


def _entries(index: Mapping[str, Any]) -> Iterable[str]:
    yield "<h2>Decisions and what followed</h2>"
    yield table(
        ("Entry", "Time (UTC)", "Kind", "What", "Counts"),
        [
            (
                link(f"decisions/{item['entry']}.html", item["entry"]),
                text(item["at"]),
                text(item["kind"]),
                text(item["sentence"]),
                "yes" if item["counts"] else f"no: {text(item['void'])}",
            )
            for item in index["pages"]
        ],
    )
    yield f"<p>{link('entries.html', 'All entries in this scope')}: {index['entriesInScope']}, with refused attempts, "
    yield "sign-ins and changes of keys and roles.</p>"


def _more(index: Mapping[str, Any]) -> Iterable[str]:
    for model in index["inventory"]:
        yield f"<h2>{text(model['title'])} ({text(model['name'])})</h2>"
        yield facts(model["facts"])
        yield "<h2>Sensitive columns</h2>"
        yield table(
            ("Column", "Category", "Basis"),
            [[text(item.get(name, "")) for name in ("name", "category", "basis")] for item in model["sensitive"]],
        )
        yield "<h2>Lineage</h2>"
        yield table(("From", "To"), [[text(source), text(target)] for source, target in model["lineage"]])
    yield "<h2>Evidence and policies</h2>"
    yield table(
        ("Document", "What it is"),
        [[link(item["path"], item["path"]), text(item["title"])] for item in index["evidence"]],
    )
    yield "<h2>People, roles and keys at the end of this log</h2>"
    yield table(
        ("Name", "Roles", "Key", "State"),
        [
            (text(item["name"]), text(", ".join(map(title, item["roles"]))), code(item["keyid"]), text(item["state"]))
            for item in index["keys"]
        ],
    )
    for heading, name in (("Retention and legal hold", "retention"), ("Not in this pack", "missing")):
        yield f"<h2>{heading}</h2>"
        lines = "".join(f"<li>{text(item)}</li>" for item in index[name])
        yield f"<ul>{lines}</ul>" if lines else "<p>Nothing to report.</p>"


def entries_page(lines: Sequence[Mapping[str, Any]], *, origin: str) -> bytes:
    body = table(
        ("Entry", "Time (UTC)", "Kind", "What", "Leaf hash"),
        [
            (text(item["entry"]), text(item["at"]), text(item["kind"]), text(item["sentence"]), code(item["leaf"]))
            for item in lines
        ],
    )
    return document("All entries in this scope", [f"<nav>{link('index.html', 'Contents')}</nav>", body], origin=origin)
