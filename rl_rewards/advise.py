"""Entry point that helps to choose a reward: ``python -m rl_rewards.advise`` asks the lecture's five questions."""

import argparse
import sys
from collections.abc import Sequence

from rl_rewards.command_line.advice import METHODS, QUESTIONS, in_a_table, in_words
from rl_rewards.command_line.exits import REFUSED

INTERRUPTED = 130
NONE_FITS = "None of the five questions fits. All methods are (--method NAME says more):"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the advice that flags, or answers in a terminal, lead to; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.advise",
        description="Choose a reward: five questions lead to the command to type, what people have to give, the "
        "failure to watch for, and the study that measured it. A flag answers its question with yes.",
        epilog="Example: python -m rl_rewards.advise --photograph",
    )
    group = parser.add_mutually_exclusive_group()
    for name, question in QUESTIONS.items():
        group.add_argument(f"--{name}", action="store_true", help=question.asks)
    group.add_argument("--method", choices=tuple(METHODS), metavar="NAME", help=f"one of {', '.join(METHODS)}")
    group.add_argument("--list", action="store_true", help="all methods, and what people give for each")
    chosen = parser.parse_args(arguments)
    yes = next((question.methods for name, question in QUESTIONS.items() if getattr(chosen, name)), ())
    if chosen.list:
        print(in_a_table())
        return 0
    try:
        methods = (chosen.method,) if chosen.method else yes or _asked()
    except (KeyboardInterrupt, EOFError):
        print()
        return INTERRUPTED
    if methods is None:
        flags = ", ".join(f"--{name}" for name in QUESTIONS)
        print(f"Error: there is no terminal to ask in; give one of {flags}, --method NAME or --list.", file=sys.stderr)
        return REFUSED
    print("\n\n".join(map(in_words, methods)) if methods else f"{NONE_FITS}\n{in_a_table()}")
    return 0


def _asked() -> tuple[str, ...] | None:
    """Ask in the terminal; return the methods of the first yes, and none after five times no.

    Without a terminal, return None.
    """
    if not sys.stdin.isatty():
        return None
    for question in QUESTIONS.values():
        while (answer := input(f"{question.asks} 1 yes, 2 no: ").strip().lower()) not in ("1", "2", "yes", "no"):
            print(f"{question.means} Yes leads to {' or '.join(METHODS[name].name for name in question.methods)}.")
        if answer in ("1", "yes"):
            print()
            return question.methods
    return ()


if __name__ == "__main__":
    sys.exit(main())
