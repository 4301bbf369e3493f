"""The versions of a model: one line each, and any two side by side."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.components import address, badges, notices, parts, session
from pages.components.format import (
    MINUS,
    NOTHING,
    code,
    digest,
    md,
    number,
    plural,
    signed,
    size,
    version,
    when,
)
from services.inventory.models import ModelVersion


def section(versions: tuple[ModelVersion, ...]) -> None:
    with parts.card("Versions", plural(len(versions), "version")):
        frame = pd.DataFrame(
            {
                "Version": [f"**{version(item.version)}**" for item in versions],
                "Alias": [
                    " ".join(badges.plain(alias, "blue", "bookmark") for alias in item.aliases) or ""
                    for item in versions
                ],
                "Registered": [when(item.created_at, session.zone()) for item in versions],
                "Run": [code(digest(item.run_id, 10)) for item in versions],
                "Training data": [
                    md(", ".join(f"{ref.name} ({ref.digest[:8]})" for ref in item.datasets)) for item in versions
                ],
                "Size": [size(item.size_bytes) for item in versions],
                "Remark": [
                    f":orange[:material/help: {md(item.missing)}]" if item.missing else md(item.description)
                    for item in versions
                ],
            }
        )
        parts.table(frame, alt="Versions")
    if len(versions) > 1:
        _side_by_side(versions)


def _side_by_side(versions: tuple[ModelVersion, ...]) -> None:
    by_number = {item.version: item for item in versions}
    champion = next((item for item in versions if "champion" in item.aliases), versions[-1])
    newest = next(item for item in versions if item is not champion)
    with parts.card("Side by side"):
        with st.container(horizontal=True, key="compare"):
            left = address.one("a", by_number, champion)
            right = address.one("b", by_number, newest)
            for name, chosen in (("a", left), ("b", right)):
                st.selectbox(
                    "Version" if name == "a" else "against",
                    list(by_number),
                    format_func=version,
                    width=160,
                    key=address.follow(name, chosen.version),
                    on_change=address.writes(name),
                )
        parts.table(
            pd.DataFrame(
                _measures(left, right), columns=["Measure", version(left.version), version(right.version), "Change"]
            ),
            alt="Two versions side by side",
        )
        notices.remark(
            "As logged by the training runs on their hold-out rows. Gates below judge them under the policy."
        )


def _measures(left: ModelVersion, right: ModelVersion) -> list[tuple[str, str, str, str]]:
    names = list(dict.fromkeys([name for name, _ in left.metrics] + [name for name, _ in right.metrics]))
    names.sort(key=lambda name: (not name.startswith("holdout"), name))
    rows = []
    for name in names:
        old, new = left.metric(name), right.metric(name)
        change = signed(new - old, 0 if name.endswith("_n") else 3) if old is not None and new is not None else NOTHING
        rows.append((md(name.replace("_", " ")), number(old), f"**{number(new)}**", change))
    return [*rows, ("input columns", str(len(left.inputs)), f"**{len(right.inputs)}**", _columns(left, right))]


def _columns(left: ModelVersion, right: ModelVersion) -> str:
    old, new = {name for name, _ in left.inputs}, {name for name, _ in right.inputs}
    words = [f"+ {md(name)}" for name in sorted(new - old)] + [f"{MINUS} {md(name)}" for name in sorted(old - new)]
    return ", ".join(words) or "same columns"
