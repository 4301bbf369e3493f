"""Who reads which input column, and how: by its tag, by a rule of its own, by whether it was tagged at all. Pure.

    rules.mask(model, "age")                   # Mask(kind=BAND, size="10"): people read 30 to 39
    rules.mask(model, "age", role=Role.ADMIN)  # the same, unless a rule names the role

Where nothing is stated, nothing is shown: rules that cannot be read hide every column. People are meant here; what the
serving identity reads is stated beside it, because a model cannot score what it cannot read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from services.inventory.models import GovernedModel, SensitiveColumn
from services.kernel.identity import Role


class MaskKind(StrEnum):
    NONE = "none"
    HIDE = "hide"
    BAND = "band"
    """A number as the band it lies in."""
    TOP = "top"
    """Numbers from a limit on as one value: the rare high ones are what singles people out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """How a value is shown. `size`: decimal text, the width of a band or the limit of TOP."""

    kind: MaskKind
    size: str = ""

    @property
    def masks(self) -> bool:
        return self.kind is not MaskKind.NONE

    @property
    def words(self) -> str:
        return {
            MaskKind.NONE: "as it is",
            MaskKind.HIDE: "hidden",
            MaskKind.BAND: f"in bands of {self.size}",
            MaskKind.TOP: f"{self.size} and more as one value",
        }[self.kind]

    @property
    def number(self) -> Decimal:
        return Decimal(self.size)


HIDDEN = Mask(kind=MaskKind.HIDE)
CLEAR = Mask(kind=MaskKind.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule:
    """One column of one model. Roles in `clear_for` read it as it is; everybody else under the mask."""

    model: str
    column: str
    mask: Mask
    clear_for: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingRight:
    """What the identity that answers for a model reads unmasked. `reads` None: every input of the version it serves."""

    model: str
    identity: str
    reads: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnHandling:
    """One input as people read it, and whether the serving identity reads it as it is (None: nobody stated that)."""

    name: str
    mask: Mask
    readable: bool | None
    tag: SensitiveColumn | None

    @property
    def is_personal(self) -> bool:
        return self.tag is not None and self.tag.category != "not personal"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    by_tag: tuple[tuple[str, Mask], ...] = ()
    untagged: Mask = HIDDEN
    """For an input nobody tagged, of a model that works with personal data."""
    columns: tuple[ColumnRule, ...] = ()
    serving: tuple[ServingRight, ...] = ()
    problem: str = ""
    """Why the rules could not be read; every column is hidden then."""

    def mask(self, model: GovernedModel, column: str, *, role: Role | None = None) -> Mask:
        """As a person with this role reads it; without a role as people read it in general."""
        if self.problem:
            return HIDDEN
        own = next((rule for rule in self.columns if (rule.model, rule.column) == (model.name, column)), None)
        if own is not None:
            return CLEAR if role is not None and role in own.clear_for else own.mask
        tag = _tag(model, column)
        if tag is not None:
            return dict(self.by_tag).get(tag.category, HIDDEN if tag.category != "not personal" else CLEAR)
        return self.untagged if _about_people(model) else CLEAR

    def handling(self, model: GovernedModel, inputs: Sequence[str]) -> tuple[ColumnHandling, ...]:
        right = next((item for item in self.serving if item.model == model.name), None)
        return tuple(
            ColumnHandling(
                name=name,
                mask=self.mask(model, name),
                readable=None if right is None else right.reads is None or name in right.reads,
                tag=_tag(model, name),
            )
            for name in inputs
        )

    def identity(self, model: str) -> str:
        """Who answers for the model, or empty when nobody stated it."""
        return next((item.identity for item in self.serving if item.model == model), "")


class AccessRuleSource(Protocol):
    """Embedded: a file. On Databricks: column masks and grants of the information schema."""

    def rules(self) -> AccessRules:
        """Never raises: what cannot be read is a `problem`, and then everything is hidden."""
        ...


def _tag(model: GovernedModel, column: str) -> SensitiveColumn | None:
    return next((item for item in model.sensitive if item.name == column), None)


def _about_people(model: GovernedModel) -> bool:
    return any(item.category != "not personal" for item in model.sensitive)
