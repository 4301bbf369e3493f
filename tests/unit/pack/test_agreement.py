"""Two verifiers, one verdict: over the released format, over random stories, over damaged copies of a real log."""

from __future__ import annotations

import ast
import json
import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.attestation.models import Kind
from services.audit.offline import verify as offline
from services.kernel.clock import utc_text
from services.kernel.identity import ROLE_PERMISSIONS, Permission
from tests.contract.deployment import ACCOUNTS, BYTES, Deployment
from tests.unit.pack.agreeing import LooseBook, require_agreement

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "format_1" / "log.json"
ROLES = [role.value for role in ROLE_PERMISSIONS]
RIGHTS = {
    "publish-policy": Permission.PUBLISH_POLICY,
    "approve": Permission.APPROVE,
    "acknowledge": Permission.ACKNOWLEDGE,
    "validate": Permission.VALIDATE,
    "request": Permission.REQUEST_PROMOTION,
    "advance": Permission.ADVANCE_ROLLOUT,
    "roll-back": Permission.ROLL_BACK,
    "delegate": Permission.DELEGATE,
    "propose-exception": Permission.PROPOSE_EXCEPTION,
    "grant-exception": Permission.GRANT_EXCEPTION,
    "break-glass": Permission.BREAK_GLASS,
    "review": Permission.REVIEW_EMERGENCY,
    "revert": Permission.REVERT,
}


def test_the_packs_verifier_imports_nothing_of_ours_and_no_other_library() -> None:
    tree = ast.parse(Path(offline.__file__).read_text(encoding="utf-8"))
    named = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    import sys

    foreign = {name.split(".")[0] for name in named} - set(sys.stdlib_module_names)
    assert foreign == {"cryptography"}


@pytest.mark.parametrize("role", ROLES)
def test_both_give_a_role_the_same_rights(role: str) -> None:
    granted = {name for name, permission in RIGHTS.items() if permission in ROLE_PERMISSIONS[role]}

    assert offline.ROLE_RIGHTS[role] & set(RIGHTS) == granted


def test_both_know_the_same_statements_and_fields() -> None:
    from services.attestation.fields import SHAPES

    for kind in Kind:
        required, optional = offline.SHAPES[kind.value]
        assert set(required) == set(SHAPES[kind].required), kind
        assert set(optional) == set(SHAPES[kind].optional), kind


def test_both_accept_the_released_format_with_its_one_void_entry() -> None:
    stored = json.loads(GOLDEN.read_text(encoding="utf-8"))

    verdict = require_agreement(item["envelope"].encode() for item in stored["entries"])

    assert {seq for severity, seq in verdict if severity == "void"} == {21}


@pytest.mark.parametrize("seed", range(12))
def test_both_judge_a_random_story_alike(log: Deployment, seed: int) -> None:
    """People of random roles request, decide, delegate, order, observe and review, mostly against the rules."""
    book = LooseBook(log.desk.origin, (entry.envelope for entry in log.book.entries()))

    _act_out(replace(log, book=book), random.Random(seed), steps=60)

    verdict = require_agreement(book.envelopes)

    assert any(severity == "void" for severity, _ in verdict)


@pytest.mark.parametrize("seed", range(40))
def test_both_see_the_same_damage(promoted: tuple[Deployment, Path], seed: int) -> None:
    envelopes = [entry.envelope for entry in promoted[0].book.entries()]
    damaged = _damage(envelopes, random.Random(seed))

    assert require_agreement(damaged) != require_agreement(envelopes) or damaged == envelopes[: len(damaged)]


