"""What every rule of the log asks first: did a person sign, and does the role allow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.ledger.keyring import VoidEntryError, Who


def signed(who: Who | None) -> Who:
    if who is None:
        raise VoidEntryError("no person signed it")
    return who


def require_permission(predicate: Mapping[str, Any], *any_of: Permission, role: str = "") -> None:
    """The role filled, or where none is given the signer's own, must allow one of these."""
    role = role or predicate["signer"]["role"]
    if not permissions_of(role) & set(any_of):
        raise VoidEntryError(f"the role {role} does not allow it")


def permissions_of(role: str) -> frozenset[Permission]:
    return ROLE_PERMISSIONS.get(Role(role), frozenset()) if role in set(Role) else frozenset()
