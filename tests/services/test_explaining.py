from __future__ import annotations

from dataclasses import replace

from tests.factories import Desk


async def test_a_ready_ticket_says_how_to_take_it(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    assert await desk.explain_ticket(ticket_id=ticket) == {
        "ticket_id": ticket,
        "is_ready": True,
        "reasons": [f"nothing is in the way: claim_ticket(ticket_id='{ticket}')"],
    }


async def test_the_chain_of_blockers_is_told_to_its_beginning(desk: Desk) -> None:
    ada = replace(desk, caller=replace(desk.caller, agent_id="ada", session="s"))
    first, claimed = await desk.make_ticket(title="First"), await desk.make_ticket()
    middle = await desk.make_ticket(blocked_by_ticket_ids=[first, claimed])
    last = await desk.make_ticket(blocked_by_ticket_ids=[middle])
    await ada.claim_ticket(ticket_id=claimed)
    explained = await desk.explain_ticket(ticket_id=last)
    assert explained["reasons"] == [
        f"it waits for open blockers (1 of its own): begin with {first}"
    ]
    chain = explained["open_blockers"]
    assert [(each["ticket_id"], each["blocks"]) for each in chain] == [
        (middle, last),
        (first, middle),
        (claimed, middle),
    ]
    assert [each.get("can_start", False) for each in chain] == [False, True, False]
    assert chain[2]["claim"]["agent_id"] == "ada"


async def test_resolved_blockers_are_in_nobodys_way(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    await desk.resolve_ticket(ticket_id=blocker)
    assert (await desk.explain_ticket(ticket_id=ticket))["is_ready"] is True


async def test_a_claimed_ticket_tells_whose_and_until_when(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    claimed = await desk.claim_ticket(ticket_id=ticket)
    explained = await desk.explain_ticket(ticket_id=ticket)
    assert explained["claim"] == {"agent_id": "tester", "ends_at": claimed["claim_ends_at"]}
    assert "is_ready" not in explained
    assert explained["reasons"][0].startswith("'tester' claimed it until")


async def test_a_long_chain_is_cut_and_says_so(desk: Desk) -> None:
    blockers = [await desk.make_ticket() for _ in range(51)]
    ticket = await desk.make_ticket(blocked_by_ticket_ids=blockers)
    explained = await desk.explain_ticket(ticket_id=ticket)
    assert len(explained["open_blockers"]) == 50
    assert explained["omitted"] == ["open_blockers: 50 are shown, there are more"]
