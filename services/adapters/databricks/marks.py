"""What we remember about an endpoint or a job, as tags on it: visible to everybody, shared by all our replicas.

Tags and configuration are two requests: nothing here is atomic with traffic. The tag is written first, so that a
process that dies in between leaves a claim behind and never a change nobody announced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_OP = "countersign_op"
_ACCEPTED = "countersign_accepted"
_WANTED = "countersign_wanted"
_LOADING = "countersign_loading"
_MIRROR = "countersign_mirror"
KEYS = (_OP, _ACCEPTED, _WANTED, _LOADING, _MIRROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    op: str = ""
    """The last operation that claimed the endpoint."""
    accepted: int = 0
    """How many operations did."""
    wanted: str = ""
    """Digest of what that operation wants to be served."""
    loading: str = ""
    """`<version> <operation>` of the last version that was added."""
    mirror: tuple[str, int] | None = None

    def as_tags(self) -> dict[str, str]:
        """Every key, empty where there is nothing: one request writes all of them together."""
        return {
            _OP: self.op,
            _ACCEPTED: str(self.accepted),
            _WANTED: self.wanted,
            _LOADING: self.loading,
            _MIRROR: f"{self.mirror[0]} {self.mirror[1]}" if self.mirror else "",
        }


def read(tags: Mapping[str, str]) -> Marks:
    """Tags are open to everybody with the right to manage: what does not parse counts as not written."""
    version, _, percent = tags.get(_MIRROR, "").rpartition(" ")
    accepted = tags.get(_ACCEPTED, "")
    return Marks(
        op=tags.get(_OP, ""),
        accepted=int(accepted) if accepted.isdecimal() else 0,
        wanted=tags.get(_WANTED, ""),
        loading=tags.get(_LOADING, ""),
        mirror=(version, int(percent)) if version and percent.isdecimal() else None,
    )
