"""Formatting of numbers for people. Pure Python."""


def digits(value: float | None) -> str:
    """Return a number with three significant digits, and commas in thousands; ``n/a`` for None."""
    if value is None:
        return "n/a"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    return f"{value:#.3g}".rstrip(".") if abs(value) >= 0.001 else f"{value:.1e}"


def short_count(count: int) -> str:
    """Return a large count in few characters: 3.1M, 820k, 9,600."""
    if count >= 999_500:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1e3:.0f}k" if count >= 10_000 else f"{count:,}"
