"""What exceptions need: a store beside the ledger in one unit of work, signed entries to read back, policy terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol

from services.attestation.ports import LedgerWriter
from services.exceptions.models import ExceptionTerms, PolicyException, Signed

TermsOf = Callable[[str], ExceptionTerms]
"""Model name to what its policy allows. Raises UnknownModelError, InvalidPolicyError."""


class SignedEntries(Protocol):
    def require_valid(self, seq: int, leaf_hash: str) -> Mapping[str, Any]:
        """The predicate of entry `seq`. Raises a TrustError when it is not that entry."""
        ...


class ExceptionStore(Protocol):
    def add(self, item: PolicyException) -> None: ...

    def get(self, exception_id: str) -> PolicyException | None: ...

    def all(self, model: str = "") -> tuple[PolicyException, ...]:
        """Newest first."""
        ...

    def undecided_or_granted(self, model: str = "") -> tuple[PolicyException, ...]:
        """Those that are not refused and not ended by a person, oldest first."""
        ...

    def decide(self, exception_id: str, step: Signed, *, granted: bool) -> bool:
        """False when somebody decided or ended it meanwhile."""
        ...

    def end(self, exception_id: str, step: Signed) -> bool:
        """False when it was ended meanwhile."""
        ...

    def notice(self, exception_id: str, *, at: datetime) -> None:
        """Keeps when the service recorded that it ran out."""
        ...


class ExceptionUnit(Protocol):
    @property
    def ledger(self) -> LedgerWriter: ...
    @property
    def exceptions(self) -> ExceptionStore: ...


class ExceptionUnits(Protocol):
    """Opens units of work: `write` commits at the end of the block, `read` never does."""

    def write(self) -> AbstractContextManager[ExceptionUnit]: ...

    def read(self) -> AbstractContextManager[ExceptionUnit]: ...
