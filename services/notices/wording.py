"""The words of notices. What leaves the house is built here from the kind and three names alone: no person, no comment,
no figure of the evidence can be in it, and no name can add a line, a header, a link or a mark-up of its own.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from services.kernel.targets import target_of as target_of  # noqa: PLC0414 - part of how notices point
from services.notices.models import Delivery, Message, NoticeKind

_JOINER = "\u2060"
_LONGEST_NAME = 80
_MARKUP = re.compile(r"[<>\[\]{}()|*`~#$\\!&\"]")
_NEVER_IN_A_LINK = re.compile(r"[\s<>\"'\\]")

HEADLINES: Mapping[NoticeKind, str] = {
    NoticeKind.STEP_OPEN: "A signature is asked for",
    NoticeKind.DUE_SOON: "A signature is due soon",
    NoticeKind.OVERDUE: "A signature is overdue",
    NoticeKind.ESCALATED: "An overdue signature was escalated to you",
    NoticeKind.CHANGES_REQUESTED: "Changes were requested",
    NoticeKind.REJECTED: "A request was rejected",
    NoticeKind.COMPLETE: "A request is approved by everybody it needs",
    NoticeKind.RELEASED: "A release is done",
    NoticeKind.NOT_APPLIED: "A release could not be carried out",
    NoticeKind.SIGNATURE_VOID: "A signature became void",
    NoticeKind.APPROVAL_VOID: "An approval became void",
    NoticeKind.APPROVAL_ENDING: "An approval ends soon",
    NoticeKind.APPROVAL_ENDED: "An approval has ended while the version serves",
    NoticeKind.EXCEPTION_PROPOSED: "An exception is proposed",
    NoticeKind.EXCEPTION_ENDING: "An exception ends soon",
    NoticeKind.EMERGENCY: "An emergency release needs a review",
    NoticeKind.REVIEW_OVERDUE: "The review of an emergency release is overdue",
    NoticeKind.UNSIGNED_CHANGE: "A change was made that nobody signed",
    NoticeKind.AUTOMATIC_ROLLBACK: "Traffic was rolled back automatically",
    NoticeKind.RELEASE_HELD: "A running release is held",
    NoticeKind.BATCH_HELD: "The output of a batch run waits for a decision",
    NoticeKind.BATCH_WITHHELD: "The output of a batch run is withheld",
    NoticeKind.WORKER_AWAY: "Nobody watches: the worker does not run",
    NoticeKind.INCIDENT: "An incident is open",
    NoticeKind.INCIDENT_UNATTENDED: "Nobody has taken up an incident",
    NoticeKind.ALERT: "An alert is open",
    NoticeKind.ALERT_UNATTENDED: "Nobody has taken up an alert",
    NoticeKind.KEY_LOCKED: "A signing key is locked",
    NoticeKind.KEY_USED: "Your signing key was used",
    NoticeKind.KEY_CHANGED: "Your signing key or a role of yours changed",
    NoticeKind.DELEGATED: "A role was delegated to you",
    NoticeKind.ACCESS_ENDING: "Access ends soon",
    NoticeKind.LEDGER_UNREADABLE: "An entry of the ledger cannot be read",
    NoticeKind.CHANNEL_FAILING: "Notices could not be delivered",
    NoticeKind.CHANNEL_TEST: "This is a test message",
}

DONE_WHEN: Mapping[NoticeKind, str] = {
    NoticeKind.STEP_OPEN: "Done when the signatures of your role are there, or the request ends.",
    NoticeKind.DUE_SOON: "Done when the signatures of your role are there, or the request ends.",
    NoticeKind.OVERDUE: "Done when the signatures of this role are there, or the request ends.",
    NoticeKind.ESCALATED: "Done when somebody of the role has signed. It changes nobody's rights to sign.",
    NoticeKind.CHANGES_REQUESTED: "Done when the request is submitted again or withdrawn.",
    NoticeKind.APPROVAL_ENDING: "Done when the approval is renewed or the version no longer serves.",
    NoticeKind.APPROVAL_ENDED: "Done when the approval is renewed or the version no longer serves.",
    NoticeKind.EXCEPTION_PROPOSED: "Done when the exception is granted or refused.",
    NoticeKind.EXCEPTION_ENDING: "Done when the exception has ended.",
    NoticeKind.EMERGENCY: "Done when two uninvolved people have reviewed it.",
    NoticeKind.REVIEW_OVERDUE: "Done when the review is signed. Until then the next promotion is blocked.",
    NoticeKind.UNSIGNED_CHANGE: "Done when the change is reverted, or adopted with signatures.",
    NoticeKind.NOT_APPLIED: "Done when the deployment job goes on, or a newer run takes its place.",
    NoticeKind.WORKER_AWAY: "Done when a worker runs again.",
    NoticeKind.INCIDENT: "Done when the incident is closed.",
    NoticeKind.INCIDENT_UNATTENDED: "Done when somebody acknowledges the incident.",
    NoticeKind.ALERT: "Done when somebody acknowledges or snoozes the alert, or its condition is healthy again.",
    NoticeKind.ALERT_UNATTENDED: "Done when somebody acknowledges the alert.",
    NoticeKind.KEY_LOCKED: "Done when the lock has run out.",
    NoticeKind.ACCESS_ENDING: "Done when access was extended or has ended.",
    NoticeKind.CHANNEL_FAILING: "Done when a message goes through again.",
}

KIND_WORDS: Mapping[NoticeKind, str] = {
    NoticeKind.STEP_OPEN: "Signature asked for",
    NoticeKind.DUE_SOON: "Due soon",
    NoticeKind.OVERDUE: "Overdue",
    NoticeKind.ESCALATED: "Escalated",
    NoticeKind.CHANGES_REQUESTED: "Changes requested",
    NoticeKind.REJECTED: "Rejected",
    NoticeKind.COMPLETE: "Approved",
    NoticeKind.RELEASED: "Released",
    NoticeKind.NOT_APPLIED: "Not carried out",
    NoticeKind.SIGNATURE_VOID: "Signature void",
    NoticeKind.APPROVAL_VOID: "Approval void",
    NoticeKind.APPROVAL_ENDING: "Approval ending",
    NoticeKind.APPROVAL_ENDED: "Approval ended",
    NoticeKind.EXCEPTION_PROPOSED: "Exception proposed",
    NoticeKind.EXCEPTION_ENDING: "Exception ending",
    NoticeKind.EMERGENCY: "Emergency release",
    NoticeKind.REVIEW_OVERDUE: "Review overdue",
    NoticeKind.UNSIGNED_CHANGE: "Unsigned change",
    NoticeKind.AUTOMATIC_ROLLBACK: "Automatic rollback",
    NoticeKind.RELEASE_HELD: "Release held",
    NoticeKind.BATCH_HELD: "Batch run held",
    NoticeKind.BATCH_WITHHELD: "Batch run withheld",
    NoticeKind.WORKER_AWAY: "Worker away",
    NoticeKind.INCIDENT: "Incident",
    NoticeKind.INCIDENT_UNATTENDED: "Incident not taken up",
    NoticeKind.ALERT: "Alert",
    NoticeKind.ALERT_UNATTENDED: "Alert not taken up",
    NoticeKind.KEY_LOCKED: "Key locked",
    NoticeKind.KEY_USED: "Key used",
    NoticeKind.KEY_CHANGED: "Key or role changed",
    NoticeKind.DELEGATED: "Delegation",
    NoticeKind.ACCESS_ENDING: "Access ending",
    NoticeKind.LEDGER_UNREADABLE: "Ledger entry unreadable",
    NoticeKind.CHANNEL_FAILING: "Delivery failing",
    NoticeKind.CHANNEL_TEST: "Test message",
}


def name_outside(text: str) -> str:
    """A name as it may stand in a subject line or a chat: one line, no control or format character, nothing that a
    mail program or a chat reads as mark-up, as a mention or as an address.
    """
    kept = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", text)
        if character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    bare = " ".join(_MARKUP.sub(" ", kept).split())
    # An invisible joiner keeps programs from making `host.example`, `a@b` or `http:` in a name clickable.
    bare = re.sub(r"([.:@/])", rf"\1{_JOINER}", bare)
    return bare if len(bare) <= _LONGEST_NAME else bare[: _LONGEST_NAME - 1] + "…"


def message(delivery: Delivery, *, base_url: str) -> Message:
    """Subject and body of what is sent. The link is the only address in it and leads to this deployment."""
    about = [part for part in (_about(delivery), _request(delivery)) if part]
    headline = HEADLINES[delivery.kind]
    title = f"Countersign: {headline}{f' - {about[0]}' if about else ''}"
    lines = [f"{headline}." if not about else f"{headline}: {', '.join(about)}."]
    url = link(base_url, opening(delivery.target, delivery.notice_id))
    lines.append(f"Open: {url}" if url else "Open Countersign to see what to do.")
    # The same number in a message that had to be sent twice, so that its reader can tell.
    lines.append(f"Notice {delivery.notice_id}. Nobody can decide by answering this message.")
    return Message(title=title, body="\n".join(lines), severity=delivery.severity)


def notice_id_of(key: str) -> str:
    """Short and fit for an address; says nothing of what the notice is about."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def opening(target: str, notice_id: str) -> str:
    """The target, with the notice it was opened from: arriving there marks it read."""
    return f"{target}{'&' if '?' in target else '?'}notice={notice_id}"


def link(base_url: str, target: str) -> str:
    """The address of a screen and step in this deployment; empty while its public address is not set."""
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or _NEVER_IN_A_LINK.search(base_url):
        return ""
    return f"{base_url.rstrip('/')}/{quote(target, safe='?=&/%-_.~')}"


def _about(delivery: Delivery) -> str:
    if not delivery.model:
        return ""
    name = name_outside(delivery.model)
    return f"{name} version {name_outside(delivery.version)}" if delivery.version else name


def _request(delivery: Delivery) -> str:
    return f"request {name_outside(delivery.request_id)}" if delivery.request_id else ""
