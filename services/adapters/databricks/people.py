"""Whose token it is, asked of the workspace with that token. Implements people.platform_sign_in.PlatformDirectory."""

from __future__ import annotations

from databricks.sdk import errors as sdk

from services.adapters.databricks.client import Connection, Workspace
from services.kernel.errors import NotSignedInError
from services.kernel.secret import Secret
from services.people.platform_headers import PlatformPerson


class WorkspacePeople:
    def __init__(self, host: str, *, timeout_seconds: float = 8.0) -> None:
        self._host = host
        self._timeout = timeout_seconds

    @property
    def issuer(self) -> str:
        host = self._host.rstrip("/")
        return host if "://" in host else f"https://{host}"

    def owner_of(self, token: Secret) -> PlatformPerson:
        """A client of its own for each token: clients of people are never kept, nor shared."""
        workspace = Workspace(Connection(host=self._host, token=token, timeout_seconds=self._timeout))
        with workspace.asking("The workspace did not say whose token this is"):
            try:
                found = workspace.client.current_user.me()
            except (sdk.Unauthenticated, sdk.PermissionDenied) as refused:
                raise NotSignedInError(
                    "You are not signed in. The workspace does not take the token that its proxy sent.",
                    hint="Reload the page: the token of a long session runs out.",
                ) from workspace.cleaned(refused)
        return PlatformPerson(
            id=str(found.id or ""),
            user_name=found.user_name or "",
            name=found.display_name or "",
            emails=tuple(item.value for item in found.emails or () if item.value),
            active=found.active is not False and bool(found.id),
        )
