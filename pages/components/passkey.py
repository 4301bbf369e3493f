"""The browser's part of a passkey ceremony: a button that asks the authenticator and hands its answer back.

It runs in the page itself, not in a frame: framed pages may not make passkeys, and the origin would be another one.
Everything the answer claims is judged by the service.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import streamlit as st

from services.people.passkeys import Demand

_HTML = '<button type="button"></button><p role="status"></p>'
_CSS = """
button {
  font: 400 0.875rem "Plex Sans", sans-serif; color: #ffffff; background: var(--st-primary-color);
  border: 1px solid var(--st-primary-color); border-radius: var(--st-button-radius, 0.375rem);
  min-height: 2.5rem; padding: 0.25rem 0.9rem; cursor: pointer;
}
button:hover:enabled { filter: brightness(0.92); }
button:disabled { opacity: 0.6; cursor: default; }
button:focus-visible { outline: 3px solid var(--st-link-color); outline-offset: 2px; }
p { font: 400 0.8125rem "Plex Sans", sans-serif; color: var(--st-text-color); margin: 0.4rem 0 0; min-height: 1.2em; }
"""
_JS = """
const bytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
const text = (data) =>
  btoa(String.fromCharCode(...new Uint8Array(data))).replace(/\\+/g, "-").replace(/\\//g, "_").replace(/=+$/, "");
const named = (list) => (list || []).map((item) => ({ ...item, id: bytes(item.id) }));
const why = (problem) => ({
  NotAllowedError: "The authenticator did not confirm: it was cancelled, took too long, or knows no passkey for here.",
  InvalidStateError: "This authenticator holds a passkey of yours already. Use another one.",
  NotSupportedError: "This authenticator makes no passkey of a kind that can be verified here. Use another one.",
  ConstraintError: "This authenticator cannot verify that it is you, by finger, face or PIN. Use another one.",
  SecurityError: "This address is not the one passkeys were set up for. Tell an administrator.",
  AbortError: "The authenticator is asked somewhere else on this page.",
}[problem.name] || "The browser could not ask the authenticator: " + problem.name + ".");

async function ask(kind, given) {
  const options = JSON.parse(given);
  const publicKey = { ...options, challenge: bytes(options.challenge) };
  if (kind === "create") {
    publicKey.user = { ...options.user, id: bytes(options.user.id) };
    publicKey.excludeCredentials = named(options.excludeCredentials);
  } else {
    publicKey.allowCredentials = named(options.allowCredentials);
  }
  // One question at a time in a page: a dialog that was closed may have left one open.
  window.countersignAsking?.abort();
  window.countersignAsking = new AbortController();
  const made = await navigator.credentials[kind]({ publicKey, signal: window.countersignAsking.signal });
  const response = { clientDataJSON: text(made.response.clientDataJSON) };
  if (kind === "create") {
    response.attestationObject = text(made.response.attestationObject);
  } else {
    response.authenticatorData = text(made.response.authenticatorData);
    response.signature = text(made.response.signature);
  }
  return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const button = parentElement.querySelector("button");
  const status = parentElement.querySelector("p");
  button.textContent = data.label;
  if (!window.PublicKeyCredential || !window.isSecureContext) {
    button.disabled = true;
    status.textContent = "This browser offers no passkeys here: they need https, or localhost.";
    return;
  }
  button.onclick = async () => {
    button.disabled = true;
    status.textContent = "Confirm on your authenticator…";
    try {
      setStateValue("answer", await ask(data.kind, data.options));
      status.textContent = "Confirmed; one moment…";
    } catch (problem) {
      status.textContent = why(problem);
      button.disabled = false;
    }
  };
}
"""
_button = st.components.v2.component("countersign_passkey", html=_HTML, css=_CSS, js=_JS)


def ask(demand: Demand, *, label: str) -> None:
    """The button for this demand. Once the authenticator answered the page runs again, and `answer` finds it."""
    _button(
        key=_key(demand),
        data={"label": label, "kind": demand.kind, "options": demand.options},
        default={"answer": ""},
        on_answer_change=_nothing,
    )


def answer(demand: Demand | None) -> str:
    """What the browser answered to this demand, as JSON; empty while it did not."""
    held = st.session_state.get(_key(demand)) if demand is not None else None
    found = held.get("answer", "") if isinstance(held, Mapping) else ""
    return found if isinstance(found, str) else ""


def _key(demand: Demand) -> str:
    """Of what is asked: an answer to an earlier question must not stand for this one."""
    return f"passkey-{hashlib.sha256(demand.options.encode()).hexdigest()[:16]}"


def _nothing() -> None:
    """Streamlit only keeps a value that something listens to."""
