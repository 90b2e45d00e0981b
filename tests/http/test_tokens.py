from __future__ import annotations

from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import URL, create_engine
from typer.testing import CliRunner, Result

from hephaestus_tickets.app import fault_of_settings
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.cli.tokens import app
from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.domain.errors import SetupError, TicketError
from hephaestus_tickets.local.ending import throwaway_tracker
from hephaestus_tickets.operations import OPERATIONS
from tests.http.processes import database_settings, run, said
from tests.http.web import Json, Web, header, refusal, reply, serving


@pytest.fixture(scope="module")
def home() -> Generator[dict[str, str]]:
    """Settings that lead to a home of this file's own."""
    with throwaway_tracker() as home:
        yield {"HEPHAESTUS_HOME": str(home.root), "COLUMNS": "200"}


def test_a_secret_is_shown_once_and_its_token_is_listed_and_revoked(home: dict[str, str]) -> None:
    made = [said(run("token", "create", "[first]", "--days", "9", **home))]
    made.append(said(run("token", "create", "second", "--access", "read", "--agent", "ada",
                         "--workflow", "default", **home)))  # fmt: skip
    assert len(set(made)) == 2
    assert all(each.startswith("ht_") and len(each) > 40 for each in made)
    listed = said(run("token", "list", **home))
    assert "[first]" in listed
    assert [word in listed for word in ("second", "read", "ada", "default")] == [True] * 4
    assert not any(secret[3:] in listed for secret in made)
    assert said(run("token", "revoke", "second", **home)) == "The token 'second' is revoked."


@pytest.fixture
def command(database_url: URL, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`token …` in this process, on a database of the test's own."""
    for name, value in database_settings(database_url).items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_only_a_digest_is_kept(command: Callable[..., Result], database_url: URL) -> None:
    secret = command("create", "it").stdout.strip()
    engine = create_engine(database_url)
    with engine.connect() as connection:
        [row] = connection.exec_driver_sql("SELECT tokens::text FROM tokens").scalars()
    engine.dispose()
    assert "it" in row
    assert secret not in row
    assert secret[3:] not in row
    assert sha256(secret.encode()).hexdigest() in row


def test_a_token_that_cannot_be_is_refused(command: Callable[..., Result]) -> None:
    command("create", "it")
    for arguments in (["create", "it"], ["revoke", "x"], ["create", "x", "--workflow", "nowhere"]):
        assert isinstance(command(*arguments).exception, TicketError), arguments
    for arguments in (
        ["create", "x" * 101], ["create", ""], ["create", "x\x1b[2J"],
        ["create", "x", "--days", "0"],
        ["create", "x", "--agent", "a" * 201], ["create", "x", "--access", "all"],
    ):  # fmt: skip
        assert command(*arguments).exit_code == 2, arguments
    command("revoke", "it")
    assert command("create", "it").exit_code == 0


async def test_whoever_shows_no_good_token_is_refused_in_the_same_words(web: Web) -> None:
    expired = await web.token("expired", days=1)
    revoked = await web.token("revoked")
    await web.revoke("revoked")
    async with web.calls.units.database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE tokens SET expires_at = clock_timestamp() WHERE name = 'expired'"
        )
    good = await web.token("good")
    shown = [
        f"Bearer {expired}", f"Bearer {revoked}", f"Bearer {good}x", "Bearer ht_unknown",
        f"Bearer {good.upper()}", "Bearer", "Bearer,", "Basic YTpi", good, "", "Bearer \xff",
        f"Token {good}",
    ]  # fmt: skip
    bodies: set[str] = set()
    async with web.rest() as rest:
        for value in shown:
            for method, path in [("GET", "/workflows"), ("POST", "/mcp"), ("GET", "/sse"),
                                 ("POST", "/messages/"), ("GET", "/metrics"), ("GET", "/nowhere"),
                                 ("GET", "/openapi.json")]:  # fmt: skip
                headers = header("Authorization", value) if value else None
                answer = await rest.request(method, path, headers=headers)
                assert refusal(answer) == (401, "token_refused"), (value, path)
                assert answer.headers["www-authenticate"] == "Bearer"
                bodies.add(answer.text)
        for path in ("/healthz", "/readyz"):
            assert (await rest.get(path)).status_code == 200
        answer = await rest.get("/workflows", headers={"Authorization": f"bearer   {good}"})
        assert answer.status_code == 200
    assert len(bodies) == 1


