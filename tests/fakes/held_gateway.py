"""A gateway that can be killed and started again on the same socket, as the supervisor does it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from services.adapters.local.processes import ROOT, child_environment, gateway_command, listen_on, stop_group, wait_for
from services.adapters.local.serving import LocalServing


class HeldGateway:
    """A gateway on a socket that outlives it, as the supervisor keeps it."""

    def __init__(self, home: Path, uri: str) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home, self._uri = home, uri
        self._listener = listen_on(0)
        self._listener.set_inheritable(True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.process = self._start()
        wait_for(f"{self.url}/health", self.process, seconds=60)
        self.serving = LocalServing(self.url, token_file=home / "keys" / "gateway.token")

    def _start(self) -> subprocess.Popen[bytes]:
        fd = self._listener.fileno()
        with (self.home / "out.log").open("ab") as out:
            return subprocess.Popen(
                gateway_command(home=self.home, tracking_uri=self._uri, fd=fd),
                cwd=ROOT,
                env=child_environment(),
                stdout=out,
                stderr=out,
                pass_fds=(fd,),
                start_new_session=True,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process = self._start()

    def kill_and_start(self) -> None:
        self.kill()
        self.start()

    def stop(self) -> None:
        self.serving.close()
        stop_group(self.process)
        self._listener.close()

    def logged(self) -> list[str]:
        """Request ids of every live line."""
        lines = [
            line
            for file in (self.home / "serving" / "journal").glob("*.jsonl")
            for line in file.read_bytes().splitlines()
        ]
        return [document["request"] for document in map(json.loads, lines) if document["role"] == "live"]

    def sockets(self) -> list[Path]:
        return sorted(Path((self.home / "serving" / "sockets.txt").read_text()).glob("*.sock"))
