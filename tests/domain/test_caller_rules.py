from __future__ import annotations

import pytest

from hephaestus_tickets.domain.caller import (
    AgentMismatch,
    Caller,
    WorkflowNotFound,
    WorkflowRequired,
)


def test_a_caller_is_unbound_and_sees_every_workflow_unless_told() -> None:
    assert Caller(agent_id="ada") == Caller(
        agent_id="ada", is_bound=False, default_workflow="default", workflows=None
    )


@pytest.mark.parametrize(
    ("is_bound", "named", "actor"),
    [
        pytest.param(False, None, "ada", id="the-session-itself"),
        pytest.param(False, "", "ada", id="empty-means-the-session"),
        pytest.param(False, "bob", "bob", id="an-open-session-speaks-as-another"),
        pytest.param(True, None, "ada", id="a-bound-session"),
        pytest.param(True, "ada", "ada", id="a-bound-session-under-its-name"),
    ],
)
def test_who_acts(is_bound: bool, named: str | None, actor: str) -> None:
    assert Caller(agent_id="ada", is_bound=is_bound).actor(named) == actor


def test_a_bound_session_cannot_speak_as_another() -> None:
    with pytest.raises(AgentMismatch) as refusal:
        Caller(agent_id="ada", is_bound=True).actor("bob")
    assert refusal.value.bound_to == "ada"
    assert str(refusal.value) == (
        "This session belongs to the agent 'ada' and cannot act as 'bob'. Leave agent_id out."
    )


@pytest.mark.parametrize(
    ("default", "named", "meant"),
    [
        pytest.param("web", None, "web", id="the-default"),
        pytest.param("web", "", "web", id="empty-means-the-default"),
        pytest.param("web", "app", "app", id="the-one-named"),
        pytest.param("", "app", "app", id="named-without-a-default"),
    ],
)
def test_which_workflow_is_meant(default: str, named: str | None, meant: str) -> None:
    assert Caller(agent_id="ada", default_workflow=default).workflow(named) == meant


def test_without_a_default_the_workflow_must_be_named() -> None:
    with pytest.raises(WorkflowRequired) as refusal:
        Caller(agent_id="ada", default_workflow="").workflow(None)
    assert str(refusal.value) == (
        "This session has no default workflow: name one in workflow_id (list_workflows shows them)."
    )


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        pytest.param(
            ["app", "web"],
            "There is no workflow 'wbe'. Known workflows: app, web.",
            id="the-known-ones-are-named",
        ),
        pytest.param([], "There is no workflow 'wbe'. There is none yet.", id="none-yet"),
    ],
)
def test_an_unknown_workflow_is_refused(known: list[str], sentence: str) -> None:
    refusal = WorkflowNotFound("wbe", known)
    assert (refusal.workflow_id, refusal.known) == ("wbe", tuple(known))
    assert str(refusal) == sentence
