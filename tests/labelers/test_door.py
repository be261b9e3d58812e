"""Connections that never show the token cannot block the labelling page."""

import http.client
import socket
import threading
import time

import pytest

pytest.importorskip("uvicorn", reason="the extra 'label' is not installed")
import uvicorn

from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.page.door import Door
from rl_rewards.labelers.page.server import create_app
from tests.labelers.made_up import ask, opened

TOKEN = "t" * 32
SECONDS, MOST = 1.0, 4


@pytest.fixture
def port(tmp_path):
    """Return the port of a server that lets few connections wait, and only for a short time."""
    store = opened(tmp_path)
    ask(store, 1)
    listening, door = socket.create_server(("127.0.0.1", 0)), Door(SECONDS, MOST)
    number = listening.getsockname()[1]
    app = create_app(
        Desk(store.database), tmp_path, port=number, token=TOKEN, told=lambda run: Instructions(), admit=door.admit
    )
    config = uvicorn.Config(app, log_level="critical", http=door.protocol(), ws="none", limit_concurrency=MOST + 2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield number
    server.should_exit = True
    thread.join(10.0)


def half_open(port, begun=b"GET / HTTP/1.1\r\nHo"):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(begun)
    connection.settimeout(5.0)
    return connection


def is_open(connection):
    connection.settimeout(0.05)
    try:
        return connection.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def asked(port, token=TOKEN):
    """Return the status of one request on a new connection, which stays open."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    connection.request("GET", f"/?token={token}")
    reply = connection.getresponse()
    reply.read()
    return reply.status, connection


def test_half_open_connections_keep_nobody_out_and_are_closed_in_time(port):
    began = time.monotonic()
    crowd = [half_open(port) for _ in range(20)]
    crowd += [half_open(port, b"") for _ in range(3)]
    status, kept = asked(port)
    assert status == 200, "a connection with the token gets in"
    assert [is_open(one) for one in crowd[:19]] == 19 * [False], "the oldest ones are closed"
    assert asked(port, "x" * 32)[0] == 401
    while any(is_open(one) for one in crowd):
        assert time.monotonic() - began < 10.0
    assert time.monotonic() - began > SECONDS / 2
    kept.request("GET", "/page.css", headers={"Cookie": f"rl_rewards_label_{port}={TOKEN}"})
    assert kept.getresponse().status == 200, "a connection with the token stays open"
