"""A language model that writes rewards, asked through the same endpoint, journal and limits as a judge."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, TrainingFailed
from rl_rewards.core.types import EnvSpec
from rl_rewards.labelers.judge.asker import Asker, CapReached, JudgeFailed, PromptRefused
from rl_rewards.labelers.judge.journal import Journal
from rl_rewards.labelers.judge.parse import CUT, Reply
from rl_rewards.labelers.judge.prompts import Messages
from rl_rewards.labelers.judge.settings import JudgeSettings
from rl_rewards.reward_search.prompts import WITHHELD, mend_question
from rl_rewards.rewards.written.text import terms_of
from rl_rewards.rewards.written.written import WrittenTerms

REPLIES = "replies.sqlite"
"""The file in a search's folder with every request and reply."""
FENCE = "```"


@dataclass(frozen=True)
class Candidate:
    """A reward that the model wrote."""

    reply: str  # the last one, as it came
    text: str | None  # lines NAME = EXPRESSION; None if no reply was a valid reward
    error: str | None  # why the last reply is not valid


class Writer:
    """Asks the model for rewards of environments of ``spec``; replies that are known are not asked for again.

    Raises:
        ConfigError: when the key or a package is missing, or the file of replies cannot be read.
    """

    def __init__(self, settings: JudgeSettings, spec: EnvSpec, folder: Path) -> None:
        self._settings, self._spec = settings, spec
        self._journal = Journal(folder / REPLIES, 0)
        connection = replace(settings.connection(), logprobs=False)
        self._asker = Asker(connection, settings.limits(), self._journal, threading.Event())

    def write(self, question: Messages, sample: int) -> Candidate:
        """Return the candidate with the number ``sample``; an invalid one is mended once, with the reason told.

        Raises:
            TrainingFailed: when the model cannot be reached, or a limit is reached.
        """
        reply = self._reply(question, sample)
        found = read_candidate(reply, self._spec)
        if found.error is None:
            return found
        return read_candidate(self._reply(mend_question(question, reply.spoken, found.error), sample), self._spec)

    def close(self) -> None:
        self._asker.close()
        self._journal.close()

    def _reply(self, messages: Messages, sample: int) -> Reply:
        try:
            return self._asker.reply(messages, sample)
        except PromptRefused as refused:
            return Reply(text="", tokens=None, likely=[], finish=str(refused))
        except (JudgeFailed, CapReached) as error:
            raise TrainingFailed(
                f"The model {self._settings.model} at {self._settings.base_url} {_told(error)}; every reply so far is "
                "kept, and the same command goes on."
            ) from error


def _told(error: JudgeFailed | CapReached) -> str:
    return f"is not asked any more: {error} is reached" if isinstance(error, CapReached) else str(error)


def read_candidate(reply: Reply, spec: EnvSpec) -> Candidate:
    """Return the reward in ``reply``: in its last code block or, without one, the whole text."""
    said = reply.spoken
    try:
        require(reply.finish not in CUT, "the reply was cut off at its token limit; write less.")
        terms = terms_of(_block(said), "the reply")
        written = WrittenTerms(terms, spec, "the reply")
        read = sorted({one.reads for one in written.features})
        seen = [key for key in WITHHELD if f"info.{key}" in read]
        require(not seen, f"info.{''.join(seen[:1])} is the task's own measure or a picture of it; do without it.")
        require(bool(read), "it is the same number at every step; read an observation or an action.")
    except ConfigError as error:
        return Candidate(said, None, str(error))
    return Candidate(said, written.text, None)


def _block(text: str) -> str:
    """Return the last code block of ``text`` without its language's name; without one, the text."""
    parts = text.split(FENCE)
    if len(parts) == 1:
        return text
    block = parts[-2] if len(parts) % 2 else parts[-1]  # the last fence may be missing
    first, newline, rest = block.partition("\n")
    return rest if newline and "=" not in first else block
