"""The people of the embedded demonstration. Their passphrases are printed on the sign-in screen, on purpose."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.ledger.founding import NewPerson
from services.people.models import DemoAccount

DEMO_ISSUER = "countersign:demo"

DEMO_ACCOUNTS = (
    DemoAccount(
        subject="clara.compliance",
        name="Clara Whitfield",
        role=Role.COMPLIANCE,
        passphrase="clara signs with care",  # noqa: S106 - printed on the sign-in screen
        does="Approves versions for production, or sends them back.",
    ),
    DemoAccount(
        subject="carl.compliance",
        name="Carl Nyström",
        role=Role.COMPLIANCE,
        passphrase="carl signs when clara is away",  # noqa: S106 - printed on the sign-in screen
        does="Second compliance officer: grants exceptions, reviews emergencies, stands in.",
    ),
    DemoAccount(
        subject="ben.business",
        name="Ben Okafor",
        role=Role.BUSINESS_OWNER,
        passphrase="ben counts the benefit",  # noqa: S106 - printed on the sign-in screen
        does="Acknowledges benefit, cost and limits before a version goes live.",
    ),
    DemoAccount(
        subject="sam.sre",
        name="Sam Lindqvist",
        role=Role.SRE,
        passphrase="sam rolls it back",  # noqa: S106 - printed on the sign-in screen
        does="Watches rollouts and brings traffic back to the last good version.",
    ),
    DemoAccount(
        subject="dana.datascience",
        name="Dana Petrov",
        role=Role.DATA_SCIENCE_LEAD,
        passphrase="dana asks for promotion",  # noqa: S106 - printed on the sign-in screen
        does="Asks for promotions and answers for the evidence.",
    ),
    DemoAccount(
        subject="vera.validator",
        name="Vera Lindholm",
        role=Role.VALIDATOR,
        passphrase="vera checks the numbers",  # noqa: S106 - printed on the sign-in screen
        does="Validates the evidence independently of the team that built the model.",
    ),
    DemoAccount(
        subject="viktor.validator",
        name="Viktor Halász",
        role=Role.VALIDATOR,
        passphrase="viktor checks it again",  # noqa: S106 - printed on the sign-in screen
        does="Second validator: reviews what was released in an emergency.",
    ),
    DemoAccount(
        subject="fiona.finance",
        name="Fiona Abara",
        role=Role.FINANCE,
        passphrase="fiona checks the sums",  # noqa: S106 - printed on the sign-in screen
        does="Attests the benefit that owners claim for a month, or cuts it.",
    ),
    DemoAccount(
        subject="otto.auditor",
        name="Otto Brandt",
        role=Role.AUDITOR,
        passphrase="otto reads everything",  # noqa: S106 - printed on the sign-in screen
        does="Reads the ledger and verifies it.",
    ),
    DemoAccount(
        subject="ada.admin",
        name="Ada Moreau",
        role=Role.ADMIN,
        passphrase="ada keeps the keys",  # noqa: S106 - printed on the sign-in screen
        does="Enrols people and keys.",
    ),
    DemoAccount(
        subject="amir.admin",
        name="Amir Haddad",
        role=Role.ADMIN,
        passphrase="amir guards the keyring",  # noqa: S106 - printed on the sign-in screen
        does="Second administrator, so that nobody changes his own key alone.",
    ),
)


AUDIT_LASTS = timedelta(days=30)


def demo_people(*, prepared_at: datetime | None = None) -> tuple[NewPerson, ...]:
    """The demonstration accounts as first people of an embedded log. The auditor's access ends after thirty days."""
    return tuple(
        NewPerson(
            issuer=DEMO_ISSUER,
            subject=account.subject,
            name=account.name,
            roles=(account.role,),
            passphrase=Secret(account.passphrase),
            until=prepared_at + AUDIT_LASTS if prepared_at and account.role is Role.AUDITOR else None,
        )
        for account in DEMO_ACCOUNTS
    )
