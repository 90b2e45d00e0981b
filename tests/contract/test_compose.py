"""compose.yaml and .env.example, as far as they can be judged without a Docker engine."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hephaestus_tickets import __version__
from hephaestus_tickets.adapters.embeddings import EmbeddingSettings
from hephaestus_tickets.adapters.embeddings.minilm import LOCAL_SPACE
from hephaestus_tickets.app import SETTINGS, http
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.app.sessions import SessionSettings
from hephaestus_tickets.cli.serving import PORT
from hephaestus_tickets.db import DatabaseSettings
from hephaestus_tickets.domain.errors import SetupError
from tests.contract.composition import (
    FILLED,
    NotComposed,
    Service,
    example,
    interpolated,
    is_ours,
    references,
    services,
    variables,
    written,
)
from tests.contract.sources import ROOT

# As the documentation of each image has them.
OF_THEIR_IMAGES = {
    "db": {"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_INITDB_ARGS"},
    "qdrant": {"QDRANT__SERVICE__API_KEY", "QDRANT__TELEMETRY_DISABLED"},
}
OURS = {"embeddings", "init-db", "app"}


@pytest.fixture
def app_environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The app's, as the settings of this process see it."""
    environment: dict[str, str] = services()["app"]["environment"]
    for name in variables():
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def seconds(duration: str) -> int:
    assert re.fullmatch(r"\d+s", duration)
    return int(duration[:-1])


def test_the_file_is_what_the_compose_specification_allows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         ROOT / "compose.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_five_services_and_three_are_our_image() -> None:
    assert set(services()) == OURS | set(OF_THEIR_IMAGES)
    assert {name for name, service in services().items() if is_ours(service)} == OURS


def test_the_commands_of_our_image_are_those_of_the_command_line() -> None:
    found = {name: services()[name]["command"] for name in OURS}
    assert found == {
        "embeddings": ["embeddings-server", "--host", "0.0.0.0", "--port", "8400"],  # noqa: S104 - in a container
        "init-db": ["init-db"],
        "app": ["serve"],
    }


def test_every_image_is_pinned() -> None:
    pinned = re.compile(r"[\w./-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?")
    images = {name: service["image"] for name, service in services().items()}
    assert [name for name, image in images.items() if not pinned.fullmatch(image)] == []
    assert {images[name] for name in OURS} == {f"hephaestus-tickets:{__version__}"}


def test_our_containers_can_change_nothing_but_their_tmp() -> None:
    for name in OURS:
        service = services()[name]
        assert service["read_only"] is True
        assert service["tmpfs"] == ["/tmp:mode=1777"]  # noqa: S108 - in a container
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in service  # the image's own, which is not root
        assert "privileged" not in service


def test_only_the_app_is_published_and_only_on_loopback() -> None:
    published = {name: each["ports"] for name, each in services().items() if "ports" in each}
    assert published == {"app": [f"127.0.0.1:{PORT}:{PORT}"]}
    networks = written()["networks"]
    assert networks["inside"] == {"internal": True}
    assert {name: each["networks"] for name, each in services().items()} == {
        **{name: ["inside"] for name in services()},
        "app": ["inside", "outside"],
    }


def test_what_is_kept_is_in_named_volumes() -> None:
    assert set(written()["volumes"]) == {"db", "qdrant"}
    kept = {name: each["volumes"] for name, each in services().items() if "volumes" in each}
    # Of PostgreSQL 18 on, the image keeps its data below this directory, not in `data`.
    assert kept == {"db": ["db:/var/lib/postgresql"], "qdrant": ["qdrant:/qdrant/storage"]}


def test_the_app_waits_for_the_tables_and_not_for_what_it_can_do_without() -> None:
    conditions = {
        name: {other: how["condition"] for other, how in each.get("depends_on", {}).items()}
        for name, each in services().items()
    }
    assert conditions == {
        "db": {},
        "qdrant": {},
        "embeddings": {},
        "init-db": {"db": "service_healthy"},
        "app": {
            "init-db": "service_completed_successfully",
            "qdrant": "service_started",
            "embeddings": "service_started",
        },
    }


def test_what_stays_is_checked_and_started_again() -> None:
    for name, service in services().items():
        if name == "init-db":
            assert service["restart"] == "no"
            assert "healthcheck" not in service
            continue
        assert service["restart"] == "unless-stopped"
        check = service["healthcheck"]
        assert set(check) == {"test", "interval", "timeout", "retries", "start_period"}
        assert seconds(check["timeout"]) <= seconds(check["interval"])


def test_the_app_is_given_longer_to_end_than_its_calls_are() -> None:
    draining = http._DRAINING_S  # pyright: ignore[reportPrivateUsage] - nobody else needs to know
    assert seconds(services()["app"]["stop_grace_period"]) >= draining + 5


# The environment


def test_the_tracker_knows_every_variable_that_it_is_given() -> None:
    for name in OURS:
        assert set(services()[name].get("environment", {})) <= variables()


