"""Each failure the SDK knows has a meaning of ours, and no text on the way holds a credential."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

import pytest
import requests
from databricks.sdk import errors as sdk
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.retries import RetryError

from services.adapters.databricks.errors import MEANINGS, Redactor, WaitRefusedError, in_our_words
from services.kernel.errors import ConflictError, ControlRoomError, InputError, RefusalError, ServingUnavailableError

OURS = {"away": ServingUnavailableError, "conflict": ConflictError, "input": InputError, "refused": RefusalError}
TOKEN = "dapi0123456789abcdef0123"
KNOWN = "s3cret"


def _below(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _said(error: Exception, *, reading: bool = False) -> ControlRoomError:
    with pytest.raises(ControlRoomError) as told, in_our_words("It failed", Redactor(KNOWN), reading=reading):
        raise error
    return told.value


def test_every_class_of_the_sdk_has_a_meaning() -> None:
    public = {value for value in vars(sdk).values() if isinstance(value, type) and issubclass(value, Exception)}

    assert set(_below(DatabricksError)) | public | {RetryError} == set(MEANINGS)


@pytest.mark.parametrize("kind", MEANINGS, ids=lambda kind: kind.__name__)
def test_each_error_of_a_change_becomes_ours_and_names_its_cause(kind: type[Exception]) -> None:
    vendor = kind("The cluster is on fire.")

    told = _said(vendor)

    assert type(told) is OURS[MEANINGS[kind]]
    assert told.message.startswith("It failed: ")
    assert told.hint
    assert told.__cause__ is vendor


@pytest.mark.parametrize("kind", MEANINGS, ids=lambda kind: kind.__name__)
def test_whatever_a_reader_is_told_means_that_it_could_not_find_out(kind: type[Exception]) -> None:
    assert type(_said(kind("No."), reading=True)) is ServingUnavailableError


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError("refused"),
        requests.Timeout("slow"),
        TimeoutError("slow"),
        ValueError("invalid_client: wrong"),
        KeyError("name"),
        NotImplementedError("Not supported yet"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_sdk_lets_through_from_below_is_unavailable(error: Exception) -> None:
    assert type(_said(error)) is ServingUnavailableError


def test_a_timeout_says_that_it_may_have_been_carried_out() -> None:
    assert "whether it was carried out is read back next" in _said(requests.Timeout()).message


def test_throttling_names_the_seconds_and_the_real_cause() -> None:
    throttled = sdk.TooManyRequests("Slow down", retry_after_secs=30)

    def as_the_retry_loop_of_the_sdk() -> None:
        try:
            raise throttled
        except sdk.TooManyRequests:
            raise WaitRefusedError(30.5)  # noqa: B904

    with pytest.raises(ServingUnavailableError) as told, in_our_words("It failed", Redactor()):
        as_the_retry_loop_of_the_sdk()

    assert "30 s of patience" in told.value.message
    assert told.value.__cause__ is throttled


def test_our_own_errors_pass_unchanged() -> None:
    ours = ConflictError("Somebody was faster.")
    with pytest.raises(ConflictError) as told, in_our_words("It failed", Redactor()):
        raise ours
    assert told.value is ours


@pytest.mark.parametrize(
    "leak",
    [
        KNOWN,
        TOKEN,
        "Bearer abcdefghijklmnop",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcHAifQ.c2ln",
        "client_secret=hunter2hunter2",
    ],
)
@pytest.mark.parametrize("kind", [sdk.BadRequest, sdk.PermissionDenied, sdk.InternalError, ValueError])
def test_no_credential_reaches_a_message_or_a_traceback(kind: type[Exception], leak: str) -> None:
    told = _said(kind(f"Request failed with {leak} in it"))

    printed = "".join(traceback.format_exception(told))
    assert leak.rpartition("=")[2] not in printed
    assert "********" in printed


def test_the_configuration_the_sdk_appends_to_a_refusal_is_left_out() -> None:
    told = _said(sdk.PermissionDenied("No permission. Config: host=https://x, token=***. Env: DATABRICKS_HOST"))

    assert told.message == "It failed: Databricks says: No permission."
