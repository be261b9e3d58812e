"""Limits the number and the time of connections that have not shown the token, so that they cannot block others.

A connection waits until a request on it has passed the guard (security.py), for HEADER_SECONDS at most. If too many
connections wait, the oldest one of the peer that has the most of them is closed. A connection that has shown the token
is never closed for this reason.
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""The time that a connection has to show the token."""
MOST_WAITING = 64
MOST_CONNECTIONS = 256
"""The most connections with the token; the waiting ones do not count."""


class Door:
    """The waiting connections of one server."""

    def __init__(self, seconds: float = HEADER_SECONDS, most: int = MOST_WAITING) -> None:
        self._seconds, self._most = seconds, most
        self._waiting: dict[H11Protocol, asyncio.TimerHandle] = {}  # in the order of arrival

    def enter(self, connection: H11Protocol) -> None:
        """Register a new connection, and close the oldest of the busiest peer if too many wait."""
        self._waiting[connection] = connection.loop.call_later(self._seconds, connection.transport.abort)
        if len(self._waiting) > self._most:
            peers = Counter(_peer(one) for one in self._waiting)
            crowd = max(peers, key=lambda peer: peers[peer])
            oldest = next(one for one in self._waiting if _peer(one) == crowd)
            self.leave(oldest)
            oldest.transport.abort()

    def leave(self, connection: H11Protocol) -> None:
        """Forget a connection that has been closed or has shown the token."""
        timer = self._waiting.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def admit(self, client: Any) -> None:
        """Admit the connection from this address and port, because its request has shown the token."""
        for connection in [one for one in self._waiting if one.client == client]:
            self.leave(connection)

    def protocol(self) -> type[asyncio.Protocol]:
        """Return uvicorn's HTTP protocol class, with its connections registered here."""
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