def _damage(envelopes: list[bytes], dice: random.Random) -> list[bytes]:
    made, place = list(envelopes), dice.randrange(len(envelopes) - 1)
    kind = dice.choice(["flip", "swap", "repeat", "drop", "cut", "respell", "sign", "move"])
    data = made[place]
    if kind == "flip":
        at = dice.randrange(len(data))
        made[place] = data[:at] + bytes([data[at] ^ (1 << dice.randrange(7))]) + data[at + 1 :]
    elif kind == "swap":
        made[place], made[place + 1] = made[place + 1], made[place]
    elif kind == "repeat":
        made.append(data)
    elif kind == "drop":
        del made[place]
    elif kind == "cut":
        del made[max(1, place) :]
    elif kind == "respell":
        made[place] = json.dumps(json.loads(data), indent=1).encode()
    elif kind == "sign":
        document = json.loads(data)
        document["signatures"] = document["signatures"][:-1]
        made[place] = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    else:
        other = json.loads(made[place + 1])
        document = json.loads(data) | {"signatures": other["signatures"]}
        made[place] = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return made


STEPS = ["request", "decide", "decide", "decide", "act", "act", "outcome", "delegate", "lend", "lend", "keyring"]
STEPS += ["except", "except", "observe", "review", "event", "emergency", "revert", "policy"]


