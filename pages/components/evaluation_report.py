"""The report of the evaluation harness on screen: measures of both versions, ranking, calibration, time, response.

Numbers and their order come from the report; nothing is computed or judged here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.components import evaluation_charts, notices, parts, reads, report_charts, session
from pages.components.format import NOTHING, code, count, digest, md, version, when
from services.evaluation.detail import CalibrationBin
from services.evaluation.ports import VersionFacts
from services.evaluation.report import document, reading
from services.evaluation.report.reading import MetricLine, between, between_differences, metric_lines, shown, signed
from services.inventory.models import GovernedModel
from services.kernel.errors import InputError

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`report` is None when the version has none of the harness; `problem` says why one cannot be read."""

    report: Report | None = None
    sha256: str = ""
    facts: VersionFacts | None = None
    problem: str = ""


def find(model: str, number: str) -> Found:
    """The report the worker last read from the version's run; a report the training run wrote itself is not one."""
    room = session.control_room()
    facts = reads.attempt(
        "the evaluation report", lambda: room.evaluation.facts(model, number), key=f"facts-{model}-{number}"
    )
    if facts is None or not facts.evaluation:
        return Found(facts=facts)
    if f'"{document.FORMAT}"' not in facts.evaluation:
        return Found(facts=facts)
    try:
        return Found(report=_read(facts.evaluation), sha256=facts.evaluation_sha256, facts=facts)
    except InputError as problem:
        return Found(facts=facts, problem=problem.message)


@st.cache_resource(max_entries=20, show_spinner=False)
def _read(text: str) -> Report:
    return document.read(text.encode())


def fact_line(found: Found) -> str:
    report = found.report
    if report is None or found.facts is None:
        return ":gray[How a version does on held-out rows, beside the live one.]"
    champion = report.get("champion") or {}
    beside = f" beside {version(champion['version'])}, live" if champion else ""
    rows = f"{count(report['holdout']['n'])} held-out rows of {report['holdout']['name']}"
    return f":gray[{md(version(report['version']) + beside)}, measured on {md(rows)}]"


def basis(report: Report, found: Found) -> None:
    """What was measured with, on which rows and files."""
    holdout, policy = report["holdout"], report["policy"]
    until = f", newest row {holdout['until']}" if holdout.get("until") else ""
    read_at = found.facts.read_at if found.facts else None
    with parts.card("Measured on", key="evaluation-basis"):
        st.markdown(md(reading.MODES[report["mode"]]))
        parts.facts(
            [
                ("Rows", f"{count(holdout['n'])} of {md(holdout['name'])}"),
                ("Window", md(f"{holdout.get('window') or 'not stated'}{until}")),
                ("Data digest", code(holdout["digest"])),
                ("Files digest", code(digest(report["manifest_sha256"])) if report["manifest_sha256"] else NOTHING),
                ("Policy", f"{md(policy['name'])} version {md(policy['version'])}"),
                ("Report digest", f"{code(digest(found.sha256))} :gray[read {when(read_at, session.zone())}]"),
            ],
            alt="What was measured",
        )


def two_columns(report: Report) -> None:
    champion = (report.get("champion") or {}).get("version", "")
    unit = str(report.get("unit") or "")
    title = f"Beside {version(champion)}, live" if champion else "What was measured"
    with parts.card(title, "95 % intervals; the same rows for both versions" if champion else "95 % intervals"):
        if not champion:
            notices.remark("There is no live version to compare with on these rows.", "help")
        rows = [_metric(line, unit, beside=bool(champion)) for line in metric_lines(report)]
        mine, live = f"{version(report['version'])}", f"{version(champion)} live"
        names = ["Measure", live, mine, "Difference"] if champion else ["Measure", mine]
        parts.table(pd.DataFrame(rows, columns=[md(name) for name in names]), alt="Both versions")
        if champion:
            st.caption("Better or worse: the whole interval of the difference is on one side of zero.")
        _computed(report)


def _computed(report: Report) -> None:
    """Source, rows and method behind every number of the table."""
    champion = report.get("champion") or {}
    paired = champion.get("paired") or {}
    rows = [
        (md(line.title), md(line.method) or NOTHING, md((paired.get(line.name) or {}).get("method", "")) or NOTHING)
        for line in metric_lines(report)
        if line.method or line.name in paired
    ]
    with st.popover("How is this computed?", icon=":material/function:", type="tertiary", key="evaluation-computed"):
        st.markdown(
            f"Measured by Countersign on {count(report['holdout']['n'])} held-out rows; nothing is copied from the "
            "training run. Each interval holds the true value 95 times in a hundred."
        )
        if rows:
            columns = ["Measure", "Interval", "Interval of the difference"]
            parts.table(pd.DataFrame(rows, columns=columns), alt="Methods of the intervals")


