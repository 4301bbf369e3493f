"""Whether a worker may go on by itself with the ledger it finds.

A database restored from an older copy holds orders that were overtaken since, and whatever is added to it becomes
another history: the entries that are missing can then never be put back, nor their loss be stated. So before anything
else, and every minute, the ledger is held to its anchors. What only brings traffic back does not wait for this.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from services.kernel.errors import BrokenChainError, TrustError

_VALID_SECONDS = 60.0


class Footing:
    def __init__(
        self,
        *,
        history: Callable[[], None],
        ask_registry: Callable[[], object],
        refused: Callable[[], None] = lambda: None,
        held: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`history` raises BrokenChainError for a ledger that its anchors contradict, by what lies on this machine.

        `ask_registry` compares with the registry itself, which may take its time. `refused` is told when a refusal
        begins, `held` whenever the history holds.
        """
        self._history = history
        self._ask_registry = ask_registry
        self._refused = refused
        self._held = held
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._asked = False
        self._until: float | None = None
        self._refusal: BrokenChainError | None = None

    def begin(self) -> None:
        """Nothing that was found out counts any more: somebody else led, or nobody."""
        with self._turn:
            self._asked, self._until, self._refusal = False, None, None

    @property
    def firm(self) -> bool:
        """Whether both were asked and neither refused, without asking anybody now: whoever moves forward waits."""
        return self._asked and self._until is not None and self._refusal is None

    def require(self) -> None:
        """Raises BrokenChainError for a ledger nothing may be added to, StorageUnavailableError when none answers."""
        with self._turn:
            if self._until is None or self._monotonic() >= self._until:
                self._judge()
            refusal = self._refusal
        if refusal is not None:
            raise BrokenChainError(refusal.message, hint=refusal.hint)

    def compare(self) -> None:
        """Asks the registry. One that does not answer holds up nothing; its silence is raised all the same."""
        try:
            self._ask_registry()
        except BrokenChainError as longer:
            self._refuse(longer)
            raise
        finally:
            self._asked = True

    def _judge(self) -> None:
        try:
            self._history()
        except BrokenChainError as wrong:
            self._keep(wrong)
        except TrustError:
            # A forged anchor or a missing protection is a finding, and no proof that entries are missing: whoever
            # can write a file must not be able to stop what watches releases, nor to set it going again.
            self._keep(self._refusal)
        else:
            self._keep(None)
            self._held()

    def _refuse(self, why: BrokenChainError) -> None:
        with self._turn:
            self._keep(why)

    def _keep(self, refusal: BrokenChainError | None) -> None:
        new = refusal is not None and self._refusal is None
        self._refusal, self._until = refusal, self._monotonic() + _VALID_SECONDS
        if new:
            self._refused()
