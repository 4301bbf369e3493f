"""Brings the catalog's facts into the services: models, what to watch, what counts as benefit."""

from __future__ import annotations

from datetime import datetime

from services.adapters.local.estate.catalog import load_catalog, load_monitoring, load_use_cases, load_value
from services.container import ControlRoom
from services.monitoring.monitors import of_config


def register(room: ControlRoom, *, today: datetime) -> None:
    """May be repeated: the newest facts replace the earlier ones."""
    room.inventory.register_catalog(load_catalog(today.date()), load_use_cases())
    room.monitoring.register_config(load_monitoring())
    room.monitors.found(of_config(config) for config in load_monitoring())
    room.value.register_value_config(load_value())
