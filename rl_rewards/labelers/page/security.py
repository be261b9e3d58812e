"""Protects the page's server from other web pages and programs that can reach it.

Binding to 127.0.0.1 is not enough, because any web page that is open in a browser on this machine can send requests to
the server. Therefore the Host header must be ours (against DNS rebinding), and so must the Origin header (against other
pages). A token must come in a cookie that browsers send only from our own page. Bodies must be JSON, which other pages
cannot send without a preflight request. Trainers send the token in the header Authorization, which no other page can.
"""

import ipaddress
import secrets
import urllib.parse
from collections.abc import Awaitable, Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rl_rewards.labelers.wire import MOST_BYTES, PREFIX

MAX_BODY = 16_384
"""The longest request body of the page, in bytes; an answer has about 300."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Origins:
    """The addresses at which browsers and trainers may reach the server.

    Args:
        port: of the server on this machine, always reachable as 127.0.0.1 and localhost.
        others: further addresses, each scheme://HOST or scheme://HOST:PORT, such as that of a proxy.
        by_number: also any IP address with this port; no name is looked up for it, so that it cannot be rebound.
    """

    def __init__(self, port: int, others: Iterable[str] = (), by_number: bool = False) -> None:
        own = [f"http://127.0.0.1:{port}", f"http://localhost:{port}", *others]
        self.of_hosts = {origin.partition("://")[2].lower(): origin.lower() for origin in own}
        self.port, self._by_number = port, by_number

    def of(self, host: str) -> str | None:
        """Return the origin of pages from ``host``, as a Host header names it; None if it is none of ours."""
        numbered = self._by_number and _is_number_of(host, self.port)
        return f"http://{host}" if numbered else self.of_hosts.get(host.lower())


def _is_number_of(host: str, port: int) -> bool:
    name, _, own = host.rpartition(":")
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        return own == str(port) and (ipaddress.ip_address(name.strip("[]")).version == 6) == bracketed
    except ValueError:
        return False


class Guard:
    """Refuses requests that are not from our own page before their bodies are read; adds headers to every response.

    Args:
        token: the secret in the printed address, which the cookie holds later.
        admit: called with the address of each client whose request passes.
        origins: where the server is reached; by default, only on this machine.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        port: int,
        token: str,
        admit: Callable[[Any], None] = lambda client: None,
        origins: Origins | None = None,
    ) -> None:
        self._app, self._token, self._admit = app, token, admit
        self._origins = origins or Origins(port)
        self._cookie = f"rl_rewards_label_{port}"  # browsers share cookies between ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        headers = Headers(scope=scope)
        invited = self._is_token(_asked_token(scope)) if (scope["path"], scope["method"]) == ("/", "GET") else False
        refusal = self._refusal(scope, headers, invited)
        if refusal is None:
            self._admit(scope.get("client"))
        app = self._app if refusal is None else JSONResponse({"error": refusal[1]}, refusal[0])
        secure = (self._origins.of(headers.get("host", "")) or "").startswith("https:")
        return await app(scope, receive, self._with_headers(send, invited and refusal is None, secure))

    def _refusal(self, scope: Scope, headers: Headers, invited: bool) -> tuple[int, str] | None:
        """Return the HTTP status and the message of a refusal, or None if the request may pass."""
        origin, site, hosts = headers.get("origin"), headers.get("sec-fetch-site"), headers.getlist("host")
        own, trainer = self._origins.of(hosts[0]) if len(hosts) == 1 else None, scope["path"].startswith(PREFIX)
        if own is None:
            return 403, f"This server answers only to {' and '.join(self._names())} with its own port."
        if origin not in (None, own):
            return 403, "This request comes from another page."
        if scope["method"] not in ("GET", "HEAD"):
            if (origin is None and not trainer) or site not in (None, "same-origin"):
                return 403, "This request does not come from the labelling page."
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return 415, "The body must be application/json."
            if not headers.get("content-length", "0").isdecimal() or len(headers.get("content-length", "")) > 15:
                return 400, "The header Content-Length is not a number."
            most = most_bytes(scope["path"])
            if int(headers.get("content-length", "0")) > most:
                return 413, f"The body is larger than {most} bytes."
        given = _bearer(headers) if trainer else self._cookie_token(headers)
        if not invited and not self._is_token(given):
            return 401, "Open the address that the program printed when it started; it contains the token."
        return None

    def _names(self) -> list[str]:
        """Return the hosts to which the server answers, without its own port."""
        return [host.removesuffix(f":{self._origins.port}") for host in self._origins.of_hosts]

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _cookie_token(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _with_headers(self, send: Send, invited: bool, secure: bool) -> Callable[[Message], Awaitable[None]]:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
                if invited:
                    kept = "Path=/; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
                    headers["Set-Cookie"] = f"{self._cookie}={self._token}; {kept}"
            await send(message)

        return sending


def most_bytes(path: str) -> int:
    """Return the longest body of a request to ``path``, in bytes."""
    return MOST_BYTES if path.startswith(PREFIX) else MAX_BODY


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _asked_token(scope: Scope) -> str:
    query = urllib.parse.parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("token", [""])[0]
