"""What the app's principal holds in the workspace, as far as the workspace says so without anything being changed."""

from __future__ import annotations

from collections.abc import Iterator

from databricks.sdk.service.catalog import Privilege
from databricks.sdk.service.iam import User
from databricks.sdk.service.serving import ServingEndpointDetailedPermissionLevel

from services import on_databricks
from services.adapters.databricks.client import Workspace
from services.doctor.models import Result, State
from services.kernel.errors import ControlRoomError
from services.settings import Settings

_EVERYBODY = "account users"
_SECURABLE = "FUNCTION"
"""As which Unity Catalog keeps the rights of registered models."""
_PAGES = 50


def rights(settings: Settings) -> Iterator[Result]:
    """Tags and aliases of one model of each schema: the others are granted like it, or the first change shows it.

    Raises SettingsError, ServingUnavailableError, RegistryUnavailableError.
    """
    first = {name.rpartition(".")[0]: name for name in sorted(_names(settings), reverse=True)}
    if not first:
        for part in ("tags", "aliases"):
            yield Result(
                name=part,
                state=State.UNKNOWN,
                found="No model is listed whose rights could be asked for.",
                fix="See registry.",
            )
        return
    workspace = on_databricks.workspace()
    with workspace.asking("The workspace did not say who this app is"):
        me = workspace.client.current_user.me()
    held, unsaid = dict[str, set[str]](), dict[str, str]()
    for name in first.values():
        try:
            held[name] = _held(workspace, name, _names_of(me))
        except ControlRoomError as away:
            unsaid[name] = away.message
    yield _tags(held, unsaid)
    yield _aliases(held, unsaid)


def _names(settings: Settings) -> list[str]:
    return [item.name for item in on_databricks.registry(settings).listed()]


def _names_of(me: User) -> set[str]:
    groups = (group.display for group in me.groups or ())
    return {name for name in (me.user_name, me.display_name, me.id, *groups, _EVERYBODY) if name}


def _held(workspace: Workspace, model: str, mine: set[str]) -> set[str]:
    """Privileges on a model, inherited ones and those of groups among them, and `OWNER`."""
    with workspace.asking(f"The rights on {model} cannot be read"):
        owner = workspace.client.registered_models.get(model).owner
        found = {"OWNER"} if owner in mine else set[str]()
        token: str | None = None
        for _ in range(_PAGES):
            page = workspace.client.grants.get_effective(_SECURABLE, model, max_results=0, page_token=token)
            for assigned in page.privilege_assignments or ():
                if assigned.principal in mine:
                    found |= {item.privilege.value for item in assigned.privileges or () if item.privilege}
            token = page.next_page_token
            if not token:
                break
    return found


def _tags(held: dict[str, set[str]], unsaid: dict[str, str]) -> Result:
    enough = {"OWNER", Privilege.APPLY_TAG.value, Privilege.ALL_PRIVILEGES.value}
    without = sorted(name for name, found in held.items() if not found & enough)
    if without:
        return Result(
            name="tags",
            state=State.FAULT,
            found=f"No right to set tags on {', '.join(without)}: an approval cannot be shown on its version.",
            fix="GRANT APPLY TAG ON MODEL … TO the app's principal, or on its schema.",
        )
    return _said("tags", held, unsaid, "Tags may be set")


def _aliases(held: dict[str, set[str]], unsaid: dict[str, str]) -> Result:
    without = sorted(name for name, found in held.items() if "OWNER" not in found)
    if without:
        managed = all(Privilege.MANAGE.value in held[name] for name in without)
        manages = " MANAGE is held, and whether that is enough only a first promotion shows." if managed else ""
        return Result(
            name="aliases",
            state=State.WARNING,
            found=f"This app does not own {', '.join(without)}, and moving an alias takes the owner.{manages}",
            fix="Make a group that holds the app's principal the owner of the models.",
        )
    return _said("aliases", held, unsaid, "Aliases may be moved")


def _said(part: str, held: dict[str, set[str]], unsaid: dict[str, str], words: str) -> Result:
    if unsaid:
        return Result(
            name=part,
            state=State.UNKNOWN,
            found=f"The workspace does not tell this app its rights: {next(iter(unsaid.values()))}",
            fix="Let an administrator compare them with the table in docs/databricks.md; a first promotion shows it.",
        )
    return Result(name=part, state=State.OK, found=f"{words}: {len(held)} models were looked at, one of each schema.")


def endpoints(settings: Settings) -> Iterator[Result]:
    """Every endpoint and job that a model is served by. Raises SettingsError, ServingUnavailableError."""
    served = settings.databricks_serving.values()
    if not served:
        yield Result(
            name="endpoints",
            state=State.UNUSED,
            found="No endpoint is named: versions are approved and aliases moved, traffic is not.",
            fix="Set COUNTERSIGN_DATABRICKS_SERVING to let Countersign move traffic.",
        )
        return
    workspace = on_databricks.workspace()
    with workspace.asking("The endpoints cannot be listed"):
        known = {item.name for item in workspace.client.serving_endpoints.list()}
    for name in sorted({item.endpoint for item in served if item.endpoint}):
        yield (
            _endpoint(workspace, name)
            if name in known
            else Result(
                name=f"endpoint {name}",
                state=State.WARNING,
                found="Not there, or not to be seen by this app. It is made with the first approved version.",
                fix="Check the name, or grant CAN_MANAGE on the endpoint.",
            )
        )
    for job in sorted({item.job for item in served if item.job}):
        with workspace.asking(f"Job {job} cannot be read"):
            workspace.client.jobs.get(job)
        yield Result(
            name=f"job {job}",
            state=State.WARNING,
            found="It can be read; whether its settings may be changed, only the first release shows.",
            fix="Grant CAN_MANAGE on the job to the app's principal.",
        )


def _endpoint(workspace: Workspace, name: str) -> Result:
    with workspace.asking(f"Endpoint {name} cannot be read"):
        level = workspace.client.serving_endpoints.get(name).permission_level
    if level is ServingEndpointDetailedPermissionLevel.CAN_MANAGE:
        return Result(name=f"endpoint {name}", state=State.OK, found="It can be managed: traffic may be moved.")
    return Result(
        name=f"endpoint {name}",
        state=State.FAULT if level else State.UNKNOWN,
        found=f"This app has {level.value} on it." if level else "The workspace does not say what this app may do.",
        fix="Grant CAN_MANAGE on the endpoint to the app's principal: without it no traffic moves, back included.",
    )
