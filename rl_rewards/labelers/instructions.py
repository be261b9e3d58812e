"""The instructions on the labelling page. A run writes them to its folder, for a page that is started without it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rl_rewards.core.checks import check_fields, require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import write_whole
from rl_rewards.labelers.records import DONE

FILE = "labelling.json"
"""The file's name in a run folder."""
ASK = "Which of the two is better?"
"""The default question about two clips."""


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """The words that people see before their first question and above every question."""

    ask: str = ASK  # the question about two clips
    ask_done: str = DONE  # the question about one picture, with the answers yes and no
    task: str = ""  # what the policy is to do; empty: the question alone says it
    legend: str = ""  # what the pictures show; empty: nothing is explained
    features: tuple[str, ...] = ()  # which a description may name
    strength: bool = False  # people also say how much better a clip is

    def __post_init__(self) -> None:
        check_fields(self, "labeler")

    def as_text(self) -> str:
        """Return them as JSON, which :func:`instructions_from` reads."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def save(self, folder: Path) -> None:
        write_whole(folder / FILE, self.as_text())


def instructions_in(folder: Path) -> Instructions:
    """Return the instructions of the run in ``folder``, or the defaults if it wrote none.

    Raises:
        ConfigError: when the file holds anything else.
    """
    try:
        return instructions_from((folder / FILE).read_text(encoding="utf-8"), str(folder / FILE))
    except FileNotFoundError:
        return Instructions()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{folder / FILE} does not hold a run's instructions: {error}") from error


def instructions_from(text: str, where: str) -> Instructions:
    """Return the instructions that :meth:`Instructions.as_text` wrote.

    Args:
        where: the place of the text, for the message.

    Raises:
        ConfigError: when the text is anything else.
    """
    try:
        found = json.loads(text)
        require(isinstance(found, dict), "it is not a JSON object.")
        return Instructions(**found | {"features": tuple(found.get("features", ()))})
    except (ValueError, TypeError, RecursionError, ConfigError) as error:
        raise ConfigError(f"{where} does not hold a run's instructions: {error}") from error
