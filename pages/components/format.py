"""How numbers, times and words of other people are written. Pure: values in, text out.

`md` makes any text show exactly as typed: Streamlit labels are Markdown, and Markdown can load images.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from unicodedata import category
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.approvals.models import Purpose
from services.kernel.health import Signal
from services.kernel.identity import Role

NOTHING = "\u2013"
MINUS = "\u2212"
_JOINER = "\u2060"
_UNSEEN = {"Cc", "Cf", "Co", "Cs"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|<>~$^=-])")
# A backslash does not protect these: colour and icon words after a colon, emoji, arrows, bare addresses.
_SHORTCODE = re.compile(r":(?=[A-Za-z]|[0-9_+\-/]+:)")
_ARROWS = re.compile(r"(<->|--|->|<-|>=|<=|~=)")
_ADDRESS = re.compile(r"(https?|ftp|mailto)(?=:)|(www)(?=\.)|(?<=\w)(@)(?=\w)", re.IGNORECASE)


def visible(text: str) -> str:
    """Characters that cannot be seen, or that turn the direction of reading, written as their code point."""
    if text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(letter):04X}⟩" if category(letter) in _UNSEEN and letter != _JOINER else letter for letter in text
    )


def md(text: object) -> str:
    """Text written by people or other systems, safe in every label, title, badge, toast, tooltip and table cell."""
    return _escaped(str(text))


@lru_cache(maxsize=4096)
def _escaped(text: str) -> str:
    """A page writes hundreds of texts, and after a click nearly all of them again."""
    plain = visible(re.sub(r"\s+", " ", text).strip())
    plain = _ADDRESS.sub(lambda hit: hit.group(0) + _JOINER, plain)
    plain = _SHORTCODE.sub(":" + _JOINER, plain)
    plain = _ARROWS.sub(lambda hit: _JOINER.join(hit.group(0)), plain)
    escaped = _MARKDOWN.sub(r"\\\1", plain)
    return re.sub(r"^(\d+)\.", r"\1\\.", escaped)


def code(text: object) -> str:
    """Short digests and names in the fixed-width face."""
    plain = visible(re.sub(r"[`\s]+", " ", str(text)).strip())
    return f"`{plain}`" if plain else NOTHING


def count(number: float | None) -> str:
    return NOTHING if number is None else f"{number:,.0f}"


def plural(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share between 0 and 1 as percent."""
    return NOTHING if share is None else f"{share * 100:.{digits}f} %"


def number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return NOTHING
    if value == int(value) and abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:,.{digits}f}"


def signed(value: float | None, digits: int = 3) -> str:
    if value is None:
        return NOTHING
    return f"{'+' if value > 0 else MINUS if value < 0 else '±'}{abs(value):,.{digits}f}"


def money(amount: Decimal | None, currency: str, digits: int | None = None) -> str:
    """`USD 1,250`; small amounts keep cents, very small ones four digits."""
    if amount is None:
        return NOTHING
    if digits is None and 0 < abs(amount) < Decimal("0.0001"):
        return f"under {currency} 0.0001"
    if digits is None:
        digits = 0 if abs(amount) >= 100 else 2 if abs(amount) >= 1 or amount == 0 else 4
    sign = MINUS if amount < 0 else ""
    return f"{sign}{currency} {abs(amount):,.{digits}f}"


def measured(signal: Signal) -> str:
    """The number of a signal with its unit: milliseconds, or a share that the services already give in percent."""
    if signal.value is None:
        return NOTHING
    if signal.unit.startswith("%"):
        return percent(signal.value / 100, 2)
    return milliseconds(signal.value) if signal.unit.startswith("ms") else f"{number(signal.value, 2)} {signal.unit}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def seconds(value: float | None) -> str:
    if value is not None and value < 1:
        return milliseconds(value * 1000)
    return NOTHING if value is None else f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"


def day(at: date | None) -> str:
    return NOTHING if at is None else f"{at.day} {at:%b %Y}"


def short_day(at: date) -> str:
    return f"{at.day} {at:%b}"


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def when(at: datetime | None, zone: str) -> str:
    """`19 Nov 2026, 17:12 CET`: in the reader's zone, with the zone named."""
    if at is None:
        return NOTHING
    local = at.astimezone(_zone(zone))
    name = local.tzname() or "UTC"
    if name[0] in "+-":
        name = f"UTC{name}"
    return f"{local.day} {local:%b %Y, %H:%M} {name}"


def utc(at: datetime | None) -> str:
    return NOTHING if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(delta: timedelta) -> str:
    """Rounded so that a person can say it: `40 seconds`, `12 minutes`, `26 h`, `3 days`."""
    total = abs(delta.total_seconds())
    if total < 60:
        return plural(round(total), "second")
    if total < 3600:
        return plural(round(total / 60), "minute")
    if total < 48 * 3600:
        return f"{total / 3600:.0f} h"
    return plural(round(total / 86400), "day")


def took(delta: timedelta | None) -> str:
    """A measured duration in its two largest units: `45 s`, `12 min 5 s`, `3 h 12 min`, `2 days 4 h`."""
    if delta is None:
        return "not known"
    total = round(delta.total_seconds())
    parts = ((total // 86400, "day"), (total // 3600 % 24, "h"), (total // 60 % 60, "min"), (total % 60, "s"))
    first = next((place for place, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    shown = [(amount, unit) for amount, unit in parts[first : first + 2] if amount] or [(0, "s")]
    return " ".join(f"{amount} {unit}{'s' if unit == 'day' and amount != 1 else ''}" for amount, unit in shown)


def age(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    return "just now" if abs((now - at).total_seconds()) < 10 else f"{span(now - at)} ago"


def due(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "no due date"
    return f"{span(at - now)} left" if at >= now else f"overdue by {span(now - at)}"


def ago(days: int) -> str:
    """The age of something that waits: `today`, `3 days`."""
    return "today" if days <= 0 else plural(days, "day")


def version(number_text: str | None) -> str:
    return NOTHING if not number_text else f"v{number_text}"


def routes(split: Iterable[tuple[str, int]]) -> str:
    """`v3 90 %, v4 10 %`, largest share first."""
    ordered = sorted(split, key=lambda part: -part[1])
    return ", ".join(f"v{name} {share} %" for name, share in ordered) or "no traffic"


def digest(sha256: str, length: int = 12) -> str:
    return sha256[:length] if sha256 else NOTHING


def size(octets: int | None) -> str:
    if octets is None:
        return NOTHING
    return f"{octets / 1e6:.1f} MB" if octets >= 1e6 else f"{octets / 1e3:.0f} kB"


def role(word: str) -> str:
    """The title of a role word of the services; other words are shown as they are."""
    try:
        return Role(word).label
    except ValueError:
        return word.replace("_", " ")


def asked(purpose: Purpose, title: str, number_text: str) -> str:
    """The name of a request, the same in lists, titles and dialogs."""
    named = f"{title} {version(number_text)}"
    match purpose:
        case Purpose.PROMOTION:
            return f"Promote {named} to production"
        case Purpose.REATTESTATION:
            return f"Approve {named} again"
        case Purpose.ADOPTION:
            return f"Adopt {named}, changed outside"
        case Purpose.RETIREMENT:
            return f"Retire {title}, served by {version(number_text)}"


def sentence(text: str) -> str:
    """A sentence of the services with its first letter raised and a full stop at the end."""
    text = text.strip()
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