async def test_the_first_token_closes_a_server_that_was_open(web: Web) -> None:
    async with web.rest() as rest:
        assert (await rest.get("/workflows")).status_code == 200
        await web.token("first")
        assert refusal(await rest.get("/workflows")) == (401, "token_refused")
        await web.revoke("first")
        assert refusal(await rest.get("/workflows")) == (401, "token_refused")


async def test_revocation_acts_at_once(web: Web) -> None:
    secret = await web.token("it")
    async with web.rest(secret) as rest, web.mcp(secret) as client, web.sse(secret) as stream:
        assert (await rest.get("/workflows")).status_code == 200
        assert not (await client.call_tool("list_workflows", {})).is_error
        assert not (await stream.call_tool("list_workflows", {})).is_error
        await web.revoke("it")
        assert refusal(await rest.get("/workflows")) == (401, "token_refused")
        with pytest.raises(Exception, match=r"(?i)401|unauthorized|error"):
            await client.call_tool("list_workflows", {})


EVERY = "?toolsets=core,plan,admin"
READS = [each.name for each in OPERATIONS if each.kind == "read"]
WRITES = [each.name for each in OPERATIONS if each.toolset != "admin"]
ALL = [each.name for each in OPERATIONS]


@pytest.mark.parametrize(
    ("access", "allowed"),
    [(Access.READ, READS), (Access.WRITE, WRITES), (Access.ADMIN, ALL)],
    ids=["read", "write", "admin"],
)
async def test_a_token_is_shown_and_may_call_what_its_access_allows(
    web: Web, access: Access, allowed: list[str]
) -> None:
    secret = await web.token("it", access)
    async with web.rest(secret) as rest, web.mcp(secret, query=EVERY) as client:
        shown = [tool.name for tool in (await client.list_tools()).tools]
        assert shown == allowed
        for operation in OPERATIONS:
            result = await client.call_tool(operation.name, {"nonsense": 1})
            path = operation.path.replace("{ticket_id}", "x").replace("{workflow_id}", "x")
            answer = await rest.request(operation.verb, path, params={"nonsense": 1})
            is_allowed = operation.name in allowed
            status, code = refusal(answer)
            assert code == ("unknown_argument" if is_allowed else "access_denied"), operation.name
            assert status == (422 if is_allowed else 403)
            told = result.model_dump(mode="json")["content"][0]["text"]
            assert told == f"{code}: {answer.json()['detail']}"


async def test_a_token_of_one_agent_speaks_as_no_other(web: Web) -> None:
    secret = await web.token("it", agent_id="ada")
    async with web.rest(secret, X_Agent_Id="bob") as rest, web.mcp(secret) as client:
        made = reply(await rest.post("/tickets/create", json={"title": "x"}))
        shown = reply(await rest.get(f"/tickets/{made['ticket_id']}"))
        assert shown["ticket"]["created_by"] == "ada"
        arguments = {"ticket_id": made["ticket_id"], "comment_text": "x", "agent_id": "bob"}
        answer = await rest.post("/tickets/comment", json=arguments)
        assert refusal(answer) == (403, "agent_mismatch")
        result = await client.call_tool("add_comment", arguments)
        assert result.is_error


async def test_agents_that_share_a_token_do_not_repeat_each_other(web: Web) -> None:
    secret = await web.token("shared")
    async with web.rest(secret, X_Agent_Id="ada") as ada, web.rest(secret, X_Agent_Id="bob") as bob:
        ticket = reply(await ada.post("/tickets/create", json={"title": "x"}))["ticket_id"]
        remark: Json = {"ticket_id": ticket, "comment_text": "+1"}
        for rest in (ada, bob, bob):
            reply(await rest.post("/tickets/comment", json=remark))
        comments = reply(await ada.get(f"/tickets/{ticket}"))["comments"]
        assert [each["agent_id"] for each in comments] == ["ada", "bob"]


