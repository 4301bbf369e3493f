"""Asking one version once: its answer, or in our words why there is none. Injected faults act here, for every role."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from random import SystemRandom

import aiohttp

from services.adapters.local.gateway.pool import SCORING_TIMEOUT_SECONDS, Scorer
from services.adapters.local.gateway.request import Envelope, Scoring, scores_of
from services.adapters.local.gateway.table import Deployment

chance = SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A disturbance asked for by the operator. Everything it touches carries its label."""

    label: str
    latency_ms: float
    error_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one version made of one request. `refused` means nothing was sent, so another version may be asked."""

    status: int
    body: bytes
    error: str = ""
    injected: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way: where it goes, what it says, when it came."""

    deployment: Deployment
    envelope: Envelope
    scoring: Scoring
    started: float


async def disturbed(fault: Fault | None) -> Outcome | None:
    """Waits as the fault says, and answers in place of the version when it says so."""
    if fault is None:
        return None
    await asyncio.sleep(fault.latency_ms / 1000)
    if chance.random() < fault.error_rate:
        return failure(503, "Failed on purpose by an injected fault.", injected=fault.label)
    return None


async def ask(
    scorer: Scorer, body: bytes, injected: str, *, timeout_seconds: float = SCORING_TIMEOUT_SECONDS
) -> Outcome:
    try:
        status, answer = await scorer.score(body, timeout_seconds=timeout_seconds)
        if status == 200:
            scores_of(answer)
    except (aiohttp.ClientConnectorError, ConnectionRefusedError):
        return failure(502, "The scoring process refused the connection.", injected=injected, refused=True)
    except TimeoutError:
        return failure(504, "The scoring process did not answer in time.", injected=injected)
    except aiohttp.ClientError as broken:
        # Bytes were sent, so the model may have acted on them: never asked twice.
        return failure(502, f"The scoring process broke off ({type(broken).__name__}).", injected=injected)
    except ValueError as strange:
        return failure(502, f"The model answered something else than predictions ({strange}).", injected=injected)
    error, answer = ("", answer) if status == 200 else _readable(answer)
    return Outcome(status=status, body=answer, error=error, injected=injected)


def failure(status: int, sentence: str, *, injected: str = "", refused: bool = False) -> Outcome:
    body = json.dumps({"error": sentence}).encode()
    return Outcome(status=status, body=body, error=sentence, injected=injected, refused=refused)


def _readable(answer: bytes) -> tuple[str, bytes]:
    """MLflow's error code for the log (its message may repeat the caller's data), and an answer without a traceback."""
    try:
        document = json.loads(answer)
        code, message = str(document["error_code"]), str(document.get("message", ""))
    except (ValueError, KeyError, TypeError):
        return "MODEL_FAILED", json.dumps({"error": "The model failed on this request."}).encode()
    return code, json.dumps({"error": message.strip(), "error_code": code}).encode()
