"""Numbers as a reader wants them, wherever a person reads them. Pure Python."""


def digits(value: float | None) -> str:
    """A number with three significant digits, and thousands with commas; ``n/a`` where there is none."""
    if value is None:
        return "n/a"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    return f"{value:#.3g}".rstrip(".") if abs(value) >= 0.001 else f"{value:.1e}"


def short_count(count: int) -> str:
    """A large count in few characters: 3.1M, 820k, 9,600."""
    if count >= 999_500:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1e3:.0f}k" if count >= 10_000 else f"{count:,}"
