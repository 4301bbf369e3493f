"""The command line for a person who is signed in, where people do not sign in by choosing an account.

    python -m tests.journeys.signed_in sign REQUEST approve --as clara.compliance

`--as` takes an account of the embedded demonstration and is refused everywhere else. What a journey has a person do by
a command is done here with the person as a login would have found them; every rule behind it is asked as usual.
"""

from __future__ import annotations

from services import __main__ as commands
from services.container import ControlRoom
from services.kernel.identity import Actor
from services.kernel.ids import new_id
from services.people.accounts import DEMO_ISSUER


def person(room: ControlRoom, subject: str) -> Actor:
    """Somebody of the moved ledger, in the first role held there."""
    found = room.people.standing(DEMO_ISSUER, subject)
    assert found is not None, f"{subject} is nobody here"
    now = room.clock.now()
    return Actor(
        issuer=found.issuer,
        subject=found.subject,
        name=found.name,
        role=found.roles[0],
        session_id=new_id("ses", now),
        signed_in_at=now,
    )


if __name__ == "__main__":
    commands._actor = person  # the one seam between a command and who gives it
    commands.app()
