"""The whole app, run headless from app.py against a room made of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.fakes.room import FakeRoom

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """Caches belong to the process; one test must not read what another one left."""
    st.cache_resource.clear()
    st.cache_data.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def visit() -> Callable[..., AppTest]:
    """Opens one screen as one person: `visit(room, "approvals", "sam.sre", request="req-0001")`."""

    def _visit(room: FakeRoom, screen: str, who: str = "clara.compliance", **address: str) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=120)
        app.session_state["control_room"] = room
        if who:
            app.session_state["token"] = room.sign_in(who)
        app.run()
        if screen != "overview":
            app.switch_page(f"pages/screens/{screen}.py")
        for name, value in address.items():
            app.query_params[name] = value
        return app.run()

    return _visit


def words(app: AppTest) -> str:
    """Everything a reader can read, in one text."""
    parts: list[Any] = [*app.title, *app.header, *app.markdown, *app.caption, *app.warning, *app.error, *app.info]
    tables = [str(table.value.to_dict()) for table in app.table]
    metrics = [f"{metric.label} {metric.value}" for metric in app.metric]
    return "\n".join([str(part.value) for part in parts] + tables + metrics)


def crashed(app: AppTest) -> list[str]:
    """What must never be on a page: a trace, or the incident sentence of the frame."""
    return [str(item.value) for item in app.exception] + [text.value for text in app.error if "Incident" in text.value]
