"""People who judge clips in a browser while the policy learns.

The page runs in a separate process, so that it survives when training is killed. Every answer is in the label store,
whichever process dies.
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
from rl_rewards.labelers.instructions import Instructions
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
    task: str = ""
    strength: bool = False
    store: str | None

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        require(0 <= self.port < 65_536, f"labeler.port={self.port} must be a port up to 65535, or 0 for any free one.")

    @property
    def requirements(self) -> Requirements:
        return Requirements(
            reads=WHAT_PEOPLE_SEE,
            waits_for_answers=self.wait,
            asks_people=True,
            soft_answers=self.strength,
            describes=True,
        )

    def make(self, assignment: Assignment) -> "Human":
        """Return the labeler of one seed, which also starts the page's server if ``page`` is true."""
        instructions = Instructions(
            ask=self.ask,
            ask_done=self.ask_done,
            task=self.task,
            legend="" if assignment.passage else assignment.legend,
            features=assignment.features,
            strength=self.strength,
        )
        instructions.save(assignment.folder)
        return Human(self, assignment)


class Human(StoredLabeler):
    """The people who label for one seed."""

    def __init__(self, people: People, assignment: Assignment) -> None:
        path = None if people.store is None else Path(people.store)
        super().__init__(assignment, shows=True, path=path)
        self._server = _serve(people, assignment.folder, self.store.path) if people.page else None

    def close(self) -> None:
        """Stop the page's server, because the run has ended. The server goes on if training was killed."""
        super().close()
        if self._server is not None:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(STOP_SECONDS)


def _serve(people: People, folder: Path, store: Path) -> "subprocess.Popen | None":
    """Start the page's server and print its address; return None if a server for this store is running."""
    try:
        from rl_rewards.labelers.page.server import only_server
    except ImportError as error:
        raise ConfigError(
            "labeler=human needs starlette and uvicorn, which are not installed; run pip install 'rl_rewards[label]', "
            "or choose labeler=human_terminal."
        ) from error
    try:
        with only_server(store):
            pass
    except ConfigError:
        print("The labelling page is already running, at the address that it printed when it started.", flush=True)
        return None
    command = [sys.executable, "-m", "rl_rewards.label", str(folder), "--port", str(people.port)]
    if store != folder / STORE_NAME:
        command += ["--store", str(store)]
    server = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout is not None
    print(server.stdout.readline(), end="", flush=True)  # here, because the run's live view would erase it later
    return server
