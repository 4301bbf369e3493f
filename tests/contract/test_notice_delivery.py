"""Messages really leave: to a mail server and a webhook on this machine, and every failure speaks our words."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import traceback
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from services.adapters.local.processes import listen_on
from services.adapters.notify.channels import ConfiguredChannels
from services.adapters.notify.courier import AppriseCourier
from services.kernel.errors import ChannelInvalidError, ControlRoomError, DeliveryFailedError
from services.kernel.logs import JsonLines
from services.kernel.secret import Secret
from services.notices.models import Delivery, Message, NoticeKind, Severity
from services.notices.wording import message
from tests.builders import NOON

PASSWORD = "hunter2-hunter2"
TEXT = Message(title="Countersign: A signature is asked for", body="One line.\nOpen: https://x", severity=Severity.RED)
FORGED = (
    "fraud\r\nBcc: all@evil.example\r\n\r\n<a href='http://evil.example'>OK</a> <!channel> [x](http://evil.example)"
)


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.recipients: list[list[str]] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        self.recipients.append(list(envelope.rcpt_tos))  # type: ignore[attr-defined]
        self.mails.append(message_from_bytes(envelope.content, policy=default))  # type: ignore[attr-defined]
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    listener = listen_on(0)
    port = listener.getsockname()[1]
    listener.close()
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


class Receiver(ThreadingHTTPServer):
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts: list[tuple[dict[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.posts.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def a_courier(tmp_path: Path, address: str) -> AppriseCourier:
    urls = Secret(json.dumps({"sre": address}))
    return AppriseCourier(ConfiguredChannels(tmp_path / "notify.yaml", urls=urls, environment={}))


def mail_to(port: int) -> str:
    return f"mailto://127.0.0.1:{port}?from=countersign@example.com&to=ops@example.com"


def a_delivery(model: str = "claims_triage", kind: NoticeKind = NoticeKind.STEP_OPEN) -> Delivery:
    return Delivery(
        key="k#1", notice_id="0123456789abcdef", channel="sre", attempts=0, created_at=NOON, kind=kind,
        severity=Severity.AMBER, target="approvals?request=req-1&step=validator", model=model, version="4",
        request_id="req-1", tier=1,
    )  # fmt: skip


def text_of(mail: Mail) -> str:
    return "\n".join(
        part.get_payload(decode=True).decode()  # type: ignore[union-attr]
        for part in mail.walk()
        if part.get_content_maintype() == "text"
    )


def test_mail_arrives_with_the_link_to_the_exact_step(tmp_path: Path, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox

    a_courier(tmp_path, mail_to(port)).send("sre", message(a_delivery(), base_url="https://countersign.example"))

    assert box.recipients == [["ops@example.com"]]
    assert "A signature is asked for - claims_triage version 4" in str(box.mails[0]["subject"])
    link = "https://countersign.example/approvals?request=req-1&step=validator&notice=0123456789abcdef"
    assert link in text_of(box.mails[0]).replace("&amp;", "&")


def test_name_with_line_breaks_and_markup_forges_no_header_and_no_link(
    tmp_path: Path, mailbox: tuple[Mailbox, int]
) -> None:
    box, port = mailbox

    a_courier(tmp_path, mail_to(port)).send("sre", message(a_delivery(FORGED), base_url="https://countersign.example"))

    mail = box.mails[0]
    assert mail["bcc"] is None
    assert box.recipients == [["ops@example.com"]]
    text = text_of(mail)
    assert "http://evil.example" not in text
    assert "evil.example" not in text
    assert "<a " not in text
    assert "<!" not in text
    assert text.count("https://") <= 2


def test_webhook_receives_names_of_model_version_and_request_and_nothing_else(
    tmp_path: Path, webhook: Receiver
) -> None:
    courier = a_courier(tmp_path, f"json://127.0.0.1:{webhook.server_port}/hook")

    courier.send("sre", message(a_delivery(), base_url=""))

    sent = json.loads(webhook.posts[0][1])
    assert sent["title"] == "Countersign: A signature is asked for - claims_triage version 4"
    assert sent["message"].splitlines() == [
        "A signature is asked for: claims_triage version 4, request req-1.",
        "Open Countersign to see what to do.",
        "Notice 0123456789abcdef. Nobody can decide by answering this message.",
    ]
    assert sent["attachments"] == []


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_refusing_service_is_named_by_its_status(tmp_path: Path, webhook: Receiver, status: int) -> None:
    webhook.status = status
    courier = a_courier(tmp_path, f"json://user:{PASSWORD}@127.0.0.1:{webhook.server_port}/hook")

    with pytest.raises(DeliveryFailedError, match=f"status {status}"):
        courier.send("sre", TEXT)


@pytest.mark.parametrize(
    "scheme", ["json://user:{0}@127.0.0.1:9/{0}", "mailto://user:{0}@127.0.0.1:9?from=c@b.example&to=a@b.example"]
)
def test_service_that_is_away_is_said_to_be_away(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(DeliveryFailedError, match="cannot be reached"):
        a_courier(tmp_path, scheme.format(PASSWORD)).send("sre", TEXT)


def test_mail_server_that_refuses_the_message_fails_the_delivery(tmp_path: Path, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    box.answer = "554 no"

    with pytest.raises(DeliveryFailedError):
        a_courier(tmp_path, mail_to(port)).send("sre", TEXT)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        f"nosuch://user:{PASSWORD}@host",
        f"slack://{PASSWORD}",
        "syslog://",
        "file:///etc/passwd",
        "dbus://",
    ],
)
def test_address_that_leads_nowhere_or_acts_on_this_machine_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ChannelInvalidError):
        a_courier(tmp_path, address).send("sre", TEXT)


def test_every_failure_of_the_library_becomes_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import smtplib

    import apprise
    import requests
    from apprise import exception

    kinds = [
        *(kind for kind in vars(exception).values() if isinstance(kind, type) and issubclass(kind, Exception)),
        *(kind for kind in vars(requests.exceptions).values() if isinstance(kind, type)
          and issubclass(kind, requests.RequestException)),
        smtplib.SMTPServerDisconnected, TypeError, ValueError, OSError, TimeoutError, UnicodeError,
    ]  # fmt: skip
    courier = a_courier(tmp_path, f"json://user:{PASSWORD}@127.0.0.1:9/x")
    assert len(kinds) > 20
    for kind in kinds:
        if issubclass(kind, Warning):
            continue

        def failing(*_args: object, _kind: type[Exception] = kind, **_given: object) -> bool:
            raise _made(_kind)

        monkeypatch.setattr(apprise.Apprise, "notify", failing)
        with pytest.raises(DeliveryFailedError) as failed:
            courier.send("sre", TEXT)
        assert PASSWORD not in "".join(traceback.format_exception(failed.value))


def _made(kind: type[Exception]) -> Exception:
    try:
        return kind(f"cannot reach https://user:{PASSWORD}@host")
    except TypeError:
        return kind.__new__(kind)


def test_secret_of_a_channel_is_in_no_log_no_error_and_no_representation(
    tmp_path: Path, webhook: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    webhook.status = 500
    said = []
    addresses = [
        f"json://user:{PASSWORD}@127.0.0.1:{webhook.server_port}/{PASSWORD}",
        f"json://user:{PASSWORD}@127.0.0.1:9/{PASSWORD}",
        f"mailto://user:{PASSWORD}@127.0.0.1:9?from=c@b.example&to=a@b.example",
        f"slack://{PASSWORD}",
        f"nosuch://{PASSWORD}",
    ]
    try:
        for address in addresses:
            channels = ConfiguredChannels(
                tmp_path / "notify.yaml", urls=Secret(json.dumps({"sre": address})), environment={}
            )
            with pytest.raises(ControlRoomError) as failed:
                AppriseCourier(channels).send("sre", TEXT)
            said += [str(failed.value), "".join(traceback.format_exception(failed.value))]
            said += [repr(channels), str(channels.all()), channels.transport("sre"), channels.problem("sre")]
            said += channels.faults()
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    captured = capsys.readouterr()
    assert PASSWORD not in heard.getvalue() + captured.out + captured.err + "\n".join(said)


@pytest.mark.parametrize(
    "text",
    [
        f"channels:\n  - {{name: a, url: 'json://u:{PASSWORD}@h', roles: [nobody]}}",
        f"channels:\n  - {{name: a, url: 'json://u:{PASSWORD}@h'}}",
        f"channels:\n  - name: a\n   url: json://u:{PASSWORD}@h",
        f"chanels: [{PASSWORD}]",
        f"channels: [{{name: a, url: {PASSWORD}, url_from: X, roles: [sre]}}]",
        f"quiet_hours: {{zone: {PASSWORD}, tiers: {{}}}}",
    ],
)
def test_faulty_file_is_told_without_repeating_it_and_sends_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "notify.yaml"
    file.write_text(text)
    channels = ConfiguredChannels(file, environment={})

    assert channels.all() == ()
    assert channels.faults()
    assert PASSWORD not in "".join(channels.faults())


def test_file_is_read_again_when_it_changes_and_may_name_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "notify.yaml"
    channels = ConfiguredChannels(file, environment={"NOTIFY_OPS": "json://127.0.0.1:9/x"})
    assert channels.all() == ()
    assert channels.faults() == ()

    file.write_text(
        "base_url: https://countersign.example\n"
        "quiet_hours: {zone: Europe/Berlin, tiers: {2: '20:00-07:00'}}\n"
        "channels:\n  - {name: ops, url_from: NOTIFY_OPS, roles: [sre], people: [ada.admin], least: red}\n"
    )

    assert [channel.name for channel in channels.all()] == ["ops"]
    assert channels.base_url == "https://countersign.example"
    assert channels.transport("ops") == "webhook"
    assert channels.problem("ops") == ""
    hours = channels.quiet(2)
    assert hours is not None
    assert (hours.start_minute, hours.end_minute) == (20 * 60, 7 * 60)
    assert channels.quiet(1) is None


def test_file_with_addresses_that_others_can_read_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "notify.yaml"
    file.write_text("channels: [{name: a, url: 'json://h/x', roles: [sre]}]")
    file.chmod(0o644)
    assert any("chmod 600" in fault for fault in ConfiguredChannels(file, environment={}).faults())
    file.chmod(0o600)
    assert not any("chmod 600" in fault for fault in ConfiguredChannels(file, environment={}).faults())


def test_settings_do_not_repeat_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from services.kernel.errors import SettingsError
    from services.settings import read_settings

    monkeypatch.setenv("COUNTERSIGN_NOTIFY_URLS", json.dumps({"sre": f"json://u:{PASSWORD}@h"}))
    monkeypatch.setenv("COUNTERSIGN_APP_PORT", "0")
    with pytest.raises(SettingsError) as wrong:
        read_settings()
    assert PASSWORD not in str(wrong.value)
    monkeypatch.delenv("COUNTERSIGN_APP_PORT")
    assert PASSWORD not in repr(read_settings())
    assert os.environ["COUNTERSIGN_NOTIFY_URLS"]
