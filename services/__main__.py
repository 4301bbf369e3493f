"""The command line: `python -m services ...`, the same services as the screens.

Exit codes: 0 done, 1 the answer is no, 2 input, 3 refused, 4 conflict, 5 unavailable, 6 trust.
The signing passphrase is asked for, or read from COUNTERSIGN_PASSPHRASE; it is never an argument.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from services.commands.backup import add_backup
from services.commands.database import add_database
from services.commands.doctor import add_doctor
from services.commands.feedback import feedback_app
from services.commands.founding import add_found
from services.commands.keys import keys_app
from services.commands.mirror import add_mirror
from services.commands.tools import Tools
from services.commands.value import add_value
from services.kernel.clock import utc_text
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    InputError,
    RefusalError,
    SettingsError,
    TrustError,
    UnavailableError,
)
from services.kernel.secret import Secret
from services.settings import Profile, Settings, read_settings
from services.workspace.marker import is_prepared

if TYPE_CHECKING:
    from services.container import ControlRoom
    from services.kernel.identity import Actor
    from services.monitoring.monitors import Monitor

EXIT_CODES: tuple[tuple[type[ControlRoomError], int], ...] = (
    (InputError, 2),
    (RefusalError, 3),
    (ConflictError, 4),
    (UnavailableError, 5),
    (TrustError, 6),
)

app = typer.Typer(
    help="Countersign: the control room for governed machine-learning models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

policy_app = typer.Typer(help="Policies: try one on past decisions, publish it, list versions.", no_args_is_help=True)
app.add_typer(policy_app, name="policy")
monitor_app = typer.Typer(help="Monitors: list them, propose one, point one at a table.", no_args_is_help=True)
app.add_typer(monitor_app, name="monitor")

AsSubject = Annotated[str, typer.Option("--as", help="Who acts: an account of the embedded workspace.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Model = Annotated[str, typer.Argument(help="Name of the registered model.")]
Version = Annotated[str, typer.Argument(help="Version number.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence; kept in the history of versions.")]
Signs = Annotated[bool, typer.Option("--sign", help="Sign it, so that a release may rest on it.")]
PolicyFile = Annotated[Path, typer.Argument(help="A policy document in YAML.")]


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """A bar on a terminal, a line per step elsewhere."""
    if not sys.stdout.isatty():
        yield lambda words, share: print(f"{share:4.0%} {words}", flush=True)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("Preparing"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda words, share: bar.update(task, description=words, completed=share)


@app.command()
def prepare() -> None:
    """Make the embedded workspace, once."""
    from services.workspace.prepare import prepare as make

    with _spoken(), _progress() as show:
        facts = make(_settings(), show)
        print(f"Prepared at {utc_text(facts.prepared_at)} in {facts.seconds:.0f} seconds.")


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete the embedded workspace with every decision in it, and start over next time."""
    from services.workspace.prepare import reset as clear

    with _spoken():
        settings = _settings()
        if not settings.home.exists():
            print(f"There is no workspace in {settings.home}.")
            return
        if not yes and not typer.confirm(f"Delete {settings.home} with its models, ledger and decisions?"):
            print("Nothing was deleted.")
            raise typer.Exit(1)
        clear(settings)
        print(f"Deleted what was in {settings.home}.")


@app.command()
def worker(*, once: Annotated[bool, typer.Option("--once", help="Every task once, then stop.")] = False) -> None:
    """Carry out queued actions, copy the registry, watch, refresh."""
    import logging

    from services import databases, observability
    from services.adapters.sql.ops import SqlOps
    from services.worker import build_worker, install_signals

    # Every poll of the endpoint would be a line; failures are reported by the task that polled.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with _spoken():
        databases.name_process("worker")
        observability.write_logs(_settings(), everything=True)
        _bring_up_to_date()
        room = _room()
        loop = build_worker(room, SqlOps(room.database))
        loop.measured = observability.DURATIONS.task
        if once:
            failed = loop.run_once()
            print(f"{len(loop.tasks) - failed} tasks done, {failed} failed.")
            raise typer.Exit(5 if failed else 0)
        install_signals(loop)
        if room.settings.metrics_port:
            observability.serve(
                room.settings,
                room.database,
                room.clock,
                port=room.settings.metrics_port,
                setting="COUNTERSIGN_METRICS_PORT",
                leads=lambda: loop.leads,
            )
        loop.run_forever()


