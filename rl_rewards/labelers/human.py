"""People who judge clips in a browser while the policy learns; the page is a process of its own.

So the page lives on when training dies, and what has been answered is in the store whatever dies.
"""

import contextlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.records import DONE
from rl_rewards.labelers.store import STORE_NAME
from rl_rewards.labelers.stored import WHAT_PEOPLE_SEE, StoredLabeler

STOP_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class People(Labeling):
    """Keys and units: configs/labeler/human.yaml."""

    wait: bool
    page: bool
    port: int
    ask: str
    ask_done: str = DONE
    store: str | None

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        require(0 <= self.port < 65_536, f"labeler.port={self.port} must be 0 (a free one) to 65535.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(reads=WHAT_PEOPLE_SEE, waits_for_answers=self.wait, asks_people=True)

    def make(self, assignment: Assignment) -> "Human":
        """Asks through the store and, if ``page``, serves it."""
        return Human(self, assignment)


class Human(StoredLabeler):
    """The people of one run."""

    def __init__(self, people: People, assignment: Assignment) -> None:
        path = None if people.store is None else Path(people.store)
        super().__init__(assignment, draws=True, path=path)
        self._server = _serve(people, assignment.folder, self.store.path) if people.page else None

    def close(self) -> None:
        """The page ends with the run; it goes on where training was killed."""
        super().close()
        if self._server is not None:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(STOP_SECONDS)


def _serve(people: People, folder: Path, store: Path) -> "subprocess.Popen | None":
    """The page in a process of its own, which prints its address; None where one serves this store already."""
    try:
        from rl_rewards.labelers.page.server import only_server
    except ImportError as error:
        raise ConfigError(
            "labeler=human needs starlette and uvicorn, which are not installed; pip install 'rl_rewards[label]', or "
            "choose labeler=human_terminal."
        ) from error
    try:
        with only_server(store):
            pass
    except ConfigError:
        print("The labelling page is served already, at the address that it printed.", flush=True)
        return None
    command = [sys.executable, "-m", "rl_rewards.label", str(folder), "--port", str(people.port), "--ask", people.ask]
    command += ["--ask-done", people.ask_done]
    if store != folder / STORE_NAME:
        command += ["--store", str(store)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