def test_the_other_images_are_given_what_they_document() -> None:
    for name, known in OF_THEIR_IMAGES.items():
        assert set(services()[name]["environment"]) == known


def test_a_value_is_text_before_it_is_yaml() -> None:
    for service in services().values():
        for value in service.get("environment", {}).values():
            assert isinstance(value, str)


def test_the_example_names_what_the_file_asks_for_and_nothing_else() -> None:
    assert {match["name"] for match in references(written())} == set(example())
    assert set(example()) <= variables()


def test_the_example_has_the_defaults_of_the_file() -> None:
    for match in references(written()):
        if match["kind"] != ":?":
            assert (match["rest"] or "") == example()[match["name"]]


def test_secrets_have_no_default_and_no_value_in_the_example() -> None:
    required = {match["name"] for match in references(written()) if match["kind"] == ":?"}
    assert required == set(FILLED)
    assert {name: example()[name] for name in required} == dict.fromkeys(required, "")


@pytest.mark.parametrize("name", sorted(FILLED))
def test_without_a_secret_nothing_starts(name: str) -> None:
    with pytest.raises(NotComposed, match=name):
        services({**FILLED, name: ""})


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$$A ${A}", "$A 1"),
        ("${B:-2}", "2"),
        ("${A:-2}", "1"),
        ("${B:-}", ""),
        ("${A:?why}", "1"),
        ("${EMPTY:-3}", "3"),
    ],
)
def test_values_are_filled_in_as_compose_does(text: str, result: str) -> None:
    assert interpolated(text, {"A": "1", "EMPTY": ""}) == result


@pytest.mark.parametrize("text", ["${B:?why}", "${EMPTY:?why}", "$A", "100 $"])
def test_what_compose_would_refuse_or_misread_is_refused(text: str) -> None:
    with pytest.raises(NotComposed):
        interpolated(text, {"A": "1", "EMPTY": ""})


@pytest.mark.usefixtures("app_environment")
def test_every_setting_of_the_app_is_valid() -> None:
    for settings in SETTINGS:
        settings()
    assert SessionSettings().toolsets == {"core"}


@pytest.mark.usefixtures("app_environment")
def test_the_app_is_refused_until_there_is_a_token() -> None:
    settings = HttpSettings()
    assert (settings.host, settings.port) == ("0.0.0.0", PORT)  # noqa: S104 - in a container
    with pytest.raises(SetupError, match="token create"):
        settings.refuse_open(has_tokens=False)
    settings.refuse_open(has_tokens=True)


@pytest.mark.usefixtures("app_environment")
def test_the_app_asks_the_embedding_server_for_the_model_that_it_has() -> None:
    space = EmbeddingSettings().space()
    assert space is not None
    assert space.base_url == "http://embeddings:8400/v1"
    assert (space.model, space.dimension) == (LOCAL_SPACE.model, LOCAL_SPACE.dimension)


def test_both_ends_are_given_the_same_database_and_keys(app_environment: dict[str, str]) -> None:
    there, settings = services()["db"]["environment"], DatabaseSettings()
    assert (settings.host, settings.port) == ("db", 5432)
    assert settings.name == there["POSTGRES_DB"]
    assert settings.user == there["POSTGRES_USER"]
    assert settings.password.get_secret_value() == there["POSTGRES_PASSWORD"]
    qdrant = services()["qdrant"]["environment"]
    assert app_environment["QDRANT_API_KEY"] == qdrant["QDRANT__SERVICE__API_KEY"]
    assert services()["init-db"]["environment"].items() <= app_environment.items()


# The checks of health, run as they are


class Answering(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        is_known = self.path in {"/healthz", "/readyz"}
        self.send_response(self.status if is_known else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def port() -> Generator[int]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


def check(service: Service, port: str, other: int) -> int:
    kind, program, *arguments = service["healthcheck"]["test"]
    assert kind == "CMD"
    assert port in arguments[-1]
    asked = [*arguments[:-1], arguments[-1].replace(port, str(other))]
    run = sys.executable if program == "python" else program
    return subprocess.run([run, *asked], capture_output=True, check=False, timeout=20).returncode


@pytest.mark.parametrize(
    ("name", "of"), [("app", str(PORT)), ("embeddings", "8400"), ("qdrant", "6333")]
)
def test_a_check_of_health_tells_well_from_ill(
    name: str, of: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = services()[name]
    assert check(service, of, port) == 0
    monkeypatch.setattr(Answering, "status", 503)
    assert check(service, of, port) != 0


@pytest.mark.parametrize(
    ("name", "of"), [("app", str(PORT)), ("embeddings", "8400"), ("qdrant", "6333")]
)
def test_a_check_of_health_fails_where_nothing_listens(name: str, of: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Answering, bind_and_activate=False) as unbound:
        unbound.server_bind()
        assert check(services()[name], of, unbound.server_port) != 0


def test_the_database_is_asked_by_tcp() -> None:
    kind, command = services()["db"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert command.startswith("pg_isready --quiet --host 127.0.0.1 ")
