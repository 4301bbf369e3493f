"""An incident from the first report to the signed post-mortem, on both databases."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.adapters.sql.retention import SqlDisposal
from services.attestation.free_text import digest_of
from services.incidents.models import (
    Assign,
    ChangeSeverity,
    FinishFollowUp,
    IncidentQuery,
    IncidentState,
    PostMortem,
    Step,
)
from services.incidents.models import SavePostMortem as Save
from services.incidents.service import document
from services.kernel.errors import (
    AlreadyDecidedError,
    IllegalTransitionError,
    InputError,
    MissingReasonError,
    PassphraseError,
    PostMortemMissingError,
    RoleMissingError,
)
from services.kernel.secret import Secret
from tests.builders import MODEL, NOON
from tests.unit.incidents.conftest import BEN, LEARNED, OTTO, SAM, Ward


def test_a_person_opens_one_and_the_entry_holds_no_word_of_what_was_typed(ward: Ward) -> None:
    incident_id = ward.open(text="Mrs Miller of Lyon was refused twice.", title="Refused twice: Mrs Miller")

    found = ward.get(incident_id)
    (entry,) = ward.entries("incident-opened")
    assert (found.incident_id, found.state, found.severity) == ("inc-1", IncidentState.OPEN, 2)
    assert found.times.impact_start == NOON - timedelta(minutes=20)
    assert found.times.detected == NOON
    assert "Miller" not in str(entry)
    event = ward.incidents.view(incident_id, actor=ward.world.actor(SAM)).timeline[1]
    with ward.world.units.read() as unit:
        stored = unit.incidents.events(incident_id)[0]
    assert entry["detail"]["text"] == digest_of(stored.salt, stored.text)
    assert event.seq == entry["seq"] == found.opened_seq


def test_the_same_command_twice_opens_one_incident(ward: Ward) -> None:
    first, again = ward.open(command_id="once"), ward.open(command_id="once")

    assert first == again
    assert ward.incidents.find(IncidentQuery()).total == 1


def test_the_whole_way_and_what_each_step_takes(ward: Ward) -> None:
    incident_id = ward.open()
    ward.later(minutes=4)
    ward.acknowledge(incident_id)
    ward.later(minutes=30)
    ward.mitigate(incident_id)
    ward.later(hours=20)
    receipt = ward.close(incident_id)

    view = ward.view(incident_id)
    assert view.incident.state is IncidentState.CLOSED
    assert view.incident.assignee is not None
    assert view.incident.assignee.subject == SAM
    assert view.time_to_detect == timedelta(minutes=20)
    assert view.time_to_restore == timedelta(minutes=54)
    assert view.clock_since is None
    assert [line.step for line in view.timeline] == ["start", "opened", "acknowledged", "mitigated", "closed"]
    assert view.timeline[-1].seq == receipt.seq


def test_closing_is_signed_by_the_person_with_the_digest_of_the_post_mortem(ward: Ward) -> None:
    incident_id = ward.open()
    ward.acknowledge(incident_id)
    ward.mitigate(incident_id)
    ward.close(incident_id)

    (entry,) = ward.entries("incident-closed")
    with ward.world.units.read() as unit:
        stored = unit.incidents.events(incident_id)[-1]
    assert entry["signer"]["sub"] == SAM
    assert entry["detail"]["text"] == digest_of(stored.salt, document(LEARNED))
    assert "weather" not in str(entry)
    assert ward.get(incident_id).post_mortem == LEARNED


def test_closing_without_a_post_mortem_is_refused_and_names_what_is_missing(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()

    with pytest.raises(PostMortemMissingError) as refused:
        quick_ward.close(incident_id, PostMortem(impact=LEARNED.impact))

    assert refused.value.missing == (
        "somebody who acknowledged it",
        "the verified end of the impact",
        "the cause",
        "what went well",
        "what went wrong",
        "a follow-up with owner and due date",
    )
    assert "the cause" in str(refused.value)
    assert quick_ward.entries("incident-refused")[-1]["detail"]["code"] == "post-mortem-missing"


def test_a_follow_up_needs_text_owner_and_day(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    quick_ward.acknowledge(incident_id)
    quick_ward.mitigate(incident_id)
    half = replace(LEARNED.follow_ups[0], owner_subject="", due=None)

    with pytest.raises(PostMortemMissingError) as refused:
        quick_ward.close(incident_id, replace(LEARNED, follow_ups=(half,)))

    assert refused.value.missing == ("the owner of follow-up 1", "the due date of follow-up 1")


def test_a_wrong_passphrase_closes_nothing(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    quick_ward.acknowledge(incident_id)
    quick_ward.mitigate(incident_id)

    with pytest.raises(PassphraseError):
        quick_ward.close(incident_id, passphrase=Secret("wrong"))

    assert quick_ward.get(incident_id).state is IncidentState.MITIGATED


def test_a_closed_incident_takes_no_further_step(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    quick_ward.acknowledge(incident_id)
    quick_ward.mitigate(incident_id)
    quick_ward.close(incident_id)

    with pytest.raises(IllegalTransitionError, match="closed on 31 Jan 2030"):
        quick_ward.take(incident_id, Step.NOTE, text="One more thought about it.")


def test_acknowledging_twice_says_that_it_was_done(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    quick_ward.take(incident_id, Step.ACKNOWLEDGED, command="a")

    again = quick_ward.take(incident_id, Step.ACKNOWLEDGED, command="a")
    assert again.repeated
    with pytest.raises(AlreadyDecidedError):
        quick_ward.take(incident_id, Step.ACKNOWLEDGED, command="b")


def test_taking_over_and_giving_away(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    give = Assign(command_id="g", incident_id=incident_id, subject="ada.admin")
    admin = next(person.subject for person in quick_ward.incidents.assignees() if person.subject != SAM)
    quick_ward.incidents.assign(replace(give, subject=admin), actor=quick_ward.world.actor(SAM))
    given = quick_ward.get(incident_id).assignee
    quick_ward.incidents.assign(replace(give, command_id="t", subject=SAM), actor=quick_ward.world.actor(SAM))
    taken = quick_ward.get(incident_id).assignee

    assert given is not None
    assert taken is not None
    assert (given.subject, taken.subject) == (admin, SAM)
    with pytest.raises(InputError, match="handles incidents"):
        quick_ward.incidents.assign(replace(give, command_id="x", subject=OTTO), actor=quick_ward.world.actor(SAM))


def test_the_severity_changes_with_a_reason(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    change = ChangeSeverity(command_id="s", incident_id=incident_id, severity=1, reason="")

    with pytest.raises(MissingReasonError):
        quick_ward.incidents.change_severity(change, actor=quick_ward.world.actor(SAM))
    quick_ward.incidents.change_severity(
        replace(change, reason="Money left the house, says finance."), actor=quick_ward.world.actor(SAM)
    )

    assert quick_ward.get(incident_id).severity == 1
    assert quick_ward.entries("incident-severity")[0]["detail"]["from"] == "2"


def test_a_corrected_start_of_the_impact_moves_both_durations(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()
    quick_ward.later(minutes=10)
    quick_ward.mitigate(incident_id)

    quick_ward.state_impact(incident_id, NOON - timedelta(hours=2))

    view = quick_ward.view(incident_id)
    assert (view.time_to_detect, view.time_to_restore) == (timedelta(hours=2), timedelta(hours=2, minutes=10))
    with pytest.raises(InputError, match="cannot have begun after"):
        quick_ward.state_impact(incident_id, NOON + timedelta(minutes=1))


def test_a_post_mortem_is_kept_before_it_is_complete(ward: Ward) -> None:
    incident_id = ward.open()
    half = PostMortem(cause=LEARNED.cause)

    ward.incidents.save_post_mortem(
        Save(command_id="p", incident_id=incident_id, post_mortem=half), actor=ward.world.actor(SAM)
    )

    assert ward.get(incident_id).post_mortem == half
    assert "the cause" not in ward.view(incident_id).missing


@pytest.mark.parametrize("step", [Step.ACKNOWLEDGED, Step.MITIGATED])
def test_a_business_owner_opens_and_notes_but_does_not_handle(quick_ward: Ward, step: Step) -> None:
    incident_id = quick_ward.open(BEN)
    quick_ward.take(incident_id, Step.NOTE, BEN, "The portal shows the old wording.")

    with pytest.raises(RoleMissingError):
        quick_ward.take(incident_id, step, BEN, "It looks fine to me now.")


def test_an_auditor_reads_and_is_offered_nothing(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()

    view = quick_ward.view(incident_id, OTTO)

    assert not any(offer.enabled for offer in view.offers)
    assert all(offer.reason for offer in view.offers)
    with pytest.raises(RoleMissingError):
        quick_ward.open(OTTO)
    with pytest.raises(RoleMissingError):
        quick_ward.take(incident_id, Step.NOTE, OTTO, "I would like to add something.")


def test_what_people_wrote_can_be_erased_and_the_record_stays(ward: Ward) -> None:
    incident_id = ward.open(title="Refused twice: Mrs Miller", text="Mrs Miller of Lyon was refused twice.")
    ward.take(incident_id, Step.NOTE, BEN, "Mrs Miller called again today.")
    ward.acknowledge(incident_id)
    ward.mitigate(incident_id)
    ward.close(incident_id)

    with ward.world.database.write() as connection:
        disposal = SqlDisposal(connection)
        mine = tuple(item for item in disposal.erasable() if item.kind.startswith("incident"))
        erased = disposal.erase(mine, words="[erased on 2041-01-31, certificate in entry 9]")

    view = ward.view(incident_id)
    assert erased == len(mine) >= 5
    assert "Miller" not in str(view)
    assert LEARNED.cause not in str(view)
    assert view.incident.title == view.incident.post_mortem.impact == "[erased on 2041-01-31, certificate in entry 9]"
    assert view.time_to_restore is not None
    assert ward.incidents.find(IncidentQuery(text="Miller")).total == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"severity": 5}, "1 to 4"),
        ({"title": " "}, "short title"),
        ({"text": "bad"}, "What happened"),
        ({"impact_start": NOON + timedelta(minutes=1)}, "cannot have begun after"),
        ({"impact_start": NOON - timedelta(days=400)}, "more than a year"),
        ({"version": "'; --"}, "number of the registry"),
        ({"model": "nobody"}, "nobody"),
    ],
)
def test_what_makes_no_sense_opens_nothing(quick_ward: Ward, changes: dict[str, object], words: str) -> None:
    with pytest.raises((InputError, MissingReasonError), match=words):
        quick_ward.open(**changes)
    assert quick_ward.incidents.find(IncidentQuery()).total == 0


def test_filters_and_words_are_answered_by_the_database(ward: Ward) -> None:
    first = ward.open(title="Feed of 100% is late", severity=3)
    second = ward.open(severity=1)
    ward.acknowledge(second)
    ward.mitigate(second)
    ward.close(second)

    def ids(**query: object) -> list[str]:
        return [item.incident_id for item in ward.incidents.find(IncidentQuery(**query)).items]  # type: ignore[arg-type]

    assert ids() == [first, second]
    assert ids(text="100% FEED") == [first]
    assert ids(text="1_0") == []
    assert ids(states=(IncidentState.CLOSED,)) == [second]
    assert ids(severities=(1, 3), model=MODEL, limit=1, offset=1) == [second]
    assert ids(model="other") == []


def _finish(ward: Ward, incident_id: str, who: str, number: int = 1, evidence: str = "https://git.example/c/1") -> Any:
    command = FinishFollowUp(command_id=secrets.token_hex(4), incident_id=incident_id, number=number, evidence=evidence)
    return ward.incidents.finish_follow_up(command, actor=ward.world.actor(who))


def _closed(ward: Ward) -> str:
    incident_id = ward.open()
    ward.acknowledge(incident_id)
    ward.mitigate(incident_id)
    ward.close(incident_id)
    return incident_id


def test_the_owner_calls_a_follow_up_done_and_the_signed_post_mortem_stays(ward: Ward) -> None:
    incident_id = _closed(ward)
    before = ward.get(incident_id)
    (owed,) = ward.incidents.owed("dana.datascience")
    assert (owed.incident_id, owed.number, owed.due) == (incident_id, 1, date(2030, 3, 1))

    receipt = _finish(ward, incident_id, "dana.datascience")

    view = ward.view(incident_id)
    (done,) = view.done
    assert (done.by.subject, done.evidence, done.seq) == ("dana.datascience", "https://git.example/c/1", receipt.seq)
    assert ward.incidents.owed() == ()
    assert (view.incident.post_mortem, view.incident.times) == (before.post_mortem, before.times)
    (entry,) = ward.entries("incident-follow-up")
    assert "git.example" not in str(entry)
    assert view.finishable == ()
    with pytest.raises(AlreadyDecidedError, match="done already"):
        _finish(ward, incident_id, "dana.datascience")


def test_an_engineer_may_call_it_done_for_the_owner_and_nobody_else(quick_ward: Ward) -> None:
    incident_id = _closed(quick_ward)

    with pytest.raises(RoleMissingError, match="Dana Petrov owns"):
        _finish(quick_ward, incident_id, BEN)
    assert quick_ward.view(incident_id, BEN).finishable == ()
    assert quick_ward.view(incident_id, SAM).finishable == (1,)
    _finish(quick_ward, incident_id, SAM)

    assert quick_ward.view(incident_id).done[0].by.subject == SAM


@pytest.mark.parametrize(
    "evidence", ["", "done", "javascript:alert(1)", "https://", "https://a b", 'https://x"onclick=', "ftp://x/y"]
)
def test_where_it_can_be_seen_is_an_address(quick_ward: Ward, evidence: str) -> None:
    incident_id = _closed(quick_ward)

    with pytest.raises(InputError, match="not an address"):
        _finish(quick_ward, incident_id, SAM, evidence=evidence)


def test_what_nobody_has_signed_is_not_called_done(quick_ward: Ward) -> None:
    incident_id = quick_ward.open()

    with pytest.raises(IllegalTransitionError, match="nobody has signed"):
        _finish(quick_ward, incident_id, SAM)
    closed = _closed(quick_ward)
    with pytest.raises(InputError, match="has no follow-up 2"):
        _finish(quick_ward, closed, SAM, number=2)