@app.command("worker-check")
def worker_check(
    *,
    alert: Annotated[bool, typer.Option("--alert", help="Also send what is wrong through the channels.")] = False,
    within: Annotated[float, typer.Option(min=0, help="Seconds a heartbeat may be old; 0 takes the setting.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Exit 0 only while a worker lives and its lanes move: for cron, a probe, or whoever supervises."""
    with _spoken():
        room = _room()
        problems = room.oversight.worker_problems(within=timedelta(seconds=within) if within else None)
        if as_json:
            _print_json({"alive": not problems, "problems": problems})
        else:
            print("\n".join(problems) or "A worker runs, and none of its lanes hangs.")
        if not problems:
            return
        if alert:
            sent = room.notices.tell_worker_away(problems, since=room.oversight.operations().worker_seen)
            print(f"{sent} messages sent.", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def models(*, text: Annotated[str, typer.Option(help="Filter by words.")] = "", as_json: AsJson = False) -> None:
    """List registered models: tier, owner, health, what is live."""
    from services.inventory.models import InventoryQuery

    with _spoken():
        page = _room().inventory.search(InventoryQuery(text=text, limit=1000))
        if as_json:
            _print_json(page.items)
            return
        for row in page.items:
            live = ", ".join(f"v{version} {share} %" for version, share in row.live) or "not live"
            print(f"{row.name:32} tier {int(row.tier)}  {row.health.value:8} {live:24} {row.owner}")


@app.command()
def request(
    model: Model,
    version: Version,
    *,
    subject: AsSubject,
    note: Annotated[str, typer.Option(help="Why this version should be promoted.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask for a version to be promoted (data science lead)."""
    from services.approvals.models import SubmitRequest

    with _spoken():
        room = _room()
        actor = _actor(room, subject)
        draft = room.approvals.draft(model, version, actor=actor)
        receipt = room.approvals.submit(
            SubmitRequest(
                command_id=secrets.token_hex(8),
                model=model,
                version=version,
                note=note,
                seen_evidence=draft.evidence_sha256,
                passphrase=_passphrase(),
            ),
            actor=actor,
        )
        request_id = room.approvals.requests_of(model)[0].request_id
        _receipt(receipt.seq, receipt.leaf_hash, f"Request {request_id} recorded", as_json, request=request_id)


@app.command()
def sign(
    request_id: Annotated[str, typer.Argument(help="Request, for example req-...")],
    decision: Annotated[str, typer.Argument(help="approve, acknowledge, request-changes, reject, abstain, ...")],
    *,
    subject: AsSubject,
    reason: Annotated[str, typer.Option(help="Reason code, for example METRICS.")] = "",
    comment: Annotated[str, typer.Option(help="A sentence.")] = "",
    as_json: AsJson = False,
) -> None:
    """Decide on a request with your own key."""
    from services.approvals.models import Decision, SignOff

    with _spoken():
        if decision not in set(Decision):
            raise InputError(f"{decision} is not a decision.", hint=f"Choose one of {', '.join(Decision)}.")
        room = _room()
        actor = _actor(room, subject)
        review = room.approvals.open_review(request_id, actor=actor)
        receipt = room.approvals.sign_off(
            SignOff(
                command_id=secrets.token_hex(8),
                request_id=request_id,
                decision=Decision(decision),
                reason_code=reason,
                comment=comment,
                challenge=review.challenge,
                passphrase=_passphrase(),
            ),
            actor=actor,
        )
        _receipt(receipt.seq, receipt.leaf_hash, f"{decision} recorded", as_json, request=request_id)


@app.command()
def approved(model: Model, version: Version, *, as_json: AsJson = False) -> None:
    """Exit 0 only when a valid approval stands for exactly these files: the gate for a deployment pipeline."""
    with _spoken():
        status = _room().approvals.approved(model, version)
        if as_json:
            _print_json(status)
        elif status.valid:
            until = utc_text(status.valid_until) if status.valid_until else ""
            print(f"{model} version {version} is approved until {until} by {', '.join(status.signers)}.")
        else:
            print(f"{model} version {version} is not approved. {status.reason}", file=sys.stderr)
        if not status.valid:
            raise typer.Exit(1)


@app.command()
def gate(model: Model, version: Version, *, as_json: AsJson = False) -> None:
    """Exit 0 only when every gate of the model's policy lets this version pass: the check for a build pipeline.

    Prints the lines that stand in the way; what could not be measured, or is inconclusive, is one of them. Lines that
    an exception sets aside are named, too.
    """
    from services.policy.exceptions import apply_exceptions
    from services.policy.wording import report_lines

    with _spoken():
        room = _room()
        report = apply_exceptions(room.evaluation.gates(model, version), room.exceptions.active(model))
        if as_json:
            _print_json({"passed": report.passed, "policy": report.policy, "outcomes": report.outcomes})
        else:
            policy = f"{report.policy.name} version {report.policy.version}"
            word = "passes" if report.passed else "does not pass"
            lines = "\n".join(report_lines(report))
            print(f"{model} version {version} {word} {policy}: {lines}")
        if not report.passed:
            raise typer.Exit(1)


@policy_app.command("rehearse")
def policy_rehearse(file: PolicyFile, *, as_json: AsJson = False) -> None:
    """What a proposed policy would have said about past requests. Nothing is written.

    Exit 1 when one would have gone another way, or that cannot be said; 2 when the text is not a valid policy.
    """
    from services.policy.rehearsal import Effect

    with _spoken():
        rehearsal = _room().publishing.rehearse(_text(file))
        if as_json:
            _print_json(rehearsal)
        else:
            print(rehearsal.sentence)
            for item in rehearsal.requests:
                if item.effect is Effect.SAME and not item.changes:
                    continue
                print(
                    f"  {item.request_id}  {item.model} v{item.version}  {item.effect.value}  {item.problem}".rstrip()
                )
                for change in item.changes:
                    words = f"{change.before or 'no gate'} -> {change.after or 'no gate'}"
                    print(f"      {change.gate}: {words}. {change.sentence}")
        if any(item.effect is not Effect.SAME for item in rehearsal.requests):
            raise typer.Exit(1)


@policy_app.command("publish")
def policy_publish(
    file: PolicyFile,
    *,
    subject: AsSubject,
    note: Annotated[str, typer.Option(help="Why, in a sentence; kept in the history of versions.")] = "",
    as_json: AsJson = False,
) -> None:
    """Put a policy into force with your own key (compliance officer)."""
    from services.policy.published import PublishPolicy

    with _spoken():
        room = _room()
        proposal = room.publishing.check(_text(file))
        receipt = room.publishing.publish(
            PublishPolicy(
                command_id=secrets.token_hex(8),
                text=proposal.text,
                seen_sha256=proposal.sha256,
                passphrase=_passphrase(),
                note=note,
            ),
            actor=_actor(room, subject),
        )
        words = f"{proposal.document.name} version {proposal.document.version} is in force, sha256 {proposal.sha256}"
        _receipt(receipt.seq, receipt.leaf_hash, words, as_json, sha256=proposal.sha256)


@policy_app.command("list")
def policy_list(*, as_json: AsJson = False) -> None:
    """Every version of every tier, with who published it."""
    from services.policy.service import TIERS

    with _spoken():
        room = _room()
        versions = [item for tier in TIERS for item in room.policy.history(tier)]
        if as_json:
            _print_json([{**asdict(item), "text": None} for item in versions])
            return
        for item in versions:
            who = item.by_name or "Countersign"
            print(
                f"{item.name} version {item.version:4} {utc_text(item.at)}  {item.sha256[:16]}  {who}, entry {item.seq}"
            )
        for sentence in room.policy.unpublished():
            print(f"finding: {sentence}")


@policy_app.command("schema")
def policy_schema() -> None:
    """The JSON Schema of policy documents."""
    from services.policy.json_schema import schema_text

    print(schema_text(), end="")


@monitor_app.command("list")
def monitor_list(*, as_json: AsJson = False) -> None:
    """Every model with its monitor. Exit 1 when one has none, or one that cannot be relied on."""
    with _spoken():
        rows = _room().monitors.monitors()
        if as_json:
            _print_json(rows)
        else:
            for row in rows:
                version = f"version {row.version.version}" if row.version else "no monitor"
                print(f"{row.state.value:8} {row.model:28} {version:12} {row.sentence}")
        if any(row.monitor is None for row in rows):
            raise typer.Exit(1)


@monitor_app.command("propose")
def monitor_propose(model: Model, *, subject: AsSubject, reason: Reason, sign: Signs = False) -> None:
    """Save the default monitor of a model: from its signature and its training dataset."""
    with _spoken():
        room = _room()
        _save_monitor(room, room.monitors.propose_default(model), subject, reason, sign=sign)


@monitor_app.command("import")
def monitor_import(
    model: Model,
    *,
    subject: AsSubject,
    kind: Annotated[str, typer.Option(help="parquet, delta or sql")],
    timestamp: Annotated[str, typer.Option(help="Column with the time of the prediction.")],
    prediction: Annotated[str, typer.Option(help="Column with the score or forecast.")],
    folder: Annotated[str, typer.Option(help="Below an allowed folder; for parquet and delta.")] = "",
    connection: Annotated[str, typer.Option(help="Name of a connection of the settings; for sql.")] = "",
    table: Annotated[str, typer.Option(help="table, schema.table or (Databricks) catalog.schema.table; for sql.")] = "",
    label: Annotated[str, typer.Option()] = "",
    version: Annotated[str, typer.Option()] = "",
    entity: Annotated[str, typer.Option()] = "",
    reason: Reason = "",
    sign: Signs = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Preview and checks only; nothing is written.")] = False,
) -> None:
    """Point the monitor of a model at a table of another estate. Exit 1 when the preview finds faults."""
    from services.monitoring.monitors import ColumnMapping, Source, SourceKind

    with _spoken():
        if kind not in {"parquet", "delta", "sql"}:
            raise InputError(f"{kind!r} is not a kind of source.", hint="Choose parquet, delta or sql.")
        room = _room()
        actor = _actor(room, subject)
        source = Source(kind=SourceKind(kind), folder=folder, connection=connection, table=table)
        mapping = ColumnMapping(timestamp=timestamp, prediction=prediction, label=label, version=version, entity=entity)
        preview = room.monitors.preview(model, source, mapping, actor=actor)
        print(f"{preview.rows:,} rows on {preview.days:,} days, {len(preview.columns)} columns.")
        for note in preview.notes:
            print(f"note: {note.sentence}")
        for fault in preview.faults:
            print(f"fault: {fault.sentence}")
        if preview.faults:
            raise typer.Exit(1)
        proposed = room.monitors.propose_import(model, source, mapping, actor=actor)
        found = room.monitors.check(proposed)
        for fault in found:
            print(f"fault: {fault.sentence}")
        if found:
            raise typer.Exit(1)
        if not dry_run:
            _save_monitor(room, proposed, subject, reason, sign=sign)


def _save_monitor(room: ControlRoom, monitor: Monitor, subject: str, reason: str, *, sign: bool) -> None:
    """Asks for the passphrase where it is to be signed, and where the monitor guards a release."""
    from services.monitoring.monitors import SaveMonitor

    versions = room.monitors.view(monitor.model).versions
    number = versions[0].item.version if versions else 0
    receipt = room.monitors.save(
        SaveMonitor(
            command_id=secrets.token_hex(8),
            monitor=monitor,
            based_on=number,
            reason=reason,
            passphrase=_passphrase() if sign or room.monitors.guards(monitor.model) else None,
        ),
        actor=_actor(room, subject),
    )
    words = f"Version {number + 1} of the monitor of {monitor.model} is in force"
    _receipt(receipt.seq, receipt.leaf_hash, words, False)


@app.command()
def evaluate(model: Model, version: Version, *, as_json: AsJson = False) -> None:
    """Measure a version with the evaluation harness, now. Exit 0 when a report was written."""
    from services.evaluation.harness.models import RunState

    def tell(words: str, share: float) -> None:
        if not as_json:
            print(f"{share:4.0%} {words}", flush=True)

    with _spoken():
        room = _room()
        run = room.harness.run_now(model, version, progress=tell)
        if as_json:
            _print_json(run)
        elif run.state is RunState.DONE:
            print(f"Evaluated {model} version {version}: report {run.report_sha256[:12]} is logged to its run.")
        else:
            print(f"The evaluation ended as {run.state.value}. {run.error}".strip(), file=sys.stderr)
        if run.state is not RunState.DONE:
            raise typer.Exit(1)


@app.command()
def rollback(
    model: Model,
    *,
    subject: AsSubject,
    reason: Annotated[str, typer.Option(help="A sentence: why.")],
    reason_code: Annotated[str, typer.Option(help="ERRORS, LATENCY, QUALITY, DATA, COMPLIANCE, DRILL or OTHER.")],
    confirm: Annotated[str, typer.Option(help="The model's name once more.")],
    to: Annotated[str, typer.Option(help="Target version; the last approved and served one when left out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Bring traffic back to a version that was approved and served (on-call engineer)."""
    from services.rollout.models import ActionState, RollBack

    with _spoken():
        room = _room()
        actor = _actor(room, subject)
        plan = room.rollout.plan_rollback(model, actor=actor)
        target = to or plan.proposed
        if target is None:
            raise RefusalError(
                f"{model} has no version to roll back to.", hint="See the reasons on the rollout screen."
            )
        receipt = room.rollout.roll_back(
            RollBack(
                command_id=secrets.token_hex(8),
                model=model,
                target=target,
                reason_code=reason_code,
                reason=reason,
                model_confirmation=confirm,
                challenge=plan.challenge,
                passphrase=_passphrase(),
            ),
            actor=actor,
        )
        action = room.rollout.action_for(receipt.seq)
        if action is not None and not as_json:
            for step, sentence in action.steps:
                print(f"  {step:10} {sentence}")
        state = action.state.value if action else "queued"
        _receipt(receipt.seq, receipt.leaf_hash, f"Rollback to version {target}: {state}", as_json, state=state)
        if action is not None and action.state is not ActionState.APPLIED:
            raise typer.Exit(5)


@app.command("rollback-offline")
def rollback_offline(
    model: Model,
    version: Version,
    *,
    reason: Annotated[str, typer.Option(help="Why, in a sentence; it is kept in the ledger for good.")],
    name: Annotated[str, typer.Option(help="Who orders it; kept beside the account of this machine.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the model's name.")] = False,
) -> None:
    """Bring traffic back while the governance database is away. Journalled, and entered in the ledger later."""
    from services.rollout import plan
    from services.rollout.offline import Person, require_confirmed
    from services.rollout.offline_models import LineState
    from services.workspace.offline import account, offline_rollback

    with _spoken():
        desk = offline_rollback(_settings())
        agreed = desk.plan(model, version)
        print("\n".join(agreed.sentences))
        if not yes:
            require_confirmed(model, typer.prompt("Type the name of the model to go on", default="", err=True))
        line = desk.carry_out(agreed, person=Person(account=account(), name=name), reason=reason)
        print(f"{plan.words(line.before)} before, {plan.words(line.after)} now (generation {line.generation}).")
        if line.state is not LineState.DONE:
            print(f"countersign: Switched, but not verified. {line.detail}", file=sys.stderr)
            raise typer.Exit(5)
        print("Read back and journalled. The worker enters it in the ledger when the database is back; sign then.")


@app.command()
def verify(
    pack: Annotated[Path | None, typer.Argument(help="An audit pack; the live ledger when left out.")] = None,
    *,
    pin: Annotated[str, typer.Option(help="Fingerprint of the first entry, as you hold it (packs).")] = "",
    anchor: Annotated[list[Path] | None, typer.Option(help="Checkpoint, receipt or older pack you hold.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole ledger, or an audit pack: tree, checkpoints, anchors, every signature and role.

    For a pack the exit code is that of its verifier: 0 in order, 1 findings are open, 2 changed, 3 unreadable.
    """
    if pack is not None:
        from services.audit.offline import verify as offline

        options = ["--pin", pin] if pin else []
        options += [part for one in anchor or [] for part in ("--anchor", str(one))]
        raise typer.Exit(offline.main([str(pack), *options, *(["--json"] if as_json else [])]))
    with _spoken():
        result = _room().audit.verify()
        if as_json:
            _print_json(result)
        else:
            word = "intact" if result.intact else "NOT INTACT"
            print(f"{word}: {result.entries} entries, root {result.root}, {result.seconds:.1f} s")
            for finding in result.findings:
                print(f"  {finding.severity}: {finding.sentence}")
        if not result.intact:
            raise typer.Exit(6)


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Age of everything the screens depend on, and standing findings."""
    with _spoken():
        room = _room()
        operations = room.oversight.operations()
        deployments = room.rollout.deployments()
        if as_json:
            _print_json({"operations": asdict(operations), "deployments": [asdict(item) for item in deployments]})
            return
        seen = utc_text(operations.worker_seen) if operations.worker_seen else "never"
        print(f"worker    {'alive' if operations.worker_alive else 'NOT RUNNING'}, last seen {seen}")
        for sync in operations.syncs:
            age = utc_text(sync.last_success) if sync.last_success else "never"
            print(f"{sync.source:24} last success {age}{'  ' + sync.error if sync.error else ''}")
        for item in deployments:
            routes = ", ".join(f"v{version} {share} %" for version, share in item.desired)
            print(f"{item.model:32} {routes}{'  FINDING: ' + item.finding if item.finding else ''}")
        for problem in (*room.policy.problems(), *room.policy.unpublished()):
            print(f"policy    {problem}")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as broken:
        raise InputError(f"{file} cannot be read as text.", hint="Name a policy document in YAML.") from broken


def _settings() -> Settings:
    return read_settings()


def _bring_up_to_date() -> None:
    """The worker owns the database's shape: it applies the revisions of this release before anything else writes."""
    from services import databases, key_bundle
    from services.adapters.files.policies import PolicyFolder
    from services.adapters.signing.desk import KeyDesk
    from services.adapters.sql.people import SqlKeyStore
    from services.adapters.sql.setup import bring_people_up_to_date, create_schema, is_founded, publish_policies
    from services.kernel.clock import SystemClock

    settings = _settings()
    if settings.profile is not Profile.EMBEDDED or is_prepared(settings):
        database = databases.connect(settings)
        create_schema(database)
        if is_founded(database):
            key_bundle.bring_in(settings)
            KeyDesk.make_machine_key(settings.keys_folder)
            clock = SystemClock()
            desk = KeyDesk(SqlKeyStore(database), settings.keys_folder, clock)
            bring_people_up_to_date(database, desk, clock=clock)
            publish_policies(database, desk, PolicyFolder(settings.policy_folder).texts().values(), clock=clock)
        database.dispose()


def _room() -> ControlRoom:
    from services.container import open_control_room

    return open_control_room(_settings())


def _actor(room: ControlRoom, subject: str) -> Actor:
    return room.people.sign_in_demo(subject)


def _passphrase() -> Secret:
    given = os.environ.get("COUNTERSIGN_PASSPHRASE")
    return Secret(given if given is not None else typer.prompt("Signing passphrase", hide_input=True, err=True))


def _receipt(seq: int, leaf_hash: str, words: str, as_json: bool, **more: str) -> None:
    if as_json:
        _print_json({"entry": seq, "leaf_hash": leaf_hash, **more})
    else:
        print(f"{words}. Ledger entry {seq}, {leaf_hash[:12]}.")


def _print_json(value: Any) -> None:
    print(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return utc_text(value)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


@contextmanager
def _spoken() -> Iterator[None]:
    """One clear line on stderr and the exit code of the branch; never a traceback for what we know."""
    try:
        yield
    except ControlRoomError as error:
        _fail(error)


def _fail(error: ControlRoomError) -> NoReturn:
    code = next((number for kind, number in EXIT_CODES if isinstance(error, kind)), 1)
    # The report of all faults of a configuration keeps its lines.
    words = str(error) if isinstance(error, SettingsError) else " ".join(str(error).split())
    print(f"countersign: {words}", file=sys.stderr)
    raise typer.Exit(code)


_tools = Tools(spoken=_spoken, room=_room, actor=_actor, receipt=_receipt, print_json=_print_json)
app.add_typer(feedback_app(_tools), name="feedback")
app.add_typer(keys_app(_tools), name="keys")
add_value(app, _tools)
add_doctor(app, _tools)
add_found(app, _tools)
add_mirror(app, _tools)
add_database(app, _tools)
add_backup(app, _tools)


if __name__ == "__main__":
    app()
