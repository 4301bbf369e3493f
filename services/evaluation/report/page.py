"""The report as one HTML page: opens without a server, runs nothing, asks nobody, prints.

Text comes from data sets, models and people: the template escapes every value, and the page forbids scripts itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from services.evaluation.report import reading
from services.evaluation.report.page_charts import charts
from services.evaluation.report.page_tables import tables
from services.evaluation.report.reading import MetricLine, between, between_differences, metric_lines, shown, signed


def to_html(report: Mapping[str, Any]) -> str:
    """The whole page for a report that follows the schema."""
    champion = report.get("champion") or {}
    return _template().render(
        report={"narrative": "", **report},
        mode=reading.MODES[report["mode"]],
        champion=champion.get("version", ""),
        metrics=[_metric(line, report.get("unit") or "") for line in metric_lines(report)],
        statuses=reading.STATUSES,
        charts=charts(report),
        tables=tables(report),
    )


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    made = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return made.get_template("page.html.j2")


def _metric(line: MetricLine, unit: str) -> dict[str, str]:
    word = "" if line.better is None else "better" if line.better else "worse"
    return {
        "title": line.title,
        "champion": "" if line.champion is None else shown(line.champion, line.kind, unit),
        "value": shown(line.value, line.kind, unit),
        "interval": between(line.low, line.high, line.kind),
        "method": line.method,
        "delta": signed(line.delta, line.kind, unit),
        "delta_interval": between_differences(line.delta_low, line.delta_high, line.kind),
        "tone": word,
        "word": word,
    }
