"""A real server of a shared label store, in a thread of the test, which can be stopped and started again."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.page.server import create_app
from rl_rewards.labelers.store import STORE_NAME, LabelStore

TOKEN = "t" * 32


class SharedServer:
    """Serves the store in ``folder`` on a free port.

    Args:
        around: wraps the ASGI application, for instance to lose its responses.
    """

    def __init__(self, folder: Path, around: Callable = lambda app: app) -> None:
        self.store, self._around = LabelStore(folder / STORE_NAME), around
        self._folder, self.port = folder, 0
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        told = lambda run: (run and self.store.told(run)) or Instructions()  # noqa: E731
        desk = Desk(self.store.database, repeat_share=0.0)
        app = create_app(desk, self._folder, port=self.port, token=TOKEN, told=told, store=self.store)
        config = uvicorn.Config(self._around(app), log_level="critical", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it at once, with all connections."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10.0)
        for each in self._server.servers:
            for listening in each.sockets:
                listening.close()