def _act_out(log: Deployment, dice: random.Random, *, steps: int) -> None:
    people, requests, receipts, decisions = list(ACCOUNTS), [], [], []
    delegations, observations, actions, emergencies = [], [], [], []

    def somebody() -> str:
        return dice.choice(people)

    def claimed(name: str) -> dict[str, str]:
        account = ACCOUNTS[name]
        role = account.role.value if dice.random() < 0.8 else dice.choice(ROLES)
        return {"issuer": "countersign:demo", "sub": account.subject, "name": account.name, "role": role}

    def identity(name: str) -> dict[str, str]:
        return {key: value for key, value in claimed(name).items() if key != "role"}

    def cite(receipt):
        return {"entry": receipt.seq, "sha256": receipt.leaf_hash}

    for number in range(steps):
        log.clock.set(log.clock.now() + timedelta(minutes=dice.choice([1, 5, 60, 2000])))
        by = somebody()
        word = dice.choice(STEPS)
        signer = {"signer": claimed(by)}
        if word == "request":
            tier = dice.choice(["1", "2", "3", ""])
            receipt, cited = log.request(by=by, id_=f"req-{number}")
            requests.append((cited, tier))
        elif word in {"decide", "lend"} and requests:
            predicate = {
                "request": dice.choice(requests)[0],
                "decision": dice.choice(["approve", "approve", "acknowledge", "reject", "abstain", "withdraw"]),
                "meaning": "I reviewed the evidence shown.",
                "shown": {"digest": {"sha256": BYTES}},
                **signer,
            }
            if word == "lend" and delegations:
                receipt, giver, role, to = dice.choice(delegations)
                by = to if dice.random() < 0.8 else by
                predicate |= {
                    "signer": claimed(by),
                    "delegation": cite(receipt),
                    "onBehalfOf": identity(giver),
                    "role": role,
                }
            decisions.append(log.record(Kind.DECISION, predicate, by=by))
        elif word == "act" and requests:
            chosen = dice.sample(decisions, min(len(decisions), dice.choice([0, 1, 2, 3])))
            rollback = dice.choice([None, None, {"mode": "planned"}, {"mode": "automatic"}])
            id_ = f"act-{dice.randrange(6)}"
            log.act(dice.choice([requests[-1][0], None]), chosen, id_=id_, by=dice.choice(["", by]), rollback=rollback)
            actions.append(id_)
        elif word == "outcome":
            log.outcome(dice.choice(actions or ["act-9"]), dice.choice(["applied", "failed"]))
        elif word == "delegate":
            to, role, id_ = somebody(), dice.choice(ROLES), f"del-{dice.randrange(8)}"
            since = log.clock.now()
            predicate = {"op": dice.choice(["grant", "grant", "grant", "withdraw"]), "id": id_, **signer}
            if predicate["op"] == "grant":
                role = ACCOUNTS[by].role.value if dice.random() < 0.8 else role
                predicate |= {
                    "role": role,
                    "to": identity(to),
                    "tier": dice.choice(["1", "1", "2", "x"]),
                    "since": utc_text(since),
                    "until": utc_text(since + timedelta(days=dice.choice([0, 3, 90, 91]))),
                }
            receipt = log.record(Kind.DELEGATION, predicate, by=by)
            if predicate["op"] == "grant":
                delegations.append((receipt, by, predicate["role"], to))
        elif word == "keyring":
            op = dice.choice(["grant", "withdraw", "disable", "enable", "revoke"])
            predicate = {"op": op, "person": identity(somebody()), "role": dice.choice(ROLES), **signer}
            if dice.random() < 0.3:
                predicate["until"] = utc_text(log.clock.now() + timedelta(hours=3))
            if op == "revoke":
                predicate |= {"keyid": BYTES, "reason": "compromised"}
            by = dice.choice([by, "ada", "ada"])
            log.record(Kind.KEYRING, predicate | {"signer": claimed(by)}, by=by)
        elif word == "except":
            op = dice.choice(["propose", "propose", "grant", "refuse", "end"])
            predicate = {"op": op, "id": f"exc-{dice.randrange(3)}", **signer}
            if op == "propose":
                predicate |= {
                    "model": "claims_triage",
                    "gate": "auc",
                    "until": utc_text(log.clock.now() + timedelta(days=9)),
                    "owner": identity(somebody()),
                    "reason": {"sha256": BYTES},
                    "control": {"sha256": BYTES},
                }
            elif receipts:
                predicate["proposal"] = cite(dice.choice(receipts))
            receipts.append(log.record(Kind.EXCEPTION, predicate, by=by))
        elif word == "observe":
            finding = {"finding": "alias differs"} if dice.random() < 0.7 else {}
            observations.append(log.record(Kind.OBSERVATION, {"model": "claims_triage", **finding}))
        elif word in {"emergency", "revert"}:
            more = {
                "emergency": {
                    "mode": "forward",
                    "reasonCode": "ERRORS",
                    "reason": {"sha256": BYTES},
                    "reviewBy": utc_text(log.clock.now() + timedelta(days=1)),
                }
            }
            if word == "revert" and observations:
                more = {"reverts": cite(dice.choice(observations))}
            emergencies.append(_extraordinary(log, by, signer, f"act-x{number}", more))
        elif word == "review" and emergencies:
            conclusion = dice.choice(["accepted", "corrected", "roll-back"])
            predicate = {
                "id": f"rev-{number}",
                "of": cite(dice.choice(emergencies)),
                "conclusion": conclusion,
                **signer,
            }
            log.record(Kind.REVIEW, predicate, by=by)
        elif word == "policy":
            document = dice.choice([{"tier": 1}, {"tier": 1}, {"tier": 2}, {}])
            alone = dice.random() < 0.3
            published = {"name": "tier", "version": str(number), "digest": {"sha256": BYTES}, "document": document}
            log.record(Kind.POLICY, published if alone else {**published, **signer}, by="" if alone else by)
        elif word == "event":
            actor = dice.choice([None, claimed(by)])
            log.record(Kind.EVENT, {"event": "hold", "model": "", "detail": {}, "actor": actor, **signer}, by=by)


def _extraordinary(log: Deployment, by: str, signer, id_: str, more):
    predicate = {
        "id": id_,
        "kind": "emergency",
        "request": None,
        "decisions": [],
        "policy": {"digest": {"sha256": BYTES}},
        "target": {"model": "claims_triage", "alias": "champion"},
        "from": {"version": "3"},
        "to": {"version": "4", "digest": {"sha256": BYTES}},
        "rollback": None,
        "notAfter": utc_text(log.clock.now() + timedelta(days=7)),
        **signer,
        **more,
    }
    return log.record(Kind.ACTION, predicate, by=by)
