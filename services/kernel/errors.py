"""The five ways Countersign says no, each with what happened, why it matters and what to do next.

Input: the request makes no sense. Refusal: understood, the rules say no. Conflict: somebody was faster.
Unavailable: could not find out. Trust: something is provably wrong. Screens choose the tone from the branch.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar


class ControlRoomError(Exception):
    """A sentence for people (`message`), what to do next (`hint`) and a stable `code` for the ledger."""

    code: ClassVar[str] = "control-room-error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(ControlRoomError):
    """The request makes no sense; correct it and try again."""

    code = "input"


class RefusalError(ControlRoomError):
    """Understood, and the rules say no. Refused attempts are recorded."""

    code = "refused"


class ConflictError(ControlRoomError):
    """Somebody or something was faster; reload and look again."""

    code = "conflict"


class UnavailableError(ControlRoomError):
    """Could not find out. Never shown as healthy, never taken as yes."""

    code = "unavailable"


class TrustError(ControlRoomError):
    """Something is provably wrong: a signature, the chain, an identity."""

    code = "trust"


class UnknownModelError(InputError):
    code = "unknown-model"


class UnknownVersionError(InputError):
    code = "unknown-version"


class ChannelInvalidError(InputError):
    """A way out for notices that cannot be used as it is configured. The message never holds its address."""

    code = "channel-invalid"


class UnknownRequestError(InputError):
    code = "unknown-request"


class MissingReasonError(InputError):
    code = "missing-reason"


class InvalidPolicyError(InputError):
    code = "invalid-policy"


class SettingsError(InputError):
    """`faults` are all of them, a line each, without any value that may be a secret."""

    code = "settings"

    def __init__(self, message: str, *, hint: str = "", faults: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.faults = faults or (message,)


class RoleMissingError(RefusalError):
    code = "role-missing"


class PanelOffError(RefusalError):
    """Switches for testers were asked for where they do not exist."""

    code = "test-panel-off"


class NotSignedInError(RefusalError):
    code = "not-signed-in"


class LoginRefusedError(RefusalError):
    """A login at the identity provider that opens no session here."""

    code = "login-refused"


class FreshLoginNeededError(RefusalError):
    """The policy asks for a login at the identity provider that is only minutes old."""

    code = "fresh-login-needed"


class PasskeyNeededError(RefusalError):
    """The policy asks for a passkey beside the passphrase, and none signed."""

    code = "passkey-needed"


class PasskeyRefusedError(RefusalError):
    """A passkey answered, and its answer does not hold. Recorded."""

    code = "passkey-refused"


class SelfApprovalError(RefusalError):
    code = "self-approval"


class DuplicateSignerError(RefusalError):
    """One person fills one role of a quorum."""

    code = "duplicate-signer"


class GateNotPassedError(RefusalError):
    code = "gate-not-passed"


class IllegalTransitionError(RefusalError):
    code = "illegal-transition"


class PassphraseError(RefusalError):
    """The signing passphrase did not open the key. `attempt` counts the wrong ones in a row."""

    code = "passphrase"

    def __init__(self, message: str, *, hint: str = "", attempt: int = 0, locked_until: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.attempt = attempt
        self.locked_until = locked_until


class KeyLockedError(RefusalError):
    """Too many wrong passphrases; the key opens again at `locked_until`."""

    code = "key-locked"

    def __init__(self, message: str, *, hint: str = "", locked_until: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.locked_until = locked_until


class AccessEndedError(RefusalError):
    """Access was given for a time, and that time is over."""

    code = "access-ended"


class DelegationError(RefusalError):
    """The delegation does not cover this, or was never allowed."""

    code = "delegation"


class StageError(RefusalError):
    """The step is not open yet: an earlier stage has to be signed first."""

    code = "stage"


class VoidApprovalError(RefusalError):
    """The approval no longer stands; the message names the cause."""

    code = "void-approval"


class ReviewOverdueError(RefusalError):
    """An emergency action was not reviewed in time; nothing new goes live before that."""

    code = "review-overdue"


class ExceptionRefusedError(RefusalError):
    code = "exception-refused"


class NotExceptableError(RefusalError):
    """No exception is possible for this gate."""

    code = "not-exceptable"


class PostMortemMissingError(RefusalError):
    """An incident cannot be closed yet; `missing` names each thing in words."""

    code = "post-mortem-missing"

    def __init__(self, message: str, *, hint: str = "", missing: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.missing = missing


class RollbackTargetError(RefusalError):
    """The chosen version was never both approved and served, or has changed since."""

    code = "rollback-target"


class StaleRequestError(ConflictError):
    code = "stale-request"


class StaleEvidenceError(ConflictError):
    """What would be signed is no longer what was shown."""

    code = "stale-evidence"


class AlreadyDecidedError(ConflictError):
    code = "already-decided"


class RegistryUnavailableError(UnavailableError):
    code = "registry-unavailable"


class ServingUnavailableError(UnavailableError):
    code = "serving-unavailable"


class UpdateInProgressError(ServingUnavailableError):
    """The platform is still carrying out another change; ours is sent when it is done. Nothing was sent."""

    code = "update-in-progress"


class TelemetryUnavailableError(UnavailableError):
    code = "telemetry-unavailable"


class StorageUnavailableError(UnavailableError):
    """The governance database cannot be read or written right now. Nothing was recorded."""

    code = "storage-unavailable"


class KeyServiceError(UnavailableError):
    """A key that is held elsewhere cannot be used right now. Nothing was signed."""

    code = "key-service"


class DeliveryFailedError(UnavailableError):
    """A message did not go out by one channel; it is tried again for a day."""

    code = "delivery-failed"


class ArtifactMissingError(UnavailableError):
    code = "artifact-missing"


class ArtifactRefusedError(ArtifactMissingError):
    """The files are there and may not be used: links, devices, deceptive names, too many or too large."""

    code = "artifact-refused"


class NewerDatabaseError(UnavailableError):
    """The database was written by a newer release of Countersign or of MLflow."""

    code = "newer-database"


class SignatureMismatchError(TrustError):
    code = "signature-mismatch"


class BrokenChainError(TrustError):
    code = "broken-chain"


class ForeignStatementError(TrustError):
    code = "foreign-statement"


class ClockMovedError(TrustError):
    """A clock stands far from the newest entry or from the database: nothing is signed under a wrong time."""

    code = "clock-moved"


class SwappedArtifactError(TrustError):
    """The bytes of a model version differ from the bytes that were approved."""

    code = "swapped-artifact"
