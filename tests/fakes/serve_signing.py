"""The whole app where signing is real: `python -m tests.fakes.serve_signing PORT FOLDER ISSUER SECRETS`.

People, logins, keys, passkeys, policies, requests and the ledger are the services themselves on SQLite; what surrounds
them on the screens is made of memory. The policy of tier 1 asks for a passkey, that of tier 2 for a fresh login.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

from streamlit.web import bootstrap

from pages.components import preparing
from services import container, signing_in
from services.inventory.models import Tier
from services.kernel.clock import SystemClock
from services.kernel.identity import Role
from services.kernel.secret import Secret
from services.ledger.founding import NewPerson
from services.people.sign_in import LoginStore
from services.profile_rules import SignIn
from services.settings import Settings
from tests.builders import GOOD_REPORT, POLICIES, World, a_model, a_standing, a_version, a_world
from tests.fakes.identity_provider import CLIENT
from tests.fakes.room import FakeRoom

APP = Path(__file__).resolve().parents[2] / "app.py"
NORA, NORA_SIGNS = "auth0|nora-07", "nora asks the provider first"
SECOND = "payout_forecast"
_ASKED = {
    "tier-1.yaml": "signing: {second_factor: passkey}\n",
    "tier-2.yaml": "signing: {fresh_login_minutes: 5}\n",
}
_REAL = ("people", "delegations", "keys", "passkeys", "ledger", "policy", "publishing", "approvals", "exceptions")


def a_signing_world(folder: Path, origin: str, issuer: str) -> World:
    """Opening the same folder again continues it: the test reads the ledger the app writes.

    Beside the people of the demonstration Nora, a validator, is known under the provider's issuer.
    """
    policies = folder / "policies"
    if not policies.exists():
        policies.mkdir(parents=True)
        for file in POLICIES.glob("*.yaml"):
            (policies / file.name).write_text(file.read_text() + _ASKED.get(file.name, ""))
    nora = NewPerson(
        issuer=issuer, subject=NORA, name="Nora Novak", roles=(Role.VALIDATOR,), passphrase=Secret(NORA_SIGNS)
    )
    world = a_world(folder, policies=policies, clock=SystemClock(), origin=origin, more_people=(nora,))
    world.inventory.put_model(a_model(name=SECOND, title="Payout forecast", tier=Tier.TWO, risk=a_standing(2)))
    for number in ("1", "2"):
        world.inventory.put_version(a_version(number, model=SECOND))
        world.registry.add_version(SECOND, number, content=f"other weights {number}", report=GOOD_REPORT)
    world.evaluation.refresh()
    return world


def main(port: int, folder: Path, issuer: str, secrets: Path) -> None:
    world, room = a_signing_world(folder, f"http://localhost:{port}", issuer), FakeRoom()
    for name in _REAL:
        setattr(room, name, getattr(world, name))
    room.clock = world.clock  # type: ignore[assignment]  # the time of day: passkeys and logins have minutes
    settings = Settings(
        home=folder,
        sign_in=SignIn.OIDC,
        oidc_issuer=issuer,
        oidc_client_id=CLIENT,
        oidc_name="Example Corp",
        oidc_step_up="again",
    )
    room.logins = signing_in.by_provider(
        settings,
        people=world.people,
        store=cast("LoginStore", world.people._store),  # one class fills both ports
        ledger=world.ledger,
        clock=world.clock,
    )
    container.open_control_room = lambda *_args, **_given: room  # type: ignore[assignment]  # a room half of memory
    preparing.stands = lambda: True
    flags = {
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "secrets.files": [str(secrets)],
    }
    bootstrap.load_config_options(flags)
    bootstrap.run(str(APP), False, [], flags)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
