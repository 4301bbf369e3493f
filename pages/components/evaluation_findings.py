"""Findings of the evaluation: groups with their verdict, one line per check, the investigation, files, the narrator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.components import badges, notices, parts, report_charts
from pages.components.format import NOTHING, count, md, number, percent, plural, seconds, sentence, size
from services.evaluation.detail import worst
from services.evaluation.harness.models import Status
from services.evaluation.report.reading import FEWEST_ROWS, FairnessLine, between, fairness_lines, shown
from services.policy.models import GateReport, Verdict

Report = Mapping[str, Any]
Group = tuple[str, str]
_GREY = {Verdict.SKIPPED, Verdict.INCONCLUSIVE}


def groups(report: Report, gates: GateReport | None) -> None:
    """Fairness bars with intervals and the numbers behind them; what the policy found too few is grey."""
    verdicts = _verdicts(gates)
    few = [group for group, verdict in verdicts.items() if verdict in _GREY]
    failed = frozenset(group for group, verdict in verdicts.items() if verdict is Verdict.FAILED)
    lines = fairness_lines(report, few=few)
    if not lines:
        notices.remark("The report compares no groups; the checks say why.", "help")
    for attribute in dict.fromkeys(line.attribute for line in lines):
        mine = [line for line in lines if line.attribute == attribute]
        small = len({line.group for line in mine if line.few})
        note = f"beside {md(mine[0].reference)}, the largest group"
        note += f"; {plural(small, 'group')} too few to judge" if small else ""
        with parts.card(f"Fairness by {md(attribute.replace('_', ' '))}", note):
            _bars(mine, failed)
            items = [item for item in report.get("slices") or () if item["attribute"] == attribute]
            _numbers(items, verdicts, few, reference=mine[0].reference)


def _verdicts(gates: GateReport | None) -> dict[Group, Verdict]:
    found: dict[Group, list[Verdict]] = {}
    for outcome in gates.outcomes if gates else ():
        attribute, equals, group = outcome.gate.partition(":")[2].partition("=")
        if equals:
            found.setdefault((attribute, group), []).append(outcome.verdict)
    return {group: worst(verdicts) for group, verdicts in found.items()}


def _bars(lines: Sequence[FairnessLine], failed: frozenset[Group]) -> None:
    by_measure: dict[str, list[FairnessLine]] = {}
    for line in lines:
        by_measure.setdefault(line.measure, []).append(line)
    for column, (measure, mine) in zip(st.columns(max(len(by_measure), 1)), by_measure.items(), strict=False):
        with column:
            st.markdown(f":gray[{md(mine[0].title)}]")
            if all(line.value is None for line in mine):
                notices.remark("Not measurable on these rows.", "help")
                continue
            words = "; ".join(f"{report_charts.group_name(line)}: {_said(line)}" for line in mine)
            figure = report_charts.fairness(mine, parts.ink(), failed=failed)
            parts.chart(figure, key=f"fairness-{mine[0].attribute}-{measure}", alt=f"{mine[0].title}: {words}")


def _said(line: FairnessLine) -> str:
    return "not measurable" if line.value is None else f"{line.value:.3f} ({line.low or 0:.3f} to {line.high or 0:.3f})"


def _numbers(
    items: Sequence[Mapping[str, Any]], verdicts: Mapping[Group, Verdict], few: Sequence[Group], *, reference: str
) -> None:
    if not items:
        return
    amounts = "rate" not in items[0]
    rows = []
    for item in items:
        group = (item["attribute"], item["group"])
        grey = group in few or (group not in verdicts and item["n"] < FEWEST_ROWS)
        cells = [_amount(item)] if amounts else [_share(item, name) for name in ("rate", "tpr", "fpr")]
        texts = [md(item["group"]), count(item["n"]), *cells]
        rows.append(
            [f":gray[{text}]" if grey else text for text in texts]
            + [_verdict(verdicts.get(group), grey=grey, reference=item["group"] == reference)]
        )
    titles = ["Mean error"] if amounts else ["Selected", "Positives found", "False alarms"]
    frame = pd.DataFrame(rows, columns=["Group", "n", *titles, "Verdict"])
    parts.table(frame, alt=f"Groups of {items[0]['attribute']}")


def _share(item: Mapping[str, Any], name: str) -> str:
    if item.get(name) is None:
        return NOTHING
    ends = between(item.get(f"{name}_low"), item.get(f"{name}_high"), "share")
    return f"{percent(item[name], 1)} ({md(ends)})" if ends else percent(item[name], 1)


def _amount(item: Mapping[str, Any]) -> str:
    ends = between(item.get("error_low"), item.get("error_high"), "amount")
    return f"{number(item['error'], 2)} ({md(ends)})" if ends else number(item["error"], 2)


def _verdict(verdict: Verdict | None, *, grey: bool, reference: bool) -> str:
    if grey:
        return badges.badge(badges.TOO_FEW)
    if verdict is not None:
        return badges.badge(verdict)
    return badges.plain("Reference", "gray", "anchor") if reference else badges.plain("Not judged", "gray", "help")


def checks(report: Report) -> None:
    """One line per check with its status, why it was planned or left out, and what it found."""
    items = report.get("checks") or ()
    measured = sum(item["status"] == Status.DONE for item in items)
    with parts.card("Checks", f"{measured} of {plural(len(items), 'check')} measured"):
        if not items:
            notices.remark("The report names no check.", "help")
            return
        frame = pd.DataFrame(
            {
                "Check": [f"**{md(item['title'])}**" for item in items],
                "Status": [badges.badge(Status(item["status"])) for item in items],
                "Why": [f":gray[{md(sentence(item['reason']))}]" for item in items],
                "Result": [md(sentence(item["sentence"])) for item in items],
            }
        )
        parts.table(frame, alt="Checks")


def investigation(report: Report) -> None:
    items = report.get("investigation") or ()
    if not items:
        return
    with parts.card("Investigation", plural(len(items), "step")):
        for at, item in enumerate(items, start=1):
            st.markdown(
                f"**{at}. {md(item['step'])}** :gray[{seconds(item['seconds'])}]  \n"
                f":gray[Why: {md(sentence(item['because']))}]  \n"
                f"{md(sentence(item['did']))} {md(sentence(item['found']))}"
            )


def narrative(report: Report) -> None:
    """Text of a language model: marked, set apart, and never beside a verdict."""
    text = str(report.get("narrative") or "")
    if not text:
        return
    with parts.card("In the words of a language model", "decided nothing, may be wrong", key="narrative"):
        for line in text.splitlines():
            if line.strip():
                st.markdown(f":gray[{md(line)}]")


def inputs(report: Report) -> None:
    """Single-input suspects, inputs known too late, and what happens when an input is missing or noisy."""
    suspects, late = report.get("suspects"), report.get("availability")
    robust = report.get("robustness") or ()
    if suspects is None and late is None and not robust:
        return
    with parts.card("Inputs", "leakage, availability and robustness"):
        for item in late or ():
            if not item["available"]:
                note = f":gray[{md(sentence(item['note']))}]"
                st.markdown(f":red[:material/event_busy: **{md(item['feature'])}** is known only afterwards.] {note}")
        drops: dict[str, dict[str, Mapping[str, Any]]] = {}
        for item in robust:
            drops.setdefault(item["feature"], {})[item["check"]] = item
        alone = {item["feature"]: item["auc"] for item in suspects or ()}
        names = list(dict.fromkeys([*list(alone)[:12], *drops]))
        rows = [
            (
                md(name),
                shown(alone.get(name), "plain") if name in alone else NOTHING,
                _drop(drops.get(name, {}).get("missing")),
                _drop(drops.get(name, {}).get("noise")),
            )
            for name in names
        ]
        if rows:
            columns = ["Input", "AUC alone", "Loss when missing", "Loss with small noise"]
            parts.table(pd.DataFrame(rows, columns=columns), alt="Inputs")


def _drop(item: Mapping[str, Any] | None) -> str:
    return NOTHING if item is None or item["drop"] is None else f"{item['drop']:.3f} :gray[{md(item['metric'])}]"


def files(report: Report) -> None:
    artifact, again = report.get("artifact"), report.get("reproducibility")
    if not artifact and not again:
        return
    with parts.card("Files of the version"):
        if artifact:
            st.markdown(f"{size(artifact['size_bytes'])} in {plural(artifact['files'], 'file')}.")
            found = [(item["path"], item["why"]) for item in artifact["unsafe"]]
            found += [(item["spec"] or item["name"], item["problem"]) for item in artifact["dependencies"]]
            found += [("Signature", problem) for problem in artifact["signature_problems"]]
            for name, problem in found:
                if problem:
                    st.markdown(f":red[:material/error: **{md(name)}:** {md(sentence(problem))}]")
        if again and again["same"]:
            notices.remark("Measured again, the same files and rows gave the same numbers.", "check")
        elif again:
            st.markdown(
                ":red[:material/error: Measured again, the same files and rows gave other numbers, by up to "
                f"{again['max_difference']:g}.]"
            )
