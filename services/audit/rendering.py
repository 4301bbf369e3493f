"""An export as CSV, JSON or one HTML page: same export, same bytes, on every machine. Nothing runs when opened."""

from __future__ import annotations

import csv
import html
import io
import json

from services.audit.exports import Export
from services.kernel.clock import utc_text
from services.kernel.errors import InputError

FORMATS = ("csv", "json", "html")
MIME = {"csv": "text/csv", "json": "application/json", "html": "text/html"}
_STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;margin:2rem;color:#0f1923}table{border-collapse:collapse;margin:1rem 0}"
    "th,td{border:1px solid #d9e0e7;padding:.35rem .6rem;text-align:left;vertical-align:top}th{background:#f3f6f9}"
    "p{max-width:60rem}"
)


def render(export: Export, kind: str) -> bytes:
    """Raises InputError for a format we do not write."""
    makers = {"csv": to_csv, "json": to_json, "html": to_html}
    if kind not in makers:
        raise InputError(f"{kind!r} is not a format of exports.", hint=f"Choose one of {', '.join(FORMATS)}.")
    return makers[kind](export).encode()


def remarks(export: Export) -> tuple[str, ...]:
    """What every form of the export says about itself."""
    profile = export.profile
    return (
        f"{profile.title}",
        f"profile {profile.id}, version {profile.version}, dated {profile.date}",
        f"source: {profile.source}",
        profile.note,
        f"as of {utc_text(export.as_of)}, rebuilt from {export.entries} ledger entries",
        f"filter: {export.filter}",
    )


def to_csv(export: Export) -> str:
    """One block per part, each after a remark line with its title."""
    out = io.StringIO()
    for line in remarks(export):
        out.write(f"# {' '.join(line.split())}\n")
    writer = csv.writer(out, lineterminator="\n")
    for part in export.parts:
        out.write(f"# {' '.join(part.title.split())}, {len(part.rows)} rows\n")
        writer.writerow(map(cell, part.columns))
        writer.writerows(map(cell, row) for row in part.rows)
    return out.getvalue()


def to_json(export: Export) -> str:
    profile = export.profile
    document = {
        "profile": {"id": profile.id, "title": profile.title, "version": profile.version, "date": profile.date},
        "source": profile.source,
        "note": profile.note,
        "asOf": utc_text(export.as_of),
        "entries": export.entries,
        "filter": export.filter,
        "parts": [
            {
                "id": part.id,
                "title": part.title,
                "rows": [dict(zip(part.columns, row, strict=True)) for row in part.rows],
            }
            for part in export.parts
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_html(export: Export) -> str:
    said = remarks(export)
    body = [f"<h1>{html.escape(said[0])}</h1>", *(f"<p>{html.escape(line)}</p>" for line in said[1:])]
    for part in export.parts:
        head = "".join(f"<th>{html.escape(title)}</th>" for title in part.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>\n" for row in part.rows
        )
        body.append(f"<h2>{html.escape(part.title)}</h2>\n<table><tr>{head}</tr>\n{rows}</table>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{html.escape(said[0])}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def cell(text: str) -> str:
    """A spreadsheet would run text that begins like a formula; an apostrophe keeps it text."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text
