"""A mail server: aiosmtpd with STARTTLS, in an environment of its own, on a free port."""

from __future__ import annotations

import mailbox
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lib.servers.certificates import Certificates
from tests.lib.servers.ports import free_port, wait_for_port
from tests.lib.tool_environments import tool_environment

VERSION = "1.4.6"


@dataclass(frozen=True)
class MailServer:
    """A running mail server, which keeps what it takes in a maildir."""

    port: int
    folder: Path
    ca_file: Path

    def take(self) -> list[mailbox.MaildirMessage]:
        """Return the mails that it has taken since the last call, oldest first."""
        box = mailbox.Maildir(self.folder)
        found = sorted(box.iteritems(), key=lambda item: item[0])
        for key, _ in found:
            box.remove(key)
        return [mail for _, mail in found]


@pytest.fixture(scope="session")
def mail_server(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    """A mail server that takes nothing before STARTTLS."""
    programs = tool_environment(f"aiosmtpd-{VERSION}", f"aiosmtpd=={VERSION}")
    folder, port = tmp_path_factory.mktemp("mail") / "box", free_port()
    command = [str(programs / "aiosmtpd"), "-n", "-l", f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Mailbox"]
    command += ["--tlscert", str(certificates.server.file), "--tlskey", str(certificates.server.key), str(folder)]
    with tempfile.NamedTemporaryFile(prefix="smtp-") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for_port(port, process=process)
            yield MailServer(port, folder, certificates.ca)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
