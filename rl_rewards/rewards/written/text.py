"""Written rewards as text: lines ``NAME = EXPRESSION``, whose sum is the reward, or one expression alone.

    # Near the middle, without haste.
    near = -norm(next_obs)
    calm = -0.1 * norm(action)

An expression may go on in the next lines. Lines that begin with # are comments.
"""

import re
from pathlib import Path

from rl_rewards.core.checks import require
from rl_rewards.core.files import read_text

ONLY = "expression"
"""The name of the term of a reward that is one expression."""
MOST_TERMS = 32
LONGEST_TEXT = 40_000
"""The most characters of a file."""
NAME = re.compile(r"[A-Za-z]\w{0,39}", re.ASCII)
_BEGINS = re.compile(rf"\s*({NAME.pattern})\s*=(?!=)", re.ASCII)


def terms_of(text: str, where: str) -> dict[str, str]:
    """Return the expression of each term in ``text``; none is parsed yet.

    Raises:
        ConfigError: if it is empty or too long, or two terms have one name; the message begins with ``where``.
    """
    require(len(text) <= LONGEST_TEXT, f"{where} has {len(text):,} characters; at most {LONGEST_TEXT:,} are read.")
    found: dict[str, str] = {}
    name = ONLY
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        begins = _BEGINS.match(line)
        if begins:
            name = begins[1]
            require(name not in found, f"{where} has two terms named {name}; give each a name of its own.")
            require(ONLY not in found or name == ONLY, f"{where}: its first lines have no name; begin with {name} = "
                    "or another name.")  # fmt: skip
            line = line[begins.end() :]
        found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    require(bool(found), f"{where} is empty; write an expression such as -norm(next_obs).")
    return found


def text_of(terms: dict[str, str]) -> str:
    """Return the text that :func:`terms_of` reads as ``terms``."""
    return "".join(f"{name} = {expression}\n" for name, expression in terms.items())


def read_terms(path: str) -> dict[str, str]:
    """Return the terms in a file.

    Raises:
        ConfigError: if it cannot be read, or as :func:`terms_of`.
    """
    require(Path(path).is_file(), f"reward.file={path} does not exist; name a file of expressions.")
    require(Path(path).stat().st_size <= 4 * LONGEST_TEXT, f"reward.file={path} is too long for a file of expressions.")
    return terms_of(read_text(Path(path)), f"reward.file={path}")
