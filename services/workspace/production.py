"""The first minutes of a deployment that is no demonstration: tables, keys, genesis signed by two administrators.

The people come from a file that names no secret; each one types a passphrase, which is stored nowhere.

    deployment: acme-prod
    people:
      - {issuer: "https://idp.example.com", subject: 00u1, name: Ada Moreau, roles: [admin]}
      - {issuer: "https://idp.example.com", subject: 00u2, name: Amir Haddad, roles: [admin]}
      - {issuer: "https://idp.example.com", subject: 00u3, name: Clara Whitfield, roles: [compliance_officer]}
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services import databases
from services.adapters.files.policies import PolicyFolder
from services.adapters.signing.desk import SHORTEST_PASSPHRASE, KeyDesk
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.setup import create_schema, found_deployment, is_founded
from services.kernel.clock import SystemClock
from services.kernel.errors import ConflictError, InputError
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.ledger.epochs import Loss, next_number
from services.ledger.founding import NewPerson
from services.settings import Profile, Settings

ADMINISTRATORS = 2
_Text = Annotated[str, Field(min_length=1, max_length=200)]


class _Person(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: _Text
    subject: _Text
    name: _Text
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]


class FirstPeople(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    deployment: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,60}$")]
    """Names the log for good."""
    people: tuple[_Person, ...]


def read_people(file: Path) -> FirstPeople:
    """Raises InputError naming every fault of the file."""
    try:
        found = FirstPeople.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as broken:
        raise InputError(f"{file} cannot be read ({type(broken).__name__}).", hint="Name a file in YAML.") from broken
    except ValidationError as faults:
        words = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in faults.errors())
        raise InputError(f"{file} does not name the first people: {words}.", hint="Correct it and try again.") from None
    admins = [person for person in found.people if Role.ADMIN in person.roles]
    if len(admins) < ADMINISTRATORS:
        raise InputError(
            f"{file} names {len(admins)} administrators, and {ADMINISTRATORS} must sign every later key.",
            hint="Name two people with the role admin.",
        )
    if len({(person.issuer, person.subject) for person in found.people}) < len(found.people):
        raise InputError(f"{file} names one person twice.", hint="One line for each person, with all roles.")
    return found


def administrators(first: FirstPeople) -> list[dict[str, str]]:
    """Those who sign the first entries, as they are named there."""
    admins = [person for person in first.people if Role.ADMIN in person.roles][:ADMINISTRATORS]
    return [{"issuer": person.issuer, "sub": person.subject, "name": person.name} for person in admins]


def found(
    settings: Settings, first: FirstPeople, passphrase_of: Callable[[str], Secret], *, after: Loss | None = None
) -> str:
    """Creates tables, key files and the first entries; the fingerprint of genesis, to keep on paper.

    `after` is the loss of the log before, which both administrators sign with genesis.
    Raises ConflictError when the deployment is founded already, InputError in the embedded profile or for the loss of
    another deployment.
    """
    if settings.profile is Profile.EMBEDDED:
        raise InputError(
            "The embedded workspace founds itself, with people whose passphrases are printed.",
            hint="Run python -m services prepare, or choose another COUNTERSIGN_PROFILE.",
        )
    number = 1 if after is None else next_number(after, first.deployment)
    for folder in (settings.home, settings.anchors_folder, settings.logs_folder, settings.run_folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = databases.connect(settings, statement_seconds=0)
    try:
        create_schema(database)
        if is_founded(database):
            raise ConflictError("This deployment is founded already; nothing was changed.")
        people = tuple(
            NewPerson(
                issuer=person.issuer,
                subject=person.subject,
                name=person.name,
                roles=person.roles,
                passphrase=_long_enough(person.name, passphrase_of(person.name)),
            )
            for person in first.people
        )
        clock = SystemClock()
        desk = KeyDesk.create(
            SqlKeyStore(database),
            settings.keys_folder,
            clock,
            deployment=first.deployment,
            places=settings.key_places,
            number=number,
        )
        genesis = found_deployment(
            database,
            desk,
            clock=clock,
            profile=settings.profile.value,
            people=people,
            policies=PolicyFolder(settings.policy_folder).texts().values(),
            after=after,
        )
        settings.genesis_file.write_text(f"{genesis}\n", encoding="ascii")
    finally:
        database.dispose()
    return genesis


def _long_enough(name: str, passphrase: Secret) -> Secret:
    """Before any key is made: half a deployment would have to be cleared away by hand."""
    if len(passphrase.reveal()) < SHORTEST_PASSPHRASE:
        raise InputError(
            f"The passphrase of {name} is shorter than {SHORTEST_PASSPHRASE} characters; nothing was founded.",
            hint="Begin again; some words with blanks between them are easy to remember.",
        )
    return passphrase
