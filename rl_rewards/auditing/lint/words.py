"""A lint in lines for the console."""

from rl_rewards.auditing.lint.whole import Lint


def in_words(found: Lint) -> list[str]:
    """Return what was found in lines of text: the warnings first."""
    count = len(found.warnings)
    head = f"{count} warning{'s' * (count != 1)}" if count else "No warning"
    lines = [f"{found.title}: {head}" if found.title else head]
    lines += [f"  Warning ({one.check}): {one.message}" for one in found.warnings]
    lines += [f"  Note: {one}" for one in found.notes]
    lines.append(
        f"  Seen: {found.steps:,} steps of {len(found.policies)} simple policies. Standard deviation of each term:"
    )
    lines += [f"    {name:<20} {value:.4g}" for name, value in found.deviations.items()]
    return lines
