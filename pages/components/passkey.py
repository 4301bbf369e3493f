"""The browser's part of a passkey ceremony: a button that asks the authenticator and hands its answer back.

It runs in the page itself, not in a frame: framed pages may not make passkeys, and the origin would be another one.
Everything the answer claims is judged by the service.
"""

from __future__ import annotations

import hashlib

import streamlit as st

from services.people.passkeys import Demand

_HTML = '<button type="button"></button><p role="status"></p>'
_CSS = """
button {
  font: 400 0.875rem "Plex Sans", sans-serif; color: #ffffff; background: var(--st-primary-color);
  border: 0; border-radius: 0.375rem; padding: 0.5rem 0.9rem; cursor: pointer;
}
button:disabled { opacity: 0.6; cursor: default; }
button:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
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
  InvalidStateError: "This authenticator is enrolled already.",
  SecurityError: "This address is not the one passkeys were set up for. Tell an administrator.",
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
  const made = await navigator.credentials[kind]({ publicKey });
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
      status.textContent = "Confirmed.";
    } catch (problem) {
      status.textContent = why(problem);
      button.disabled = false;
    }
  };
}
"""
_button = st.components.v2.component("countersign_passkey", html=_HTML, css=_CSS, js=_JS)


def answer_to(demand: Demand, *, label: str) -> str:
    """The button for this demand; the browser's answer as JSON once there is one, else empty."""
    found = _button(
        # Of what is asked: an answer to an earlier question must not stand for this one.
        key=f"passkey-{hashlib.sha256(demand.options.encode()).hexdigest()[:16]}",
        data={"label": label, "kind": demand.kind, "options": demand.options},
        default={"answer": ""},
        on_answer_change=_nothing,
    )
    answer = found.get("answer", "")
    return answer if isinstance(answer, str) else ""


def _nothing() -> None:
    """The answer is read from the result; Streamlit only keeps a value that something listens to."""
