"""Messages carried out by Apprise: mail, Slack, Teams, webhooks and more behind one form of address.

Apprise answers yes or no and explains itself in its log; only what kind of failure it was leaves this file, because
hosts, user names and tokens stand in those lines.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Protocol

from services.kernel.errors import ChannelInvalidError, DeliveryFailedError
from services.kernel.secret import Secret
from services.notices.models import Message, Severity

# These act on this machine instead of telling somebody: a configuration file must not become a way to do that.
_LOCAL_ONLY = ("dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows")
_WORDS = (("mail", "mail"), ("slack", "Slack"), ("workflow", "Teams"), ("msteams", "Teams"))
_WEBHOOKS = ("json", "jsons", "form", "forms", "xml", "xmls")
_STATUS = re.compile(r"error=(\d{3})\b")
_NO_ANSWER = re.compile(r"connection error|timed? ?out|socket", re.IGNORECASE)
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]{1,30})://", re.IGNORECASE)


class Addresses(Protocol):
    def address(self, channel: str) -> Secret:
        """Raises ChannelInvalidError."""
        ...


class AppriseCourier:
    """Implements notices.ports.Courier."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def send(self, channel: str, message: Message) -> None:
        service = opened(self._addresses.address(channel), channel)
        from apprise import Apprise, NotifyFormat, NotifyType
        from apprise.exception import AppriseException

        kinds = {Severity.RED: NotifyType.FAILURE, Severity.AMBER: NotifyType.WARNING, Severity.INFO: NotifyType.INFO}
        said: list[str] = []
        carrier = Apprise(asset=service.asset)
        carrier.add(service)
        try:
            done = carrier.notify(
                body=message.body,
                title=message.title,
                notify_type=kinds[message.severity],
                body_format=NotifyFormat.TEXT,
                interpret_escapes=False,
                log_callback=lambda line, _service: said.append(line.message),
                log_level=logging.WARNING,
            )
        except (AppriseException, OSError, ValueError, TypeError):
            # Not chained: the library's own words may hold the address.
            raise _refused(channel, "the service behind it failed in an unexpected way") from None
        if not done:
            raise _failure(channel, " ".join(said))


def opened(address: Secret, channel: str) -> Any:
    """The service behind an address. Raises ChannelInvalidError without repeating any of it."""
    scheme = _SCHEME.match(address.reveal().strip())
    if scheme is None or scheme.group(1).lower() in _LOCAL_ONLY:
        raise _invalid(channel)
    quiet_logs()
    from apprise import Apprise, AppriseAsset, PersistentStoreMode

    asset = AppriseAsset(
        app_id="Countersign",
        app_desc="Countersign",
        app_url="",
        # Nothing is loaded from elsewhere by whoever reads the message.
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        secure_logging=True,
        storage_mode=PersistentStoreMode.MEMORY,
    )
    service = Apprise.instantiate(address.reveal().strip(), asset=asset, suppress_exceptions=True)
    if service is None:
        raise _invalid(channel)
    return service


def transport_of(address: Secret) -> str:
    """The kind of service in a word, from the scheme alone."""
    found = _SCHEME.match(address.reveal().strip())
    scheme = found.group(1).lower() if found else ""
    if scheme in _WEBHOOKS:
        return "webhook"
    return next((word for part, word in _WORDS if part in scheme), scheme or "unknown service")


def quiet_logs() -> None:
    """The libraries name addresses in their own logs; those lines go nowhere but to the caller above."""
    log = logging.getLogger("apprise")
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    for name in ("urllib3", "requests", "requests_oauthlib"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _failure(channel: str, said: str) -> DeliveryFailedError:
    status = _STATUS.search(said)
    if status:
        return _refused(channel, f"the service behind it answered with status {status.group(1)}")
    if _NO_ANSWER.search(said):
        return _refused(channel, "the service behind it cannot be reached or broke off")
    return _refused(channel, "the service behind it did not take the message")


def _refused(channel: str, why: str) -> DeliveryFailedError:
    return DeliveryFailedError(
        f"The channel {channel} did not deliver: {why}.", hint="It is tried again; check the service and its address."
    )


def _invalid(channel: str) -> ChannelInvalidError:
    return ChannelInvalidError(
        f"The address of the channel {channel} is not one that messages can be sent to.",
        hint="Write it as Apprise describes, for example mailtos:// or slack://.",
    )
