"""Protects the page's server from other web pages and programs on the same machine.

Binding to 127.0.0.1 is not enough, because any web page that is open in a browser on this machine can send requests to
the server. Therefore the Host header must be ours (against DNS rebinding), and so must the Origin header (against other
pages). A token must come in a cookie that browsers send only from our own page. Bodies must be JSON, which other pages
cannot send without a preflight request.
"""

import secrets
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 16_384
"""The longest request body, in bytes; an answer has about 300."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Refuses requests that are not from our own page before their bodies are read; adds headers to every response.

    Args:
        token: the secret in the printed address, which the cookie holds later.
        admit: called with the address of each client whose request passes.
    """

    def __init__(
        self, app: ASGIApp, *, port: int, token: str, admit: Callable[[Any], None] = lambda client: None
    ) -> None:
        self._app, self._token, self._admit = app, token, admit
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
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
        return await app(scope, receive, self._with_headers(send, invited and refusal is None))

    def _refusal(self, scope: Scope, headers: Headers, invited: bool) -> tuple[int, str] | None:
        """Return the HTTP status and the message of a refusal, or None if the request may pass."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if headers.getlist("host") not in [[host] for host in self._hosts]:
            return 403, "This server answers only to 127.0.0.1 and localhost with its own port."
        if origin is not None and origin not in {f"http://{host}" for host in self._hosts}:
            return 403, "This request comes from another page."
        if scope["method"] not in ("GET", "HEAD"):
            if origin is None or site not in (None, "same-origin"):
                return 403, "This request does not come from the labelling page."
            if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                return 415, "The body must be application/json."
            if not headers.get("content-length", "0").isdecimal() or len(headers.get("content-length", "")) > 15:
                return 400, "The header Content-Length is not a number."
            if int(headers.get("content-length", "0")) > MAX_BODY:
                return 413, f"The body is larger than {MAX_BODY} bytes."
        if not invited and not self._is_token(self._cookie_token(headers)):
            return 401, "Open the address that the program printed when it started; it contains the token."
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _cookie_token(self, headers: Headers) -> str:
        try:
            found = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _with_headers(self, send: Send, invited: bool) -> Callable[[Message], Awaitable[None]]:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
                if invited:
                    headers["Set-Cookie"] = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
            await send(message)

        return sending


def _asked_token(scope: Scope) -> str:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return query.get("token", [""])[0]
