"""Short policy texts: the shell of tier 3 with other gates or sections."""

from __future__ import annotations

_SHELL = """name: tier-3
version: "1"
tier: 3
quorum:
  - {role: compliance_officer, needed: 1, decision: approve, stage: 1}
stages:
  - {title: "Compliance", due_days: 10, escalate_to: business_owner, escalate_days: 15}
release:
  realtime: [100]
  batch: [100]
rollback: []
approval_days: 365
request_days: 30
review_days: 5
longest_exception_days: 90
"""


def one_gate(line: str, *, more: str = "") -> str:
    """A document whose only gate is `line`, written as the inside of a YAML flow mapping."""
    return f"{_SHELL}gates:\n  - {{{line}}}\n{more}"
