"""The questions to a judge: a task, a constitution, and one or two clips or responses, as chat messages.

Clips are told in words or shown as PNG pictures; responses are texts, below the prompt that they respond to. The caller
decides which one is called A, and asks in both orders.
"""

from collections.abc import Sequence
from typing import Any

from rl_rewards.core.checks import require

Description = dict[str, str]
"""A description of a clip: {"words": text}, or {"png": a sheet of frames, base64}; of a response: {"prompt": text,
"words": text}."""
Messages = list[dict[str, Any]]

LETTERS = ("A", "B")
DIGITS = tuple("0123456789")
"""The ratings. Each is a single token for every tokenizer, so that one token has the judge's whole distribution."""
YES_NO = ("yes", "no")
TRUE_FALSE = ("true", "false")
WORDS = (YES_NO, TRUE_FALSE)
"""Options that are words. Upper and lower case are one answer, and any longer reply is none."""

_SHEET = "Pictures show frames of the clip, in reading order: left to right, then the next row."
_STATE = "The picture shows the state."


def constitution(task: str, principles: Sequence[str], texts: bool = False) -> str:
    """Return the system message of every question: the task and the principles.

    Args:
        texts: True if the agent is an assistant that writes responses to prompts.
    """
    clips = "You judge how well an agent does its task, from what happens in short clips."
    lines = ["You judge how well an assistant responds to prompts." if texts else clips, f"The task: {task}"]
    if principles:
        lines += ["Judge by these principles:", *(f"{i}. {text}" for i, text in enumerate(principles, 1))]
    return "\n".join(lines)


def compare(law: str, a: Description, b: Description) -> Messages:
    """Return the question which of two clips or responses is better, with the options ``LETTERS``."""
    answer = "Answer with one letter, A or B, and nothing else."
    if "prompt" in a:
        return _messages(
            law, [*_prompted("Response A:", a, b), ("Response B:", b)], f"Which response is better? {answer}"
        )
    ask = f"In which clip does the agent do its task better? {answer}"
    return _messages(law, [("Clip A:", a), ("Clip B:", b)], ask)


def rate(law: str, clip: Description) -> Messages:
    """Return the question how good one clip or response is, with the options ``DIGITS``."""
    scale = "from 0 (not at all) to 9 (as well as can be)? Answer with one digit, 0 to 9, and nothing else."
    if "prompt" in clip:
        ask = f"How well does the assistant respond to the prompt, {scale}"
        return _messages(law, _prompted("Response:", clip), ask)
    return _messages(law, [("Clip:", clip)], f"How well does the agent do its task in this clip, {scale}")


def done(law: str, state: Description) -> Messages:
    """Return the question whether the task is done in the one state shown, with the options ``YES_NO``."""
    ask = (
        "Is the task done in this state, as it is now? Getting closer to it is not enough. Answer with one word, yes "
        "or no, and nothing else."
    )
    return _messages(law, [("State:", state)], ask, _STATE)


def finished(law: str, clip: Description) -> Messages:
    """Return the statement that the task is done when a clip ends, with the options ``TRUE_FALSE``.

    The probability of "true" tells how far the agent has come (TOPReward, arXiv:2602.19313).
    """
    ask = (
        "Statement: when this clip ends, the task is done. Is the statement true? Answer with one word, true or false, "
        "and nothing else."
    )
    return _messages(law, [("Clip:", clip)], ask)


def again(messages: Messages, reply: str, options: Sequence[str]) -> Messages:
    """Return the question again, with a reminder of the options, after an unreadable ``reply``.

    After an empty reply the reminder is added to the question itself, because endpoints refuse an empty turn.
    """
    reminder = f"That is no answer. Answer with one of {', '.join(options)}, and nothing else."
    if reply.strip():
        return [*messages, {"role": "assistant", "content": reply}, {"role": "user", "content": reminder}]
    reminder = f"Answer with one of {', '.join(options)}, and nothing else. Do not leave the answer empty."
    *before, last = messages
    asked = last["content"]
    longer = f"{asked}\n\n{reminder}" if isinstance(asked, str) else [*asked, {"type": "text", "text": reminder}]
    return [*before, {**last, "content": longer}]


def _prompted(name: str, response: Description, other: Description | None = None) -> list[tuple[str, Description]]:
    """Return a prompt and a named response to it.

    Raises:
        ConfigError: if the ``other`` response is to another prompt.
    """
    require(
        other is None or other["prompt"] == response["prompt"],
        f"A pair has responses to two prompts, '{response['prompt']}' and '{(other or response)['prompt']}', and a "
        "judge cannot compare them; choose labeler.mode=pointwise, which rates each response alone.",
    )
    return [("Prompt:", {"words": response["prompt"]}), (name, response)]


def _messages(law: str, clips: Sequence[tuple[str, Description]], ask: str, shown: str = _SHEET) -> Messages:
    user: str | list[dict[str, Any]]
    if all("words" in told for _, told in clips):  # plain text, because not every chat template accepts a list of parts
        user = "\n\n".join([*(f"{name}\n{told['words']}" for name, told in clips), ask])
    else:
        user = [{"type": "text", "text": shown}]
        for name, told in clips:
            url = f"data:image/png;base64,{told['png']}"
            user += [{"type": "text", "text": name}, {"type": "image_url", "image_url": {"url": url}}]
        user.append({"type": "text", "text": ask})
    return [{"role": "system", "content": law}, {"role": "user", "content": user}]