def _metric(line: MetricLine, unit: str, *, beside: bool) -> tuple[str, ...]:
    ends = between(line.low, line.high, line.kind)
    mine = f"**{md(shown(line.value, line.kind, unit))}**" + (f" :gray[({md(ends)})]" if ends else "")
    if not beside:
        return md(line.title), mine
    live = NOTHING if line.champion is None else md(shown(line.champion, line.kind, unit))
    return md(line.title), live, mine, _difference(line, unit)


def _difference(line: MetricLine, unit: str) -> str:
    if line.delta is None:
        return NOTHING
    ends = between_differences(line.delta_low, line.delta_high, line.kind)
    text = md(signed(line.delta, line.kind, unit)) + (f" :gray[({md(ends)})]" if ends else "")
    if line.better is None:
        return text
    return f":green[:material/thumb_up: better] {text}" if line.better else f":red[:material/thumb_down: worse] {text}"


def ranking(report: Report) -> None:
    curves, live = report.get("curves") or {}, report.get("champion_curves") or {}
    if not curves.get("roc") and not curves.get("pr"):
        return
    named = "solid: this version; dashed: the live one" if live else "this version"
    for column, (key, title, x_title, y_title) in zip(
        st.columns(2),
        (
            ("roc", "ROC curve", "false alarms", "positives found"),
            ("pr", "Precision and recall", "positives found", "precision"),
        ),
        strict=True,
    ):
        with column, parts.card(title, named):
            figure = report_charts.curve(
                curves.get(key) or [],
                live.get(key) or [],
                parts.ink(),
                x_title=x_title,
                y_title=y_title,
                diagonal=key == "roc",
            )
            parts.chart(figure, key=f"curve-{key}", alt=f"{title} of this version and the live one")


def calibration(report: Report) -> None:
    champion = (report.get("champion") or {}).get("version", "")
    sides = [(f"Calibration of {version(report['version'])}", report.get("reliability") or [], "mine")]
    if report.get("champion_reliability"):
        sides.insert(0, (f"Calibration of {version(champion)}, live", report["champion_reliability"], "live"))
    if not sides[-1][1]:
        return
    for column, (title, bins, key) in zip(st.columns(2), sides, strict=False):
        with column, parts.card(md(title), f"{len(bins)} bins of equal size, 95 % interval"):
            read = [_bin(item) for item in bins]
            words = "; ".join(f"score {item.mean_score:.2f} observed {item.observed:.2f}" for item in read)
            figure = evaluation_charts.calibration(read, parts.ink(), height=250)
            parts.chart(figure, key=f"reliability-{key}", alt=f"{title}: {words}")


def _bin(item: Mapping[str, Any]) -> CalibrationBin:
    return CalibrationBin(
        n=item["n"],
        mean_score=item["mean_score"],
        observed=item["observed"],
        low=item["observed_low"],
        high=item["observed_high"],
    )


def stability(report: Report) -> None:
    items = report.get("stability") or []
    known = [item for item in items if item["value"] is not None]
    if not known:
        return
    title = reading.MEASURES[f"holdout_{known[0]['metric']}"].title
    with parts.card("Stability over time", f"{title} of each slice of the held-out rows, 95 % interval"):
        if len(known) == 1:
            notices.remark(f"Only one slice has rows of both classes ({md(known[0]['slice'])}).", "help")
            return
        words = "; ".join(f"{item['slice']} {item['value']:.3f}" for item in known)
        parts.chart(
            report_charts.weeks(known, parts.ink(), y_title=title), key="stability", alt=f"{title} over time: {words}"
        )


def latency(report: Report, model: GovernedModel | None) -> None:
    found = report.get("latency")
    limit = model.service_level.p95_ms if model is not None and model.service_level is not None else None
    with parts.card("Response time", f"{count(found['n'])} requests" if found else ""):
        if not found:
            notices.remark("Response times were not measured; the checks say why.", "help")
            return
        words = ", ".join(f"{name} {found[f'{name}_ms']:.1f} ms" for name in ("p50", "p95", "p99"))
        parts.chart(
            report_charts.latency(found, None if limit is None else float(limit), parts.ink()),
            key="latency",
            alt=f"Response time: {words}",
        )
        failed = shown(found["error_rate"], reading.SHARE)
        st.caption(f"{md(found['how'])}. {failed} of the requests failed.")


def downloads(report: Report) -> None:
    """The report as it is signed, and as a page that opens without a server."""
    from services.evaluation.report.page import to_html

    name = f"{report['model']}-{report['version']}-evaluation"
    for label, mime, suffix, made in (
        ("JSON", "application/json", "json", lambda: document.build(report)),
        ("HTML", "text/html", "html", lambda: to_html(report)),
    ):
        st.download_button(
            label,
            made,
            file_name=f"{name}.{suffix}",
            mime=mime,
            icon=":material/download:",
            key=f"evaluation-{suffix}",
            on_click="ignore",
        )
