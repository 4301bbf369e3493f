"""Monitors on the screen: the list, one with its history and signature, changing it, and importing a table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from streamlit.testing.v1 import AppTest

from services.attestation.documents import digest
from services.kernel.identity import Permission
from services.monitoring.monitors import ReferenceKind, SourceKind, document
from tests.fakes.room import FakeRoom
from tests.fakes.room_monitors import GUARDS, HISTORY, SECOND
from tests.screens.conftest import crashed, words

Visit = Callable[..., AppTest]
DANA, CLARA = "dana.datascience", "clara.compliance"
MODEL = "delay_claim_score"
MARK = digest(document(SECOND))[:8]


def keys(app: AppTest) -> set[str | None]:
    return {button.key for button in app.button}


def test_the_list_says_state_version_and_what_a_breach_costs(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "monitors"))
    assert "3 of 4 models have no monitor" in text
    assert "1,850 USD a day" in text
    assert "2, signed" in text
    assert "nothing says how it is watched" in text


def test_one_monitor_shows_its_levels_with_money_and_that_the_signature_holds(visit: Visit) -> None:
    app = visit(FakeRoom(), "monitors", model=MODEL)
    text = words(app)
    assert crashed(app) == []
    assert "Signed by Dana Petrov; the signature holds" in text
    assert "Ben Okafor, claims" in text
    assert "400 USD" in text
    assert "guards version 3" in text


def test_the_history_says_who_when_why_and_what_changed(visit: Visit) -> None:
    text = words(visit(FakeRoom(), "monitors", model=MODEL, show="history"))
    assert "Storms moved the inputs" in text
    assert "watch 0.1, breach 0.25" in text
    assert "watch 0.08, breach 0.2" in text
    assert "signed by the service" in text


def test_a_changed_row_is_red_and_nothing_of_it_is_shown_as_in_force(visit: Visit) -> None:
    text = words(visit(FakeRoom(mode="broken"), "monitors", model=MODEL))
    assert "is not what entry 10" in text
    assert "cannot be relied on" in text
    assert "1,850" not in text


def test_an_unknown_model_is_said_calmly(visit: Visit) -> None:
    assert "There is no model named nobody" in words(visit(FakeRoom(), "monitors", model="nobody"))


def test_who_may_not_change_a_monitor_sees_who_may(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "monitors", CLARA, model=MODEL, show="edit")
    assert "A data science lead or an administrator" in words(app)
    assert "monitor-propose" not in keys(app)
    assert "points monitors at tables" in words(visit(room, "monitors", CLARA, new="1"))


def test_days_of_the_recorded_predictions_can_be_the_reference(visit: Visit) -> None:
    app = visit(FakeRoom(), "monitors", DANA, model=MODEL, show="edit")
    app.selectbox(key=f"reference-{MARK}").set_value(ReferenceKind.DATES)
    app.date_input(key=f"reference-start-{MARK}").set_value(date(2030, 9, 1))
    app.date_input(key=f"reference-end-{MARK}").set_value(date(2030, 9, 28))
    app.button(key=f"check-{MARK}").click().run()

    assert crashed(app) == []
    assert "Rows from 01 Sep 2030 to 28 Sep 2030" in words(app)


def test_one_click_proposes_a_default_and_one_more_saves_it(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "monitors", DANA, model="claims_triage", show="edit")
    assert "Nothing is written before you save it" in words(app)
    app.button(key="monitor-propose").click().run()
    assert room.written == []
    app.button(key="monitor-save").click().run()
    app.text_area(key="monitor-reason").set_value("First monitor of this model.")
    app.button(key="monitor-go").click().run()
    assert crashed(app) == []
    [command] = room.written
    assert (command.monitor.model, command.based_on, command.passphrase) == ("claims_triage", 0, None)


def test_an_unsigned_monitor_says_what_is_missing_and_is_signed_as_it_is(visit: Visit) -> None:
    room = FakeRoom()
    room.monitors.unsign()
    said = words(visit(room, "monitors", model=MODEL))
    app = visit(room, "monitors", DANA, model=MODEL, show="edit")

    assert "No release may rest on it" in said
    assert "Nobody signed version 2 of the monitor" in said
    app.button(key="monitor-sign").click().run()
    app.button(key="monitor-save").click().run()
    app.text_area(key="monitor-reason").set_value("Read and agreed.")
    app.text_input(key="monitor-passphrase").set_value("dana asks for promotion")
    app.button(key="monitor-go").click().run()
    assert crashed(app) == []
    [command] = room.written
    assert (command.based_on, command.passphrase is not None) == (2, True)
    assert document(command.monitor) == HISTORY[0].text


def test_every_level_carries_its_money_and_who_pays(visit: Visit) -> None:
    app = visit(FakeRoom(), "monitors", model=MODEL)

    [levels] = [table.value for table in app.table if "Who pays" in table.value.columns]
    assert len(levels) == len(SECOND.thresholds)
    assert (set(levels["At risk a day"]), set(levels["At risk a day "])) == ({"400 USD"}, {"1,850 USD"})
    assert set(levels["Who pays"]) == {"Ben Okafor, claims"}


def test_a_change_of_what_guards_a_release_asks_for_the_passphrase(visit: Visit) -> None:
    room = FakeRoom()
    app = visit(room, "monitors", DANA, model=MODEL, show="edit")
    app.number_input(key=f"breach-psi-{MARK}").set_value(0.3)
    app.button(key=f"check-{MARK}").click().run()
    assert "watch 0.08, breach 0.3" in words(app)
    app.button(key="monitor-save").click().run()
    assert GUARDS in words(app)
    app.text_area(key="monitor-reason").set_value("Fewer false alarms.")
    app.button(key="monitor-go").click().run()
    assert "changes by signature only" in words(app)
    assert room.written == []
    app.text_input(key="monitor-passphrase").set_value("dana asks for promotion")
    app.button(key="monitor-go").click().run()
    assert crashed(app) == []
    [command] = room.written
    assert (command.based_on, command.monitor.threshold("psi").breach) == (2, 0.3)
    assert command.passphrase is not None


def test_faults_are_listed_and_nothing_can_be_saved(visit: Visit) -> None:
    app = visit(FakeRoom(), "monitors", DANA, model=MODEL, show="edit")
    app.number_input(key=f"watch-psi-{MARK}").set_value(0.5)
    app.button(key=f"check-{MARK}").click().run()
    assert "A breach would come before its warning" in words(app)
    assert "monitor-save" not in keys(app)
    app.text_input(key=f"windows-{MARK}").set_value("a week")
    app.button(key=f"check-{MARK}").click().run()
    assert "A window is a whole number of days" in words(app)


def read(visit: Visit, room: FakeRoom, folder: str) -> AppTest:
    app = visit(room, "monitors", DANA, new="1")
    app.selectbox(key="import-model").set_value("claims_triage")
    app.text_input(key="import-folder").set_value(folder)
    return app.button(key="import-read").click().run()


def test_a_table_is_imported_step_by_step(visit: Visit) -> None:
    room = FakeRoom()
    app = read(visit, room, "flights/scores")
    assert "Step 2 of 5" in words(app)
    assert app.selectbox(key="import-timestamp").value == "scored_at"
    app.button(key="import-preview").click().run()
    text = words(app)
    assert "41,280 rows, 71 days" in text
    assert "name no zone" in text
    assert "hidden" in text
    assert "Step 4 of 5" in text
    app.button(key="monitor-save").click().run()
    app.text_area(key="monitor-reason").set_value("The scores of the old platform.")
    app.button(key="monitor-go").click().run()
    assert crashed(app) == []
    [command] = room.written
    assert (command.monitor.source.kind, command.monitor.source.folder) == (SourceKind.PARQUET, "flights/scores")
    assert command.monitor.mapping.prediction == "score"


def test_a_refused_folder_and_an_empty_table_say_why_and_offer_no_save(visit: Visit) -> None:
    app = read(visit, FakeRoom(), "../keys")
    assert "not a folder under one that imports may read from" in words(app)
    app = read(visit, FakeRoom(), "empty")
    app.button(key="import-preview").click().run()
    assert "There are no rows" in words(app)
    assert "monitor-save" not in keys(app)


def test_what_people_wrote_is_plain_text(visit: Visit) -> None:
    room = FakeRoom(hostile=True, forbidden=frozenset[Permission]())
    for given in ({}, {"model": MODEL}, {"model": MODEL, "show": "history"}):
        app = visit(room, "monitors", **given)
        assert crashed(app) == []
