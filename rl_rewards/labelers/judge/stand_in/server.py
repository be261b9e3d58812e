"""Serves the stand-in as an OpenAI-compatible endpoint of this process, which only this machine can reach."""

import functools
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from rl_rewards.labelers.judge.stand_in.answers import BadRequest, answer, completion

MODEL = "looking-stand-in"
"""The name of the model that ``labeler.base_url=embedded`` serves with this server."""


class Served(NamedTuple):
    """A server that runs until the process ends."""

    base_url: str
    key: str  # random, so that web pages open on this machine cannot use the server


@functools.cache
def start() -> Served:
    """Start the server on a free port; there is one in a process."""
    key = secrets.token_urlsafe(24)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(key))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return Served(f"http://127.0.0.1:{server.server_address[1]}/v1", key)


def respond(path: str, authorization: str, content: bytes, key: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of the response to a POST request."""
    if authorization != f"Bearer {key}":
        return 401, _error("the key is wrong")
    if path != "/v1/chat/completions":
        return 404, _error(f"{path} does not exist")
    try:
        body = json.loads(content)
        return 200, completion(answer(body), str(body.get("model", MODEL)))
    except BadRequest as error:
        return 400, _error(str(error))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return 400, _error("the request is not one for a chat completion")


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error"}}


def _handler(key: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps the connection for the next question
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, body = respond(self.path, self.headers.get("authorization", ""), content, key)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    return Handler
