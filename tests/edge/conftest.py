"""An agency's own sign-in, and a browser, for the pages; deployments for processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from httpx import ASGITransport

from gateway.settings import Settings
from tests.edge.issuer import Browser, Issuer
from tests.edge.served import deployment
from tests.world import BASE, World

Clients = tuple[Path, dict[str, object]]


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


@pytest.fixture
async def there(tmp_path: Path, keys_folder: Path, client_keys: Clients) -> Settings:
    """An embedded deployment with the demonstration's agencies, for commands and processes of their own."""
    return await deployment(tmp_path, keys_folder, client_keys[1])


@pytest.fixture
async def deployed(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path, keys_folder: Path, client_keys: Clients
) -> Settings:
    """The same on the database of the run."""
    url = request.getfixturevalue("postgres_url") if database_kind == "postgres" else ""
    return await deployment(tmp_path, keys_folder, client_keys[1], url)
