"""People who judge clips in a browser while the policy learns.

The page runs in a separate process, so that it survives when training is killed. Every answer is in the label store,
whichever process dies.
"""

import contextlib
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import read_text, write_whole
from rl_rewards.core.requirements import Requirements
from rl_rewards.labelers.base import Assignment, Labeling
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.records import DONE
from rl_rewards.labelers.remote import RemoteStore, check_address, find_token, is_address
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.labelers.stored import WHAT_PEOPLE_SEE, StoredLabeler

STOP_SECONDS = 5.0
NAME_FILE = "label_run"
"""The file in a run folder that holds the run's name in a store behind a server."""


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
    token_file: str | None = None

    def __post_init__(self) -> None:
        check_fields(self, "labeler")
        if self.remote:
            check_address(self.store or "")
        require(
            self.remote or self.token_file is None,
            "labeler.token_file is for a label store behind a server; set labeler.store=http://HOST:PORT, too.",
        )
        require(0 <= self.port < 65_536, f"labeler.port={self.port} must be a port up to 65535, or 0 for any free one.")

    @property
    def remote(self) -> bool:
        """True if the label store is behind a server, which also serves the page."""
        return self.store is not None and is_address(self.store)

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
        return Human(self, assignment, instructions)


class Human(StoredLabeler):
    """The people who label for one seed."""

    def __init__(self, people: People, assignment: Assignment, instructions: Instructions) -> None:
        self._server = None
        if people.store is None:
            path = assignment.folder / STORE_NAME
            super().__init__(assignment, shows=True)
        else:
            path = Path(people.store)
            shared = RemoteStore(people.store, find_token(people.token_file)) if people.remote else LabelStore(path)
            run = _name_everywhere(assignment.folder) if people.remote else _name(assignment.folder)
            shared.describe(run, instructions)
            super().__init__(assignment, shows=True, store=shared, run=run)
        if people.remote:
            print(f"The questions go to the label store at {people.store}, whose page shows them.", flush=True)
        elif people.page:
            self._server = _serve(people, assignment.folder, path)

    def close(self) -> None:
        """Stop the page's server, because the run has ended. The server goes on if training was killed."""
        super().close()
        if self._server is not None:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(STOP_SECONDS)


def _name(folder: Path) -> str:
    """Return the name of the run in ``folder`` in a store that runs on this machine share."""
    return "/".join(folder.resolve().parts[-3:])


def _name_everywhere(folder: Path) -> str:
    """Return the name of a run in a store that several machines share, where paths can be the same.

    Its file stays in the folder, so that a run that is continued or moved keeps its name.
    """
    path = folder / NAME_FILE
    if not path.exists():
        write_whole(path, f"{_name(folder)} {secrets.token_hex(4)}\n")
    return read_text(path).strip()


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
