"""No secret leaves the doctor: neither one it was given nor whatever looks like a password in an address."""

from __future__ import annotations

import pytest

from services.doctor.guard import looked_at
from services.doctor.models import Result, State, in_order, lines, summary
from services.kernel.errors import StorageUnavailableError, TrustError
from services.kernel.masking import STARS, Mask, secrets_of


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("postgresql://cs:hunter2@db/x", f"postgresql://cs:{STARS}@db/x"),
        ("HTTPS://u:p@h/y failed", f"HTTPS://u:{STARS}@h/y failed"),
        ("connect ?password=hunter2&x=1", f"connect ?password={STARS}&x=1"),
        ("sslpassword=abc; client_secret=d", f"sslpassword={STARS}; client_secret={STARS}"),
        ("Authorization: Bearer abcdef123", f"Authorization: Bearer {STARS}"),
        ("http://h/no/secret is fine", "http://h/no/secret is fine"),
    ],
)
def test_an_address_is_masked_by_its_shape_alone(text: str, left: str) -> None:
    assert Mask(())(text) == left


def test_every_secret_of_the_configuration_is_masked_wherever_it_stands() -> None:
    mask = Mask(
        secrets_of(
            ("postgresql://cs:pa%2Fss1@db/x?sslpassword=second99",),
            ('{"warehouse": "snowflake://user77:third88@acct", "hook": "slack://TOKENAAA/TOKENBBBB/x"}',),
            {"MY_API_TOKEN": "fourth66", "DATABRICKS_CLIENT_SECRET": "fifth55", "PATH": "/usr/bin"},
        )
    )
    said = "pa%2Fss1 pa/ss1 second99 user77 third88 TOKENBBBB fourth66 fifth55"
    assert mask(said) == " ".join([STARS] * 8)
    assert mask("/usr/bin") == "/usr/bin"


def test_a_short_secret_does_not_blank_out_words() -> None:
    assert Mask(("a", "ab"))("a table about") == "a table about"


def test_what_fails_in_a_known_way_is_judged_and_what_fails_in_another_is_unknown_without_its_words() -> None:
    def wrong() -> list[Result]:
        raise TrustError("Provably wrong.", hint="Do this.")

    def away() -> list[Result]:
        raise StorageUnavailableError("Away.")

    def strange() -> list[Result]:
        raise ValueError("hunter2")

    assert looked_at("a", wrong, fix="x") == [
        Result(name="a", state=State.FAULT, found="Provably wrong.", fix="Do this.")
    ]
    assert looked_at("b", away, away=State.FAULT, fix="x")[0].state is State.FAULT
    found = looked_at("c", strange, fix="x")[0]
    assert found.state is State.UNKNOWN
    assert "hunter2" not in found.found


def test_unknown_is_never_in_order_and_the_way_out_stands_below_its_line() -> None:
    results = (
        Result(name="clock", state=State.OK, found="Within 0.1 s."),
        Result(name="aliases", state=State.UNKNOWN, found="Nobody says.", fix="Ask."),
    )
    assert not in_order(results)
    shown = lines(results)
    assert [line.split()[0] for line in shown] == ["ok", "UNKNOWN", "fix:"]
    assert "1 could not be found out" in summary(results)
    assert in_order(results[:1])
    assert summary(results[:1]) == "In order."


def test_nothing_serious_is_shown_without_a_way_out() -> None:
    with pytest.raises(ValueError, match="shown with what to do"):
        Result(name="x", state=State.FAULT, found="Broken.")
