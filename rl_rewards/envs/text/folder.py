"""A user's folder of plain text, to pre-train on: its files, or their paragraphs, are cut into windows of tokens."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Int

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError

Cut = Literal["files", "paragraphs"]
"""The texts that end in an end token: whole files, or the paragraphs of a file, between which there are empty lines."""


def read_folder(folder: Path, cut: Cut) -> list[str]:
    """Return the texts of all files .txt in a folder and the folders within it, in the order of their paths.

    Raises:
        ConfigError: if it is no folder, has no such file, one is not in UTF-8, or all are empty.
    """
    require(folder.is_dir(), f"env.corpus={folder} is not a folder; name a folder of .txt files in UTF-8.")
    paths = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    require(len(paths) > 0, f"env.corpus={folder} has no .txt file; put texts in UTF-8 there.")
    texts = [text for path in paths for text in _pieces(_read(path), cut)]
    require(len(texts) > 0, f"The {len(paths)} .txt files of env.corpus={folder} hold no text; all of them are empty.")
    return texts


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"{path} is not text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise ConfigError(f"{told}; convert the file, for example with iconv, or take it out of env.corpus.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def _pieces(text: str, cut: Cut) -> list[str]:
    pieces = [text.strip("\n")] if cut == "files" else re.split(r"\n[^\S\n]*\n", text)
    return [piece.strip("\n") for piece in pieces if piece.strip()]


def windows(texts: Iterable[Sequence[int]], length: int, end: int, pad: int) -> Int[np.ndarray, "n L"]:
    """Return the windows of ``length`` tokens that texts are cut into: no token is lost, and none comes twice.

    The last window of a text has the end token behind its last word, and then pads.
    """
    found = []
    for tokens in texts:
        whole = np.array([*tokens, end], np.int32)
        padded = np.full(-(-len(whole) // length) * length, pad, np.int32)
        padded[: len(whole)] = whole
        found.append(padded.reshape(-1, length))
    return np.concatenate(found)
