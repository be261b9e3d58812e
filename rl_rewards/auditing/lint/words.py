"""A lint in lines for the console."""

from collections.abc import Sequence

from rl_rewards.auditing.lint.whole import Lint


def in_words(found: Sequence[Lint]) -> list[str]:
    """Return lines of text about each reward, the warnings first."""
    lines = []
    for number, one in enumerate(found, 1):
        count = len(one.warnings)
        head = f"{count} warning{'s' * (count != 1)}" if count else "no warning"
        lines.append(f"Reward {number}: {head}" if len(found) > 1 else head.capitalize())
        lines += [f"  Warning ({each.check}): {each.message}" for each in one.warnings]
        lines += [f"  Note: {each}" for each in one.notes]
        lines.append(f"  {one.steps:,} steps of {len(one.policies)} policies. Standard deviation of each term:")
        lines += [f"    {name:<20} {value:.4g}" for name, value in one.deviations.items()]
    return lines
