"""A small OpenAI-compatible endpoint on a free port of this machine, which misbehaves on demand."""

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], Any]
"""A function of a request's body that returns text, (text, log-probabilities of the first token), or a fault."""


class Fault:
    """A fault instead of a reply: a status with headers and a body, after a delay in seconds."""

    def __init__(self, status: int = 200, body: str = "{}", seconds: float = 0.0, **headers: str) -> None:
        self.status, self.body, self.seconds, self.headers = status, body, seconds, headers


class JudgeServer:
    """Answers with ``answer``, after it has returned the ``faults`` in order, one per request.

    Attributes:
        asked: the bodies of all requests.
        keys: the Authorization headers of all requests.
    """

    def __init__(self, answer: Answer, faults: list[Fault] | None = None) -> None:
        self.answer, self.faults = answer, list(faults or [])
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self) -> "JudgeServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def reply(self, body: dict[str, Any], key: str) -> Fault:
        with self._lock:
            self.asked.append(body)
            self.keys.append(key)
            if self.faults:
                return self.faults.pop(0)
        said = self.answer(body)
        return said if isinstance(said, Fault) else Fault(body=completion(said))


def completion(said: Any) -> str:
    """Return the JSON of a chat completion."""
    text, likely = said if isinstance(said, tuple) else (said, None)
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if likely is not None:
        tops = [{"token": token, "logprob": value} for token, value in likely.items()]
        choice["logprobs"] = {"content": [{"token": text, "logprob": max(likely.values()), "top_logprobs": tops}]}
    usage = {"prompt_tokens": 90, "completion_tokens": 10, "total_tokens": 100}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(body)


def last(body: dict[str, Any]) -> str:
    """Return the text of a request's last message."""
    return body["messages"][-1]["content"]


def prefers_more(body: dict[str, Any]) -> str:
    """Answer with the letter of the better clip, or a digit, by the number at the end of each clip's description."""
    numbers = [float(x) for x in re.findall(r"worth (-?[\d.]+);", body["messages"][1]["content"])]
    if len(numbers) == 1:
        return str(int(numbers[0]))
    return "A" if numbers[0] > numbers[1] else "B"


def _handler(server: JudgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = server.reply(body, self.headers.get("authorization", ""))
            time.sleep(said.seconds)
            data = said.body.encode()
            try:
                self.send_response(said.status)
                for name, value in {"content-type": "application/json", **said.headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the client has given up

        def log_message(self, *_: object) -> None:
            pass

    return Handler
