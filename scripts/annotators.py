"""Simulated people at the labelling page: they talk to its server over HTTP as the page does."""

import http.client
import json
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import Any


def serve(run_dir: Path, port: int = 0) -> tuple[subprocess.Popen, str]:
    """Start the page's server in a process of its own; return it with the address that it printed.

    Raises:
        RuntimeError: when it ends before it has printed one.
    """
    command = [sys.executable, "-m", "rl_rewards.label", str(run_dir), "--port", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://\S+", said)
    if found is None:
        raise RuntimeError(f"The labelling page did not start: {said.strip() or 'it said nothing'}")
    return process, found[0]


class Annotator:
    """One person: a connection that is reopened when the server restarts.

    Args:
        address: as the server printed it, with the token.
    """

    def __init__(self, address: str, name: str) -> None:
        where = urllib.parse.urlsplit(address)
        token = urllib.parse.parse_qs(where.query)["token"][0]
        self.name, self._connection = name, http.client.HTTPConnection(where.netloc, timeout=10.0)
        self._headers = {
            "Origin": f"http://{where.netloc}",
            "Content-Type": "application/json",
            "Cookie": f"rl_rewards_label_{where.port}={token}",
        }

    def call(self, what: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """Make one call of the page; return its status and its answer.

        Raises:
            OSError, http.client.HTTPException: when the server is gone; then nobody knows what it has done.
        """
        try:
            content = json.dumps({"annotator": self.name, **body})
            self._connection.request("POST", f"/api/{what}", content, self._headers)
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
