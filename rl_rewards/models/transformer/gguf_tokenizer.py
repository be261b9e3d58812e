"""The tokenizer in a GGUF file's fields: byte-level pairs of GPT-2, as an object of the package tokenizers."""

from pathlib import Path
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.models.transformer.checkpoint import extra
from rl_rewards.models.transformer.gguf_file import field, read_gguf

CONTROL, USER_DEFINED = 3, 4
"""Types of tokens that a text is searched for before it is split into words; the former are not printed."""

SPLITS = {"gpt-2": False, "smollm": True}
"""Supported ways of splitting a text into words, and True if every digit is a word."""


def read_tokenizer(path: Path) -> Any:
    """Return the ``tokenizers.Tokenizer`` of a GGUF file; it adds no tokens at the beginning or the end of a text.

    Raises:
        ConfigError: if the file has no tokenizer or one of another kind, or a package is missing.
    """
    tokenizers, reader = extra("tokenizers", path), read_gguf(path)
    kind, split = (field(reader, f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    require(
        kind == "gpt2" and split in SPLITS,
        f'{path} has a tokenizer of kind "{kind}" with the splits "{split}"; only gpt2 with {" or ".join(SPLITS)} can '
        "be loaded.",
    )
    words, merges = (field(reader, f"tokenizer.ggml.{name}") for name in ("tokens", "merges"))
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({word: i for i, word in enumerate(words)}, pairs))
    steps = tokenizers.pre_tokenizers
    digits = [steps.Digits(individual_digits=True)] if SPLITS[split] else []
    tokenizer.pre_tokenizer = steps.Sequence([*digits, steps.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    added = [
        tokenizers.AddedToken(word, special=kind == CONTROL, normalized=False)
        for word, kind in zip(words, field(reader, "tokenizer.ggml.token_type", [1] * len(words)), strict=True)
        if kind in (CONTROL, USER_DEFINED)
    ]
    tokenizer.add_tokens(added)
    return tokenizer