INITIALIZE: Json = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {},
               "clientInfo": {"name": "x", "version": "1"}},
}  # fmt: skip
LIST: Json = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
BOTH = {"Accept": "application/json, text/event-stream"}


async def test_a_session_is_of_no_use_with_another_token(database_url: URL) -> None:
    async with serving(database_url, stateful=True) as web:
        mine, other = await web.token("mine"), await web.token("other")
        async with web.rest(mine) as rest, web.rest(other) as thief:
            opened = await rest.post("/mcp", json=INITIALIZE, headers=BOTH)
            session = {**BOTH, "Mcp-Session-Id": opened.headers["mcp-session-id"]}
            assert (await rest.post("/mcp", json=LIST, headers=session)).status_code == 200
            assert (await thief.post("/mcp", json=LIST, headers=session)).status_code == 404
            assert (await thief.delete("/mcp", headers=session)).status_code == 404
            assert (await rest.post("/mcp", json=LIST, headers=session)).status_code == 200
            async with rest.stream("GET", "/sse") as stream:
                said = stream.aiter_lines()
                path = [await anext(said) for _ in range(2)][1].removeprefix("data: ")
                assert (await thief.post(path, json=INITIALIZE)).status_code == 404
                assert (await rest.post(path, json=INITIALIZE)).status_code == 202


async def test_an_sse_client_has_the_tools_that_its_stream_asked_for(web: Web) -> None:
    async with web.sse(query="?toolsets=plan") as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [
            "create_tickets", "update_tickets", "resolve_tickets", "scan_commits",
        ]  # fmt: skip


LOOPBACK = ["127.0.0.1", "localhost", "::1", "127.9.9.9"]
OPEN = ["0.0.0.0", "::", "192.0.2.1", "tracker.example"]  # noqa: S104 - refused
PROTECTED: list[Json] = [{"tls_cert": "a.pem", "tls_key": "b.pem"}, {"behind_proxy": True}]


@pytest.mark.parametrize("host", LOOPBACK)
def test_the_loopback_is_served_with_and_without_tokens(host: str) -> None:
    for has_tokens in (True, False):
        HttpSettings(host=host).refuse_open(has_tokens=has_tokens)


@pytest.mark.parametrize("host", OPEN)
def test_other_addresses_want_a_token_and_tls(host: str) -> None:
    for more in PROTECTED:
        HttpSettings(host=host, **more).refuse_open(has_tokens=True)
        with pytest.raises(SetupError, match="token create"):
            HttpSettings(host=host, **more).refuse_open(has_tokens=False)
    with pytest.raises(SetupError, match="HTTP_TLS_CERT"):
        HttpSettings(host=host).refuse_open(has_tokens=True)


async def test_what_cannot_be_served_is_told_before_anything_is(database_url: URL) -> None:
    wrong: list[Json] = [
        {"host": "0.0.0.0"},  # noqa: S104 - refused
        {"tls_cert": "nowhere.pem", "tls_key": "nowhere.pem"},
        {"tls_cert": __file__, "tls_key": __file__},
        {"host": "no name of a host"},
    ]
    for settings in wrong:
        with pytest.raises(SetupError):
            async with serving(database_url, **settings):
                raise AssertionError(settings)
    with pytest.raises(ValidationError) as fault:
        HttpSettings(tls_cert=Path("a.pem"))
    assert "HTTP_TLS_KEY" in fault_of_settings(fault.value)


def test_a_server_that_would_be_open_says_so_in_one_sentence_and_leaves(
    database_url: URL, home: dict[str, str]
) -> None:
    open_to_all = {"HTTP_HOST": "0.0.0.0", "HTTP_PORT": "1"}  # noqa: S104 - refused
    run("stop", **home)
    replica = run("serve", **open_to_all, **database_settings(database_url))
    local = run("serve", **open_to_all, **home)
    assert (replica.returncode, local.returncode) == (1, 1)
    assert replica.stderr.startswith("hephaestus-tickets: HTTP on 0.0.0.0 would be open to every")
    assert replica.stderr.count("\n") == 1
    assert "hephaestus-tickets: HTTP on 0.0.0.0 would " in local.stderr
    assert "Traceback" not in local.stderr
