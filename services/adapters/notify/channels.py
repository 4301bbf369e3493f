"""The ways out, from `notify.yaml` in the home folder and the environment; read again when the file changes.

    base_url: https://countersign.example.com
    quiet_hours: {zone: Europe/Berlin, tiers: {2: "20:00-07:00", 3: "18:00-08:00"}}
    channels:
      - {name: compliance, url_from: NOTIFY_COMPLIANCE, roles: [compliance_officer]}
      - {name: clara, url: "mailtos://user:password@smtp.example.com?to=clara@example.com", people: [clara.compliance]}

An address holds passwords and tokens: it stays inside a Secret and no fault repeats what was written.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from services.kernel.errors import ChannelInvalidError
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.notices.models import Channel, QuietHours, Severity
from services.notices.wording import link

_Minute = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")]
_READABLE_BY_OTHERS = 0o077


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class _Quiet(_Closed):
    zone: str = "UTC"
    tiers: dict[Annotated[int, Field(ge=1, le=3)], _Minute] = {}

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as unknown:
            raise ValueError("not a time zone such as Europe/Berlin") from unknown
        return zone


class _Channel(_Closed):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,59}$")]
    url: SecretStr | None = None
    url_from: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    roles: tuple[Role, ...] = ()
    people: tuple[str, ...] = ()
    least: Severity = Severity.INFO

    @model_validator(mode="after")
    def _whole(self) -> _Channel:
        if (self.url is None) == (self.url_from is None):
            raise ValueError("give exactly one of url and url_from")
        if not self.roles and not self.people:
            raise ValueError("name at least one role or person")
        return self


class _Document(_Closed):
    base_url: str = ""
    quiet_hours: _Quiet = _Quiet()
    channels: tuple[_Channel, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> _Document:
        names = [channel.name for channel in self.channels]
        if len(set(names)) != len(names):
            raise ValueError("two channels have the same name")
        return self


@dataclass(frozen=True, slots=True)
class _Read:
    document: _Document = field(default_factory=_Document)
    channels: tuple[Channel, ...] = ()
    urls: Mapping[str, Secret] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


class ConfiguredChannels:
    """Implements notices.ports.Channels; `address` is for the courier alone."""

    def __init__(
        self,
        file: Path,
        *,
        urls: Secret | None = None,
        base_url: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`urls` is JSON text: role or subject to address, for deployments without a file."""
        self._file = file
        self._urls = urls
        self._base_url = base_url
        self._environment = os.environ if environment is None else environment
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = (-1, -1)
        self._known = _Read()

    @property
    def base_url(self) -> str:
        return self._base_url or self._now().document.base_url

    def all(self) -> tuple[Channel, ...]:
        return self._now().channels

    def quiet(self, tier: int) -> QuietHours | None:
        hours = self._now().document.quiet_hours
        if tier not in hours.tiers:
            return None
        start, _, end = hours.tiers[tier].partition("-")
        return QuietHours(zone=hours.zone, start_minute=_minute(start), end_minute=_minute(end))

    def transport(self, channel: str) -> str:
        from services.adapters.notify.courier import transport_of

        try:
            return transport_of(self.address(channel))
        except ChannelInvalidError:
            return "unknown service"

    def problem(self, channel: str) -> str:
        from services.adapters.notify.courier import opened

        try:
            opened(self.address(channel), channel)
        except ChannelInvalidError as wrong:
            return wrong.message
        return ""

    def faults(self) -> tuple[str, ...]:
        read = self._now()
        if read.channels and self.base_url and not link(self.base_url, "notices"):
            return (
                *read.faults,
                "The public address for links is not an http or https address; messages have no link.",
            )
        if read.channels and not self.base_url:
            return (*read.faults, "The public address of this deployment is not set; messages have no link.")
        return read.faults

    def address(self, channel: str) -> Secret:
        """Raises ChannelInvalidError when no address is configured for it."""
        found = self._now().urls.get(channel)
        if found is None:
            raise ChannelInvalidError(
                f"The channel {channel} has no address.", hint="Set the variable its url_from names, or its url."
            )
        return found

    def _now(self) -> _Read:
        with self._lock:
            stamp = _stamp(self._file)
            if stamp != self._stamp:
                self._known, self._stamp = self._read(), stamp
            return self._known

    def _read(self) -> _Read:
        document, faults = self._document()
        channels, urls = [], dict[str, Secret]()
        for item in document.channels:
            roles = tuple(role.value for role in item.roles)
            channels.append(Channel(name=item.name, roles=roles, people=item.people, least=item.least))
            text = item.url.get_secret_value() if item.url else self._environment.get(item.url_from or "", "")
            if text:
                urls[item.name] = Secret(text)
            else:
                faults.append(f"Channel {item.name}: the environment has no value for {item.url_from}.")
        self._add_urls(channels, urls, faults)
        return _Read(document=document, channels=tuple(channels), urls=urls, faults=tuple(faults))

    def _document(self) -> tuple[_Document, list[str]]:
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return _Document(), []
        except (OSError, UnicodeDecodeError) as broken:
            return _Document(), [f"{self._file.name} cannot be read ({type(broken).__name__})."]
        try:
            document = _Document.model_validate(yaml.safe_load(text) or {})
        except yaml.YAMLError as broken:
            # The parser's own words quote the line, which may be the one with the password.
            mark = getattr(broken, "problem_mark", None)
            return _Document(), [f"{self._file.name} line {mark.line + 1 if mark else 1}: this is not YAML."]
        except ValidationError as faults:
            return _Document(), [f"{self._file.name}: {_words(fault)}" for fault in faults.errors(include_input=False)]
        return document, self._exposed(document)

    def _exposed(self, document: _Document) -> list[str]:
        mode = self._file.stat().st_mode
        if any(channel.url for channel in document.channels) and mode & _READABLE_BY_OTHERS:
            return [f"{self._file.name} holds addresses and other users of this machine can read it; chmod 600 it."]
        return []

    def _add_urls(self, channels: list[Channel], urls: dict[str, Secret], faults: list[str]) -> None:
        if self._urls is None or not self._urls.reveal().strip():
            return
        try:
            given: Any = json.loads(self._urls.reveal())
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(isinstance(text, str) and text for text in given.values()):
            faults.append("COUNTERSIGN_NOTIFY_URLS is not a JSON object of role or person to address.")
            return
        roles = {role.value for role in Role}
        for whom, text in given.items():
            name = str(whom)[:60]
            if name in urls:
                faults.append(f"The channel {name} is configured twice; the file counts.")
                continue
            known = name in roles
            channels.append(Channel(name=name, roles=(name,) if known else (), people=() if known else (name,)))
            urls[name] = Secret(text)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_size


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def _words(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"]) or "document"
    return f"{where}: {fault['msg']}."
