"""The figure of all seeds of a run over training: a thin line per seed, and their mean with its interval."""

from collections.abc import Sequence

from rl_rewards.core.intervals import METHOD, mean_interval
from rl_rewards.core.seed_rows import Row, values
from rl_rewards.reporting.figures.charts import SHARE, Curve, Origin, Panel, chart, over_steps
from rl_rewards.reporting.figures.drawing import Drawing
from rl_rewards.reporting.figures.true_outcome import demonstrator
from rl_rewards.reporting.metric_names import of_source

TRUE_KEYS = ("eval/success", "eval/true_return")


def is_game(row: Row) -> bool:
    """Return True for the row of an evaluation in which Alice and Bob played."""
    return bool(values(row, "eval/alice_return"))


def seeds_figure(run: Origin, rows: Sequence[Row]) -> Drawing | None:
    """Return the figure of the true outcome and the learned reward over training; None if nothing was evaluated."""
    if not rows:
        return None
    shown = "the players' rewards" if is_game(rows[-1]) else "learned reward"
    true_key = next((key for key in TRUE_KEYS if any(values(row, key) for row in rows)), None)
    title, about = f"{shown} beside the true outcome", f"True outcome and {shown}"
    if true_key is None:
        title = about = shown
    found = [*([] if true_key is None else [(true_key, "true", "True outcome")]), *_beside(rows)]
    if not any(values(row, key) for row in rows for key, *_ in found):
        return None
    panels = [
        Panel(
            key.rpartition("/")[2].removeprefix("game_").replace("_", " "),
            seed_curves(rows, key, colour),
            name,
            colour,
            SHARE if key.endswith(("/success", "/game_reached", "/coverage")) else None,
            levels=demonstrator(rows) if key == "eval/true_return" else (),
        )
        for key, colour, name in found
    ]
    alt = f"{about[0].upper()}{about[1:]} over {run.steps_name}, a thin line per seed and their mean."
    caption = f"Each thin line is a seed, the thick line their mean, and the band its interval ({METHOD})."
    return Drawing(f"{title[0].upper()}{title[1:]}, all seeds", caption, [chart(panels, over_steps(run), alt)])


def _beside(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Return the metrics that are drawn beside the true outcome, with their colours and titles."""
    if is_game(rows[-1]):
        return [
            ("eval/game_reached", "other", "Share of Alice's goals that Bob reaches"),
            ("eval/alice_return", "alice", "Alice's return per game"),
            ("eval/bob_return", "bob", "Bob's return per game"),
        ]
    covered = of_source(rows, "coverage").items()
    unpaid = [("eval/unpaid_return", "other", "Return under the parts with weight 0")]
    return [
        ("eval/learned_reward_final", "learned", "Learned reward of final states"),
        *(unpaid if any(values(row, "eval/unpaid_return") for row in rows) else []),
        *((key, "goals", f"Share of cells visited{f' ({part})' if part else ''}") for part, key in covered),
    ]


def seed_curves(rows: Sequence[Row], key: str, colour: str, label: str = "") -> list[Curve]:
    """Return a thin curve per seed, and a thick one for their mean, in a band of its interval."""
    count = max((len(values(row, key)) for row in rows), default=0)
    complete = [row for row in rows if len(values(row, key)) == count > 0]
    if not complete:
        return []
    steps = [float(row["env_steps"]) for row in complete]
    each = [values(row, key) for row in complete]  # of every evaluation, one value per seed
    if count == 1:
        return [Curve((steps, [one[0] for one in each]), label, colour)]
    middle = [mean_interval(one) for one in each]
    band = [low for _, low, _ in middle], [high for _, _, high in middle]
    thin = [Curve((steps, [one[seed] for one in each]), colour=colour, faint=True) for seed in range(count)]
    return [*thin, Curve((steps, [mean for mean, *_ in middle]), label or "mean of seeds", colour, band=band)]
