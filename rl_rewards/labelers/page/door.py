"""Connections that have not shown the token yet: few, and not for long, so that they keep nobody out.

A connection waits at the door until a request on it has passed the guard (security.py). Each may wait for a moment;
where too many wait, the oldest of the peer that has most of them is closed. Those with the token are never closed for
that.
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""How long a connection may take to show the token."""
MOST_WAITING = 64
MOST_CONNECTIONS = 256
"""Of those with the token, beside the waiting ones."""


class Door:
    """Of one server."""

    def __init__(self, seconds: float = HEADER_SECONDS, most: int = MOST_WAITING) -> None:
        self._seconds, self._most = seconds, most
        self._waiting: dict[H11Protocol, asyncio.TimerHandle] = {}  # in the order in which they came

    def enter(self, connection: H11Protocol) -> None:
        """A connection was made; another one is closed where too many wait."""
        self._waiting[connection] = connection.loop.call_later(self._seconds, connection.transport.abort)
        if len(self._waiting) > self._most:
            peers = Counter(_peer(one) for one in self._waiting)
            crowd = max(peers, key=lambda peer: peers[peer])
            oldest = next(one for one in self._waiting if _peer(one) == crowd)
            self.leave(oldest)
            oldest.transport.abort()

    def leave(self, connection: H11Protocol) -> None:
        """It waits no more: it is closed, or has shown the token."""
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def admit(self, client: Any) -> None:
        """Let in the connection from this address and port: its request has shown the token."""
        for connection in [one for one in self._waiting if one.client == client]:
            self.leave(connection)

    def protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP, behind this door."""
        door = self

        class BehindTheDoor(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                door.enter(self)

            def connection_lost(self, exc: Exception | None) -> None:
                door.leave(self)
                super().connection_lost(exc)

        return BehindTheDoor


def _peer(connection: H11Protocol) -> str:
    return connection.client[0] if connection.client else ""
