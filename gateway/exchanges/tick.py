"""When an answer leaves that must not tell how long it took: on a beat of 50 ms, for programs, cards and pages alike."""

from __future__ import annotations

import asyncio

TICK = 0.050


class Tick:
    """A beat every 50 ms from the moment that the request arrived.

    The timer is armed before the body is read: what the work then takes cannot be told from when the answer leaves.
    """

    __slots__ = ("_loop", "_next", "_timer", "_waiter")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._next = self._loop.time() + TICK
        self._timer = self._loop.call_at(self._next, self._strike)

    def _strike(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
            return
        self._next += TICK
        self._timer = self._loop.call_at(self._next, self._strike)

    async def wait(self) -> None:
        """Until the next beat."""
        self._waiter = self._loop.create_future()
        await self._waiter

    def stop(self) -> None:
        self._timer.cancel()
