"""What is not as it should be right now: every alert that stands, the gravest first, and one of them in full."""

from __future__ import annotations

from pages.components import address, alert_facts, alert_forms, alert_list, notices, parts, reads, session
from services.kernel.errors import InputError

me = session.enter("alerts")
room = session.control_room()


def _one(alert_id: str) -> None:
    back = ("alerts", "All alerts")
    try:
        view = reads.attempt("this alert", lambda: room.alerts.view(alert_id, actor=me), key=f"alert-{alert_id}")
    except InputError as error:
        with parts.header("Alerts", ":gray[This address leads to no alert.]", back=back):
            pass
        notices.show(error)
        return
    if view is None:
        with parts.header("Alerts", ":gray[It cannot be read just now.]", back=back):
            pass
        return
    with parts.header(view.alert.title, alert_facts.fact(view), back=back):
        pass
    alert_facts.full(view)


alert_forms.show_problem()
wanted = address.get("alert")
if wanted:
    _one(wanted)
else:
    alert_list.show(alert_list.query(me), me)
alert_forms.show_open()
