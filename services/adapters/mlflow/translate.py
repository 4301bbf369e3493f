"""MLflow's exceptions as ours, and its answers as plain values, whichever store is behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from services.inventory.models import DatasetRef
from services.kernel.clock import from_utc_text
from services.kernel.errors import RegistryUnavailableError, UnknownVersionError

CREATED_TAG = "countersign.created_in_calendar"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises UnknownVersionError for what does not exist, RegistryUnavailableError for everything else."""
    import requests
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as fault:
        if fault.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise UnknownVersionError(
                f"The registry does not know {what}.", hint="Look at the inventory for what exists."
            ) from fault
        raise _unavailable(what, fault) from fault
    except (SQLAlchemyError, requests.RequestException, OSError) as fault:
        raise _unavailable(what, fault) from fault


def mapping(value: Any) -> Mapping[str, str]:
    """Tags or aliases as text. Unity Catalog's search answers hold methods in their place: then nothing is known."""
    if not isinstance(value, Mapping):
        return {}
    return {str(key): str(item) for key, item in value.items()}


def created_at(version: Any) -> datetime:
    """The replay calendar's time when the version carries one, else MLflow's."""
    replayed = mapping(version.tags).get(CREATED_TAG)
    if replayed:
        try:
            return from_utc_text(replayed)
        except ValueError:
            pass  # not ours: anybody may set a tag
    return datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC)


def datasets_of(run: Any) -> tuple[DatasetRef, ...]:
    found = []
    for entry in run.inputs.dataset_inputs if run.inputs else ():
        tags = {tag.key: tag.value for tag in entry.tags}
        dataset = entry.dataset
        found.append(
            DatasetRef(
                name=str(dataset.name),
                digest=str(dataset.digest),
                context=str(tags.get("mlflow.data.context", "")),
                source=str(dataset.source or ""),
            )
        )
    return tuple(sorted(found, key=lambda ref: (ref.context, ref.name)))


def _unavailable(what: str, fault: Exception) -> RegistryUnavailableError:
    first = str(fault).strip().splitlines()
    return RegistryUnavailableError(
        f"The model registry did not answer about {what} ({type(fault).__name__}: {first[0][:200] if first else ''}).",
        hint="What you see is the last copy. Check that MLflow runs and can be reached.",
    )
