"""What an incident allows, what its closing needs, how long nobody may look at it. Pure.

A refusal says what is missing and what to do; the screen asks the same functions before it shows a button.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from services.incidents.models import SEVERITIES, FollowUp, Incident, IncidentState, OpenIncident, PostMortem, Step
from services.kernel.clock import require_utc, utc_text
from services.kernel.errors import (
    AlreadyDecidedError,
    ControlRoomError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    PostMortemMissingError,
)
from services.rollout.models import Action, ActionKind, ActionState

ACKNOWLEDGE_WITHIN = {
    1: timedelta(minutes=5),
    2: timedelta(minutes=15),
    3: timedelta(hours=1),
    4: timedelta(hours=4),
}
"""From detection; after that somebody else is told. By severity: the graver, the sooner."""
LONGEST_TITLE, LONGEST_TEXT, LONGEST_ADDRESS = 160, 4000, 500
_ADDRESS = re.compile(r"https?://[^\s<>\"'\\]+")
_SHORTEST = 10
_LONGEST_VERSION = 20
_SHORTEST_TITLE = 3
_EARLIEST = timedelta(days=366)
MITIGATING = frozenset({ActionKind.ROLLBACK, ActionKind.REVERT, ActionKind.EMERGENCY, ActionKind.ABORT})
"""Changes of traffic that end an impact once they are verified."""


def require_openable(command: OpenIncident, *, now: datetime) -> None:
    """Raises InputError or MissingReasonError."""
    require_severity(command.severity)
    title = command.title.strip()
    if not _SHORTEST_TITLE <= len(title) <= LONGEST_TITLE:
        raise InputError(
            "An incident needs a short title.", hint=f"Say in {LONGEST_TITLE} characters what is wrong, for whom."
        )
    if command.version and not (command.version.isdecimal() and len(command.version) <= _LONGEST_VERSION):
        raise InputError("A version is a number of the registry.", hint="Choose one from the list, or none.")
    require_words(command.text, "What happened")
    require_start(command.impact_start, until=now)


def require_severity(severity: int) -> None:
    if severity not in SEVERITIES:
        raise InputError("The severity is 1 to 4.", hint="1 is the gravest; each says in words what it means.")


def require_words(text: str, what: str) -> None:
    """Raises MissingReasonError for too few words, InputError for too many."""
    if len(text.strip()) < _SHORTEST:
        raise MissingReasonError(f"{what} is not said yet.", hint="A sentence is enough.")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{what} is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")


def require_start(start: datetime, *, until: datetime) -> None:
    """The impact cannot begin after it was noticed. Raises InputError."""
    at = require_utc(start)
    if at > until:
        raise InputError(
            f"The impact cannot have begun after {utc_text(until)}, when it was noticed.",
            hint="State when it began; if that is unknown, the earliest time that is certain.",
        )
    if until - at > _EARLIEST:
        raise InputError("The impact is said to have begun more than a year ago.", hint="Check the date.")


def require_possible(incident: Incident, step: Step) -> None:
    """Raises IllegalTransitionError, or AlreadyDecidedError when it was done already."""
    state = incident.state
    if step is Step.FOLLOW_UP:
        if state is not IncidentState.CLOSED:
            raise IllegalTransitionError(
                f"{incident.incident_id} is not closed: nobody has signed its follow-ups yet.",
                hint="Sign the post-mortem first.",
            )
        return
    if state is IncidentState.CLOSED:
        raise IllegalTransitionError(
            f"{incident.incident_id} was closed on {_day(incident.times.closed)}; its record stands as it was signed.",
            hint="Open a new incident if it happens again.",
        )
    if step is Step.ACKNOWLEDGED and incident.times.acknowledged is not None:
        raise AlreadyDecidedError(
            f"{incident.incident_id} was acknowledged already.", hint="Take it over if you work on it now."
        )
    if step is Step.MITIGATED and incident.times.mitigated is not None:
        raise AlreadyDecidedError(
            f"{incident.incident_id} was mitigated already.", hint="Write the post-mortem and close it."
        )


def refusal(incident: Incident, step: Step) -> str:
    """Why this step is not possible now, in words; empty when it is."""
    try:
        require_possible(incident, step)
        if step is Step.CLOSED:
            _require_over(incident)
    except ControlRoomError as refused:
        return str(refused)
    return ""


def missing(incident: Incident, post_mortem: PostMortem) -> tuple[str, ...]:
    """What closing lacks, each in words: facts of the incident first, then fields of the post-mortem."""
    lacking = []
    if incident.times.acknowledged is None:
        lacking.append("somebody who acknowledged it")
    if incident.times.mitigated is None:
        lacking.append("the verified end of the impact")
    if incident.times.impact_start is None:
        lacking.append("when the impact began")
    fields = (
        (post_mortem.impact, "the impact"),
        (post_mortem.cause, "the cause"),
        (post_mortem.went_well, "what went well"),
        (post_mortem.went_wrong, "what went wrong"),
    )
    lacking += [words for text, words in fields if len(text.strip()) < _SHORTEST]
    if not post_mortem.follow_ups:
        lacking.append("a follow-up with owner and due date")
    for number, item in enumerate(post_mortem.follow_ups, start=1):
        lacking += [
            f"{words} of follow-up {number}"
            for known, words in (
                (len(item.text.strip()) >= _SHORTEST, "the text"),
                (bool(item.owner_subject), "the owner"),
                (item.due is not None, "the due date"),
            )
            if not known
        ]
    return tuple(lacking)


def require_closable(incident: Incident, post_mortem: PostMortem) -> None:
    """Raises IllegalTransitionError, or PostMortemMissingError naming what is missing."""
    require_possible(incident, Step.CLOSED)
    lacking = missing(incident, post_mortem)
    if lacking:
        raise PostMortemMissingError(
            f"{incident.incident_id} cannot be closed: {_listed(lacking)} {_verb(lacking)} missing.",
            hint="Fill in what is named, then sign again. What you wrote so far can be kept without closing.",
            missing=lacking,
        )


def require_fits(post_mortem: PostMortem) -> None:
    """Raises InputError for a text that is too long to be kept."""
    texts = (post_mortem.impact, post_mortem.cause, post_mortem.went_well, post_mortem.went_wrong)
    if any(len(text) > LONGEST_TEXT for text in texts) or any(
        len(item.text) > LONGEST_TEXT for item in post_mortem.follow_ups
    ):
        raise InputError(f"A field of the post-mortem is longer than {LONGEST_TEXT:,} characters.", hint="Shorten it.")


def require_follow_up(incident: Incident, number: int, evidence: str, *, done: Iterable[int]) -> FollowUp:
    """Raises InputError for one that is not there or an address that is none, AlreadyDecidedError for a done one."""
    follow_ups = incident.post_mortem.follow_ups
    if not 1 <= number <= len(follow_ups):
        raise InputError(f"{incident.incident_id} has no follow-up {number}.", hint="Reload the page.")
    if number in set(done):
        raise AlreadyDecidedError(f"Follow-up {number} is done already.", hint="Nothing was changed.")
    parts = urlsplit(evidence.strip()) if _ADDRESS.fullmatch(evidence.strip()) else None
    if parts is None or not parts.hostname or len(evidence) > LONGEST_ADDRESS:
        raise InputError(
            "Where it can be seen that this is done is not an address.",
            hint="Paste a link that begins with https://, such as the change, the ticket or the new alert.",
        )
    return follow_ups[number - 1]


def may_finish(follow_up: FollowUp, *, subject: str, manages: bool) -> bool:
    """Its owner, or whoever handles incidents when the owner is away."""
    return manages or follow_up.owner_subject == subject


def unacknowledged_since(incident: Incident, *, now: datetime) -> datetime | None:
    """When somebody else had to be told that nobody took it up; None while there is still time, or somebody did."""
    if incident.state is IncidentState.CLOSED or incident.times.acknowledged is not None:
        return None
    limit = incident.times.detected + ACKNOWLEDGE_WITHIN[incident.severity]
    return limit if now >= limit else None


def mitigates(incident: Incident, action: Action) -> bool:
    """A verified change of traffic that ends this impact: not one from before it came back."""
    if incident.times.mitigated is not None or incident.state is IncidentState.CLOSED:
        return False
    if action.state is not ActionState.APPLIED or action.kind not in MITIGATING or action.seq_outcome is None:
        return False
    return incident.recurred_seq is None or action.seq_outcome > incident.recurred_seq


def recurs(incident: Incident, *, action_id: str, detected: datetime) -> bool:
    """A rule was broken again after traffic was back. Saying the same thing twice is not breaking it twice."""
    mitigated = incident.times.mitigated
    if mitigated is None or (action_id and action_id in incident.actions):
        return False
    return detected > mitigated


def _require_over(incident: Incident) -> None:
    if incident.times.mitigated is None:
        raise IllegalTransitionError(
            f"{incident.incident_id} is not mitigated yet.",
            hint="Bring traffic back, or state how it was verified that the impact is over.",
        )


def _day(at: datetime | None) -> str:
    return f"{at:%d %b %Y}" if at else "an unknown day"


def _listed(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _verb(words: tuple[str, ...]) -> str:
    return "is" if len(words) == 1 else "are"
