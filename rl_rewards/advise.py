"""Entry point that helps to choose a reward: ``python -m rl_rewards.advise`` asks the lecture's five questions."""

import argparse
import sys

from rl_rewards.command_line.advice import ADVICE, QUESTIONS, in_words
from rl_rewards.command_line.exits import guarded
from rl_rewards.core.errors import ConfigError


def main(arguments: list[str] | None = None) -> None:
    """Print the advice that flags, or answers in a terminal, lead to."""
    parser = argparse.ArgumentParser(prog="python -m rl_rewards.advise", description="Choose a reward source.")
    group = parser.add_mutually_exclusive_group()
    for name, (question, _) in QUESTIONS.items():
        group.add_argument(f"--{name}", action="store_true", help=f"yes to: {question}")
    group.add_argument("--method", choices=tuple(ADVICE), help="the advice for one method")
    chosen = parser.parse_args(arguments)
    with guarded():
        yes = next((leaf for name, (_, leaf) in QUESTIONS.items() if getattr(chosen, name)), None)
        print(in_words(chosen.method or yes or _asked()))


def _asked() -> str:
    flags = ", ".join(f"--{name}" for name in QUESTIONS)
    if not sys.stdin.isatty():
        raise ConfigError(f"there is no terminal to ask in; give one of {flags}, or --method NAME.")
    for question, leaf in QUESTIONS.values():
        while (answer := input(f"{question}  1 yes  2 no: ").strip()) not in ("1", "2"):
            print("Type 1 or 2." if answer else f"Yes leads to {ADVICE[leaf].method}; no leads to the next question.")
        if answer == "1":
            return leaf
    raise ConfigError("none of the lecture's five answers fits; see --method for all methods.")


if __name__ == "__main__":
    main()
