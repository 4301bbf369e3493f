"""Every failure of the Databricks SDK in our words; credentials never reach a message or a chained error.

Reading and changing differ: a reader who is refused could not find out, a writer who is refused was told no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from databricks.sdk import errors as sdk
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.errors.private_link import PrivateLinkValidationError
from databricks.sdk.retries import RetryError
from requests import RequestException, Timeout

from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    InputError,
    RefusalError,
    RegistryUnavailableError,
    ServingUnavailableError,
    UnknownVersionError,
)

Meaning = Literal["away", "conflict", "input", "refused"]

MEANINGS: dict[type[Exception], Meaning] = {
    DatabricksError: "away",
    sdk.BadRequest: "input",
    sdk.InvalidParameterValue: "input",
    sdk.InvalidState: "conflict",
    sdk.Unauthenticated: "away",
    sdk.PermissionDenied: "refused",
    PrivateLinkValidationError: "away",
    sdk.NotFound: "input",
    sdk.ResourceDoesNotExist: "input",
    sdk.ResourceConflict: "conflict",
    sdk.Aborted: "conflict",
    sdk.AlreadyExists: "conflict",
    sdk.ResourceAlreadyExists: "conflict",
    sdk.TooManyRequests: "away",
    sdk.ResourceExhausted: "away",
    sdk.RequestLimitExceeded: "away",
    sdk.Cancelled: "away",
    sdk.InternalError: "away",
    sdk.Unknown: "away",
    sdk.DataLoss: "away",
    sdk.NotImplemented: "refused",
    sdk.TemporarilyUnavailable: "away",
    sdk.DeadlineExceeded: "away",
    sdk.OperationFailed: "away",
    sdk.OperationTimeout: "away",
    RetryError: "away",
}
"""Exact classes; a test fails when the SDK gets one that is not here. Subclasses unknown to us mean `away`."""

_FOREIGN: tuple[type[Exception], ...] = (
    *MEANINGS,
    RequestException,
    TimeoutError,
    ValueError,
    KeyError,
    NotImplementedError,
)
# ValueError and NotImplementedError are how the SDK reports a refused or garbled token; KeyError an answer without
# a field it counts on.

_LONGEST = 300
_TOKENS = re.compile(
    r"dapi[0-9a-f]{8,}(?:-\d+)?|dose[0-9a-f]{8,}|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"
    r"|(?i:bearer)\s+[\w.~+/=-]{8,}|(?i:client_secret|password|token)=[^\s,&]+"
)
_HINTS: dict[Meaning, str] = {
    "away": "Nothing is assumed about it; it is tried again.",
    "conflict": "Read the current state and try again.",
    "input": "Compare the deployment's settings with the endpoint in the workspace.",
    "refused": "Ask a workspace admin for the permission named in docs/databricks-serving.md.",
}


class WaitRefusedError(Exception):
    """The SDK wanted to sleep and try again by itself. Our calls return quickly; the worker tries again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"would wait {seconds:.0f} s")


class Redactor:
    """Takes known secrets, and everything that looks like a token, out of texts."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = tuple(sorted((secret for secret in secrets if secret), key=len, reverse=True))

    def clean(self, text: str) -> str:
        # An answer the SDK cannot parse is quoted by it with the whole request: rows of callers, variables of entities.
        text = text.partition("Request log:")[0]
        for secret in self._secrets:
            text = text.replace(secret, "********")
        return _TOKENS.sub("********", text)


@contextmanager
def in_our_words(what: str, redactor: Redactor, *, reading: bool = False) -> Iterator[None]:
    """Wrap one SDK call. `what` is the sentence of what could not be done, without a full stop."""
    try:
        yield
    except WaitRefusedError as wait:
        cause = wait.__context__ if isinstance(wait.__context__, Exception) else wait
        raise _translated(what, cause, redactor, reading=reading) from cleaned(cause, redactor)
    except _FOREIGN as vendor:
        raise _translated(what, vendor, redactor, reading=reading) from cleaned(vendor, redactor)


@contextmanager
def in_registry_words(what: str, redactor: Redactor) -> Iterator[None]:
    """Wrap one SDK call about Unity Catalog. `what` is the thing it is about: `main.claims.score version 3`.

    Raises UnknownVersionError for what does not exist, RegistryUnavailableError for everything else.
    """
    try:
        yield
    except WaitRefusedError as wait:
        cause = wait.__context__ if isinstance(wait.__context__, Exception) else wait
        raise _of_registry(what, cause, redactor) from cleaned(cause, redactor)
    except _FOREIGN as vendor:
        # The SDK gave up waiting: what the platform said is behind it.
        cause = vendor.__cause__ if isinstance(vendor.__cause__, DatabricksError) else vendor
        raise _of_registry(what, cause, redactor) from cleaned(cause, redactor)


def _of_registry(what: str, vendor: Exception, redactor: Redactor) -> ControlRoomError:
    if isinstance(vendor, sdk.NotFound | sdk.ResourceDoesNotExist):
        return UnknownVersionError(f"The registry does not know {what}.", hint="Look at the inventory for what exists.")
    hint = "What you see is the last copy. Check that the workspace can be reached."
    if meaning_of(vendor) == "refused":
        hint = "Give the app's principal the right that docs/databricks.md names for this."
    return RegistryUnavailableError(
        f"Unity Catalog did not answer about {what}: {_reason(vendor, redactor)}", hint=hint
    )


def meaning_of(vendor: BaseException) -> Meaning:
    return MEANINGS.get(type(vendor), "away")  # type: ignore[arg-type]


def _translated(what: str, vendor: Exception, redactor: Redactor, *, reading: bool) -> ControlRoomError:
    meaning = meaning_of(vendor)
    message = f"{what}: {_reason(vendor, redactor)}"
    if reading or meaning == "away":
        return ServingUnavailableError(message, hint=_HINTS["refused" if meaning == "refused" else "away"])
    kinds = {"conflict": ConflictError, "input": InputError, "refused": RefusalError}
    return kinds[meaning](message, hint=_HINTS[meaning])


def _reason(vendor: Exception, redactor: Redactor) -> str:
    if isinstance(vendor, sdk.Unauthenticated):
        return "Databricks did not accept the credentials."
    if isinstance(vendor, PrivateLinkValidationError):
        return "the workspace is only reachable through its private network."
    if isinstance(vendor, sdk.TooManyRequests):
        return f"Databricks is throttling us and asks for {vendor.retry_after_secs or 1} s of patience."
    if isinstance(vendor, Timeout | TimeoutError):
        return "Databricks did not answer in time; whether it was carried out is read back next."
    if isinstance(vendor, RequestException):
        return "Databricks is not reachable."
    said = " ".join(redactor.clean(str(vendor)).split())
    # For 401 and 403 the SDK adds its whole configuration; what Databricks said stands before it.
    said = said.partition(" Config: ")[0][:_LONGEST].rstrip(". ")
    return f"Databricks says: {said}." if said else "Databricks gave no reason."


def cleaned(vendor: Exception, redactor: Redactor) -> Exception:
    """The same error with a clean text: a chained error is printed with every traceback."""
    vendor.args = tuple(redactor.clean(item) if isinstance(item, str) else item for item in vendor.args)
    vendor.__cause__ = None
    vendor.__context__ = None
    return vendor
