"""An agency's own sign-in, and a browser, for the pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from httpx import ASGITransport

from tests.edge.issuer import Browser, Issuer
from tests.world import BASE, World


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An agency's own sign-in; to be registered for it."""
    made = Issuer()
    yield made
    made.close()


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    """A browser that nobody has used."""
    transport = world.client._transport
    assert isinstance(transport, ASGITransport)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        client.event_hooks["response"].append(world.heard)
        yield Browser(world, client)
