"""MLflow's exceptions as ours, and its answers as plain values, whichever store is behind it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from services.adapters.mlflow.files import ModelFacts
from services.adapters.mlflow.loading import load_mlflow
from services.inventory.models import DatasetRef, ModelVersion
from services.kernel.clock import from_utc_text
from services.kernel.errors import RegistryUnavailableError, UnknownVersionError

RUN_GONE = "The run of this version cannot be found."
CREATED_TAG = "countersign.created_in_calendar"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises UnknownVersionError for what does not exist, RegistryUnavailableError for everything else."""
    load_mlflow()
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
    tags = mapping(version.tags)
    replayed = tags.get(CREATED_TAG) or tags.get(CREATED_TAG.replace(".", "_"))  # Unity Catalog takes no dot in a key
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


def version_of(entry: Any, run: Any, files: ModelFacts, aliases: Iterable[str], *, model_id: str = "") -> ModelVersion:
    """One version with the facts of its run, which may be None, and of its files.

    `model_id` is what the registry itself says, where the source does not name the logged model.
    """
    source = str(entry.source or "")
    gone = "" if run is not None else f"{RUN_GONE} "
    return ModelVersion(
        model=str(entry.name),
        version=str(entry.version),
        created_at=created_at(entry),
        run_id=str(entry.run_id or ""),
        model_id=source.removeprefix("models:/") if source.startswith("models:/m-") else model_id,
        source=source,
        status=str(entry.status),
        description=str(entry.description or ""),
        metrics=tuple(sorted((str(key), float(value)) for key, value in run.data.metrics.items())) if run else (),
        params=tuple(sorted((str(key), str(value)) for key, value in run.data.params.items())) if run else (),
        tags=tuple(sorted(mapping(entry.tags).items())),
        aliases=tuple(sorted(aliases)),
        datasets=datasets_of(run) if run else (),
        inputs=files.inputs,
        outputs=files.outputs,
        has_input_example=files.has_input_example,
        size_bytes=files.size_bytes,
        missing=(gone + files.missing).strip(),
        author=str(entry.user_id or ""),
    )


def _unavailable(what: str, fault: Exception) -> RegistryUnavailableError:
    first = str(fault).strip().splitlines()
    return RegistryUnavailableError(
        f"The model registry did not answer about {what} ({type(fault).__name__}: {first[0][:200] if first else ''}).",
        hint="What you see is the last copy. Check that MLflow runs and can be reached.",
    )
