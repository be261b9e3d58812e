"""Subword tokenizers in the format of the ``tokenizers`` package (extra ``language``): byte-level BPE, or a file."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, one_line
from rl_rewards.core.files import write_whole
from rl_rewards.envs.text.vocabulary import END, PAD, Tokenizer, until_end
from rl_rewards.models.transformer import pretrained
from rl_rewards.models.transformer.gguf_tokenizer import read_tokenizer

BYTES = 256
"""The least tokens of byte-level BPE besides the special ones: every text can be written with them."""


@dataclass(frozen=True, eq=False)
class SubwordTokenizer(Tokenizer):
    """A tokenizer of the ``tokenizers`` package, with the two of its tokens that are pad and end."""

    inner: Any  # a tokenizers.Tokenizer
    pad: int
    end: int

    @property
    def size(self) -> int:
        return self._size

    @cached_property
    def _size(self) -> int:
        """The largest token, plus one; the package's own count has no gaps."""
        return 1 + max(self.inner.get_vocab(with_added_tokens=True).values())

    @property
    def digest(self) -> str:
        return self._digest

    @cached_property
    def _digest(self) -> str:
        tokens = sorted(self.inner.get_vocab(with_added_tokens=True).items())
        return hashlib.sha256(json.dumps([tokens, self.pad, self.end]).encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text. A special token's name in it is text like any other, never that token.

        Raises:
            ConfigError: if the text has something that the tokenizer does not know, and it has no token for that.
        """
        return self._encoded(text, specials=False)

    def encode_template(self, text: str) -> list[int]:
        """Return the tokens of a piece of a chat template, in which the names of special tokens are those tokens."""
        return self._encoded(text, specials=True)

    def _encoded(self, text: str, specials: bool) -> list[int]:
        self.inner.encode_special_tokens = not specials
        try:
            return list(self.inner.encode(text, add_special_tokens=False).ids)
        except Exception as error:  # the library raises plain Exceptions
            shown = text if len(text) <= 60 else f"{text[:60]} ..."
            told = f"The text '{shown}' has something that is not in the vocabulary ({one_line(error)})"
            raise ConfigError(f"{told}; choose another env.tokenizer.") from error

    def decode(self, tokens: Iterable[int]) -> str:
        shown = [token for token in until_end(tokens, self.end) if token != self.pad]
        return self.inner.decode(shown, skip_special_tokens=False)

    def save(self, path: Path) -> None:
        """Write the tokenizer in the package's format (``tokenizer.json``)."""
        write_whole(path, self.inner.to_str(pretty=False))


def load_tokenizer(path: Path, pad: str = PAD, end: str = END) -> SubwordTokenizer:
    """Return the tokenizer of a file in the format of the ``tokenizers`` package, or of a GGUF file.

    Args:
        path: the file, a folder with tokenizer.json, or the name of a packaged model (``pretrained.PACKAGED``).
        pad, end: the names of the two special tokens.

    Raises:
        ConfigError: if the package is not installed, the file cannot be read or has another kind of tokenizer, it lacks
            one of the two tokens, or both are the same.
    """
    library = _library()
    path = pretrained.pretrained_path(path)
    path = path / "tokenizer.json" if path.is_dir() else path
    told = f"env.tokenizer={path} is not a file; name a tokenizer.json or a GGUF file, which a resumed run needs too."
    require(path.is_file(), told)
    require(pad != end, f"env.pad={pad} is also env.end; padding must not be the end of a text, so name another token.")
    try:
        inner = read_tokenizer(path) if path.suffix == ".gguf" else library.Tokenizer.from_file(str(path))
    except ConfigError:
        raise
    except Exception as error:  # the library raises plain Exceptions
        told = f"env.tokenizer={path} is not a tokenizer of the package tokenizers ({one_line(error)})"
        raise ConfigError(f"{told}; name a tokenizer.json.") from error
    numbers = {name: inner.token_to_id(name) for name in (pad, end)}
    missing = [name for name, number in numbers.items() if number is None]
    told = f"env.tokenizer={path} has no token {' and no token '.join(missing)}"
    require(not missing, f"{told}; name its tokens for padding and for the end of a text with env.pad and env.end.")
    inner.no_padding()
    inner.no_truncation()
    return SubwordTokenizer(inner, numbers[pad], numbers[end])


def tokenizer_digest(path: Path, pad: int, end: int) -> str | None:
    """Return the digest of the tokenizer beside pretrained weights, with these special tokens; None if it has none.

    Args:
        path: a GGUF file, or a folder with tokenizer.json.
    """
    try:
        return SubwordTokenizer(pretrained.load_tokenizer(path), pad, end).digest
    except ConfigError:  # there is none, or it is of a kind that cannot be read
        return None


def train_bpe(corpus: Iterable[str], size: int) -> SubwordTokenizer:
    """Return byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909) of at most ``size`` tokens, learned from texts.

    Tokens 0 and 1 are pad and end, and the 256 bytes are tokens, so that every text can be encoded.

    Raises:
        ConfigError: if the package is not installed, or ``size`` has no room for the bytes.
    """
    least = BYTES + 2
    require(size >= least, f"A vocabulary of {size} tokens is too small; bytes and special tokens alone are {least}.")
    library = _library()
    from tokenizers import decoders, models, pre_tokenizers, trainers

    inner = library.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[PAD, END], initial_alphabet=sorted(alphabet), show_progress=False
    )
    inner.train_from_iterator(corpus, trainer)
    return SubwordTokenizer(inner, inner.token_to_id(PAD), inner.token_to_id(END))


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        message = 'Texts in subwords need the package tokenizers; install it with: pip install -e ".[language]".'
        raise ConfigError(message) from error
    return tokenizers
