"""Rows of a file of JSON lines with prompts and responses, in the plain and the conversational layout of trl."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

Message = dict[str, str]
"""One message of a conversation: ``role`` and ``content``."""
Content = str | tuple[tuple[str, str], ...]
"""A text, or messages as pairs of role and content."""
RESPONSES = ("response", "chosen", "rejected")
SAME = {"completion": "response"}
"""Other names of keys."""


@dataclass(frozen=True)
class Row:
    """One line of a file."""

    where: str  # the file and the line, for messages
    prompt: Content
    responses: dict[str, str]  # by the names of RESPONSES; those that the line has


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file of JSON lines; empty lines are skipped.

    Raises:
        ConfigError: if the file cannot be read, holds no row, or a line is damaged or lacks what a row needs.
    """
    require(path.is_file(), f"env.path={path} is not a file; name a file of JSON lines, each with a prompt.")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"env.path={path} cannot be read as text in UTF-8: {error}.") from error
    rows = [row_of(f"{path}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    require(len(rows) > 0, f"env.path={path} holds no row; write one JSON object with a prompt on each line.")
    return rows


def row_of(where: str, line: str) -> Row:
    """Return the row of one line.

    Raises:
        ConfigError: if it is no JSON object with a prompt, a text is empty or of another type, or ``chosen`` equals
            ``rejected``.
    """
    try:
        raw = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{where} is not valid JSON ({error}); write one object on each line.") from None
    require(isinstance(raw, dict), f"{where} is not a JSON object; write an object with the key prompt.")
    raw = {SAME.get(key, key): value for key, value in raw.items() if value is not None}
    found = {key: _content(f"{where}: {key}", raw[key]) for key in ("prompt", *RESPONSES) if key in raw}
    if "messages" in raw:
        talk = _content(f"{where}: messages", raw["messages"])
        require(
            isinstance(talk, tuple) and len(talk) > 1, f"{where}: messages must be at least a prompt and a response."
        )
        found |= {"prompt": talk[:-1], "response": talk[-1:]}
    if "prompt" not in found:
        found = _with_prompt(where, found)
    found |= _without_prompt(found)
    responses = {key: _response(f"{where}: {key}", found[key]) for key in RESPONSES if key in found}
    differ = "chosen" not in responses or responses["chosen"] != responses.get("rejected")
    require(differ, f"{where}: chosen equals rejected; a comparison needs two different responses.")
    paired = ("chosen" in responses) == ("rejected" in responses)
    require(paired, f"{where} has only one of chosen and rejected; a comparison needs both, else name it response.")
    return Row(where, found["prompt"], responses)


def _content(where: str, value: Any) -> Content:
    if isinstance(value, str):
        require(value.strip() != "", f"{where} is empty; it must be a text.")
        return value
    messages = isinstance(value, list) and all(isinstance(one, dict) for one in value) and len(value) > 0
    require(messages, f"{where} must be a text, or a list of messages with role and content.")
    pairs = tuple((one.get("role"), one.get("content")) for one in value)
    right = all(isinstance(part, str) and part.strip() for pair in pairs for part in pair)
    require(right, f"{where} has a message without a role or with empty content.")
    return pairs


def _with_prompt(where: str, found: dict[str, Content]) -> dict[str, Content]:
    """Return the texts of a row without ``prompt``, whose ``chosen`` and ``rejected`` begin with it."""
    both = [found[key] for key in ("chosen", "rejected") if key in found]
    same = len(both) == 2 and type(both[0]) is type(both[1])
    require(same, f"{where} has no prompt; add the key prompt.")
    differ = (i for i, (one, other) in enumerate(zip(*both, strict=False)) if one != other)
    common = next(differ, min(map(len, both)))
    if isinstance(both[0], str):
        common = both[0][:common].rfind(" ") + 1  # whole words
        prompt: Content = both[0][:common].rstrip(" ")
        cut = len(prompt)
    else:
        common = cut = min(common, *(len(one) - 1 for one in both))
        prompt = both[0][:common]
    require(len(prompt) > 0, f"{where} has no prompt, and chosen and rejected do not begin alike; add the key prompt.")
    return found | {"prompt": prompt, "chosen": both[0][cut:], "rejected": both[1][cut:]}


def _without_prompt(found: dict[str, Content]) -> dict[str, Content]:
    """Return the responses that repeat the prompt as their last message alone, with the prompt as messages."""
    prompt, changed = found["prompt"], {}
    talk = prompt if isinstance(prompt, tuple) else (("user", prompt),)
    for key in RESPONSES:
        content = found.get(key)
        if isinstance(content, tuple) and content[:-1] == talk:
            changed |= {key: content[-1:], "prompt": talk}
    return changed


def _response(where: str, content: Content) -> str:
    """Return the text of a response: as it is, or that of its only message."""
    if isinstance(content, tuple):
        require(len(content) == 1, f"{where} has {len(content)} messages; a response is one message.")
        return content[0][1]
    require(content.strip() != "", f"{where} is empty; it must be a text.")
    return content


def texts_of(rows: list[Row]) -> Iterator[str]:
    """Yield all texts of rows, to learn a tokenizer from."""
    for row in rows:
        yield from [row.prompt] if isinstance(row.prompt, str) else [content for _, content in row.prompt]
        yield from row.responses.values()
