"""compose.yaml names what it starts to the digit, keeps it on this machine, and encrypts all of it."""

import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.lib.go_programs import go_program
from tests.lib.servers import s3

DEPLOYMENTS = Path(__file__).parents[3] / "deployments"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SERVERS = sorted(set(SERVICES) - {"certificates"})
PINNED = re.compile(r"v?\d+\.\d+(\.\d+)?(-\w+)?")

each_service = pytest.mark.parametrize("name", sorted(SERVICES))
each_server = pytest.mark.parametrize("name", SERVERS)


def image(service: dict[str, Any]) -> str:
    """The image it runs, or the one that its own is built from."""
    if "image" in service:
        return str(service["image"])
    [line] = [line for line in service["build"]["dockerfile_inline"].splitlines() if line.startswith("FROM ")]
    return str(line.removeprefix("FROM "))


def test_the_loader_of_docker_compose_accepts_it_and_refuses_a_mistake(tmp_path: Path) -> None:
    loader = go_program("compose-go", "github.com/compose-spec/compose-go/v2/cmd", "v2.16.2")
    loaded = subprocess.run([loader, DEPLOYMENTS / "compose.yaml"], capture_output=True, text=True, check=True).stdout
    assert set(yaml.safe_load(loaded)["services"]) == set(SERVICES)
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DEPLOYMENTS / "compose.yaml").read_text().replace("healthcheck:", "healthchecks:", 1))
    refused = subprocess.run([loader, wrong], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "healthchecks" in refused.stderr


def test_the_peers_of_the_pipeline() -> None:
    assert SERVERS == ["mysql", "postgres", "redis", "s3", "salesforce"]
    assert image(SERVICES["mysql"]).startswith("mysql:8.")


@each_service
def test_images_and_packages_are_pinned(name: str) -> None:
    tag = image(SERVICES[name]).rpartition(":")[2]
    assert PINNED.fullmatch(tag), tag
    installed = SERVICES[name].get("build", {}).get("dockerfile_inline", "")
    lock = (DEPLOYMENTS / "requirements.lock").read_text(encoding="utf-8")
    for requirement in re.findall(r"[\w-]+==[\w.]+", installed):
        assert f"\n{requirement} " in lock


@each_service
def test_readiness_can_be_waited_for(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= set(check)


@each_server
def test_nobody_else_reaches_them(name: str) -> None:
    [port] = SERVICES[name]["ports"]
    assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


@each_server
def test_certificates_are_there_first(name: str) -> None:
    if name != "salesforce":  # it makes its own, for Salesforce's names
        assert SERVICES[name]["depends_on"] == {"certificates": {"condition": "service_healthy"}}
        assert "certificates:/certificates:ro" in SERVICES[name]["volumes"]
        assert "/certificates/server.pem" in " ".join(SERVICES[name]["command"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mysql", "--tls-version=TLSv1.3 --require-secure-transport=ON"),
        ("postgres", "ssl_min_protocol_version=TLSv1.3"),
        ("redis", "--port 0 --tls-port 6379 --tls-protocols TLSv1.3"),
    ],
)
def test_older_tls_and_plain_text_are_refused(name: str, words: str) -> None:
    assert words in " ".join(SERVICES[name]["command"])


@each_service
def test_what_is_mounted_is_there(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        place = volume.split(":")[0]
        assert (DEPLOYMENTS / place).is_file() if place.startswith(".") else place in COMPOSE["volumes"]


def test_secrets_are_asked_of_the_environment() -> None:
    secrets = [
        value
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|SECRET|AUTH", name)
    ]
    assert set(secrets) == {"${DATAFLOW_COMPOSE_PASSWORD:-only-for-this-machine}"}


def test_the_s3_server_is_the_one_that_tests_run_against() -> None:
    assert image(SERVICES["s3"]).rpartition(":")[2] == s3.VERSION


def test_the_simulator_is_built_from_what_tests_run_against() -> None:
    build = SERVICES["salesforce"]["build"]
    [copied] = re.findall(r"COPY (\S+) (\S+)", build["dockerfile_inline"])
    assert copied[0] == copied[1]
    root = (DEPLOYMENTS / build["context"]).resolve()
    assert (root / copied[0] / "__main__.py").is_file()
    told = (root / copied[0] / "__main__.py").read_text(encoding="utf-8")
    for option in re.findall(r"--\w+", " ".join(SERVICES["salesforce"]["command"])):
        assert f'"{option}"' in told


def test_the_certificates_script_makes_what_tls_clients_accept(tmp_path: Path) -> None:
    script = [str(DEPLOYMENTS / "certificates.sh"), str(tmp_path)]
    subprocess.run(script, check=True, capture_output=True)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert set(made) == {"ca.pem", "server.pem", "server-key.pem"}
    assert (tmp_path / "server-key.pem").stat().st_mode & 0o777 == 0o600
    subprocess.run(script, check=True, capture_output=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == made

    names = x509.load_pem_x509_certificate(made["server.pem"]).extensions
    alternatives = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "mysql", "s3", "postgres", "redis"} == set(alternatives.get_values_for_type(x509.DNSName))
    shake_hands(tmp_path)


def shake_hands(folder: Path) -> None:
    """Verify the server's certificate as a client does, in memory."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=folder / "ca.pem")
    server.load_cert_chain(folder / "server.pem", folder / "server-key.pem")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert ends[0].version() == "TLSv1.3"
