"""Where everything in the app is: one table of pages, and the addresses that services name as targets."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from services.kernel.identity import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    stem: str
    title: str
    icon: str
    section: str
    permission: Permission
    listed: bool = True

    @property
    def path(self) -> str:
        return f"pages/screens/{self.stem}.py"


def _place(stem: str, title: str, icon: str, section: str, permission: Permission = Permission.VIEW) -> Place:
    return Place(stem=stem, title=title, icon=f":material/{icon}:", section=section, permission=permission)


PLACES: dict[str, Place] = {
    place.stem: place
    for place in (
        _place("overview", "Overview", "space_dashboard", "Oversee"),
        _place("inventory", "Models", "inventory_2", "Oversee"),
        Place(
            stem="model",
            title="Model",
            icon=":material/deployed_code:",
            section="Oversee",
            permission=Permission.VIEW,
            listed=False,
        ),
        _place("tables", "Feature tables", "table_view", "Oversee"),
        _place("notices", "Notices", "notifications", "Oversee"),
        _place("approvals", "Approvals", "signature", "Decide"),
        _place("evaluation", "Evaluation", "fact_check", "Decide"),
        _place("policies", "Policies", "gavel", "Decide"),
        _place("rollouts", "Rollouts", "alt_route", "Operate"),
        _place("alerts", "Alerts", "notification_important", "Operate"),
        _place("incidents", "Incidents", "e911_emergency", "Operate"),
        _place("monitors", "Monitors", "visibility", "Operate"),
        _place("drift", "Drift", "monitoring", "Operate"),
        _place("performance", "Performance", "insights", "Operate"),
        _place("data_health", "Data health", "health_metrics", "Operate"),
        _place("reliability", "Reliability", "speed", "Operate"),
        _place("feedback", "Feedback", "rate_review", "Operate"),
        _place("value", "Value", "payments", "Account", Permission.VIEW_VALUE),
        _place("programme", "Programme", "checklist", "Account"),
        _place("audit", "Audit", "history", "Prove", Permission.VIEW_LEDGER),
        _place("settings", "Settings", "tune", "Prove"),
    )
}


def path(stem: str) -> str:
    return PLACES[stem].path


def parse_target(target: str) -> tuple[str, dict[str, str]]:
    """`approvals?request=req-1` becomes the page file and its parameters; an unknown screen leads to the overview."""
    stem, _, query = target.partition("?")
    if stem not in PLACES:
        return path("overview"), {}
    return path(stem), dict(parse_qsl(query))
