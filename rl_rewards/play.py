"""Entry point that shows a trained policy: ``python -m rl_rewards.play RUN_DIR`` plays episodes and prints outcomes."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.errors import CannotDraw, ConfigError

if TYPE_CHECKING:
    from rl_rewards.loop.playing import Played, PlayedEpisode


def main(arguments: list[str] | None = None) -> None:
    """Play episodes, print a line for each, and show them in a window or write a video if that is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m rl_rewards.play",
        description="Play episodes with the policy of a run, in the environment of its evaluations. Nothing in the "
        "run's folder changes.",
        epilog="Example: python -m rl_rewards.play RUN_DIR --at best --video episodes.mp4",
    )
    parser.add_argument("run", metavar="RUN_DIR", help="a run, finished or not, with a checkpoint")
    parser.add_argument(
        "--at",
        metavar="best|last|ROUND",
        help="the best policy, the newest (default), or that after so many rounds, if its checkpoint is kept",
    )
    parser.add_argument("--episodes", type=int, default=5, metavar="N", help="how many; default: 5")
    parser.add_argument("--deterministic", action="store_true", help="take the policy's mode instead of sampling")
    parser.add_argument("--video", type=Path, metavar="FILE.mp4", help="write them to a video")
    parser.add_argument("--window", action="store_true", help="show them in a window; space pauses, q closes it")
    parser.add_argument("--seed", type=int, metavar="N", help="the seed, if the run trained several in one program")
    parser.add_argument("--env-seed", type=int, default=0, metavar="N", help="of where episodes begin; default: 0")
    parser.add_argument("--trust", action="append", default=[], metavar="PACKAGE", help="a package of your own classes")
    chosen = parser.parse_args(arguments)
    with guarded():
        _run(chosen)


def _run(chosen: argparse.Namespace) -> None:
    if chosen.video is not None and chosen.video.suffix != ".mp4":
        raise ConfigError(f"--video {chosen.video} must end in .mp4.")
    if chosen.at is not None and chosen.at not in ("best", "last") and not chosen.at.isdecimal():
        raise ConfigError(f"--at {chosen.at} must be best, last or a number of rounds.")
    if chosen.window:
        from rl_rewards.reporting.window import check_window

        check_window()
    from rl_rewards.loop.playing import play
    from rl_rewards.loop.saved_state import saved_state
    from rl_rewards.loop.trust import trusted_packages

    named = saved_state(chosen.run)
    run = chosen.run if chosen.at is None else f"{named.run_dir}@{chosen.at}"
    if chosen.at is not None and Path(chosen.run) != named.run_dir and saved_state(run) != named:
        raise ConfigError(f"{chosen.run} and --at {chosen.at} name two different policies; leave one of them out.")
    pictures = chosen.window or chosen.video is not None
    trusted = trusted_packages(chosen.trust)
    played = play(run, chosen.episodes, not chosen.deterministic, chosen.seed, chosen.env_seed, trusted, pictures)
    for number, one in enumerate(played.episodes, 1):
        print(f"Episode {number}: {_in_words(one)}")
        if one.text is not None:
            print(f"  prompt    {one.text[0]}\n  response  {one.text[1]}")
    for number, game in enumerate(played.games, 1):
        print(f"Game {number}: {game.words}.")
    print(_summary(played))
    if played.unpaid is not None:
        print(f"The learned return is not known: {played.unpaid}")
    if pictures:
        _show(played, chosen.video, chosen.window)


def _in_words(one: "PlayedEpisode") -> str:
    steps = f"{one.steps} step{'s' * (one.steps != 1)}"
    return ", ".join(filter(None, [steps, _outcome(one)]))


def _outcome(one: "PlayedEpisode") -> str:
    words = [
        f"{name} return {value:.3f}"
        for name, value in (("true", one.true_return), ("learned", one.learned_return))
        if value is not None
    ]
    if one.success is not None:
        words.append("success" if one.success else "no success")
    return ", ".join(words)


def _summary(played: "Played") -> str:
    """Return the means of all episodes."""
    episodes, words = played.episodes, []
    for name in ("true_return", "learned_return"):
        values = [value for one in episodes if (value := getattr(one, name)) is not None]
        if values:
            words.append(f"{name.replace('_', ' ')} {sum(values) / len(values):.3f}")
    if episodes[0].success is not None:
        words.append(f"success in {sum(bool(one.success) for one in episodes)} of {len(episodes)}")
    return f"Mean of {len(episodes)} on {played.spec.name}: {', '.join(words) or 'no outcome is known here'}."


def _show(played: "Played", video: Path | None, window: bool) -> None:
    """Write the episodes and games to a video, and show them in a window, as far as asked for."""
    from rl_rewards.reporting.video import ShownEpisode, ShownGame, shown_frames, write_frames
    from rl_rewards.reporting.window import show

    seen = [one for one in played.episodes if one.scenes is not None]
    episodes = [ShownEpisode(one.scenes, one.rewards, one.successes) for one in seen]
    games = [ShownGame(game.scenes, game.players, game.words) for game in played.games if game.scenes is not None]
    shown, frames_per_second = shown_frames(episodes, games, played.spec.step_seconds)
    try:
        if video is not None:
            with _naming(video):
                write_frames(video, shown, played.env.draw, frames_per_second)
            print(video)
        if window:
            show(shown, played.env.draw, frames_per_second, f"{played.spec.name} (space pauses, q closes)")
    except CannotDraw as error:
        raise ConfigError(f"Nothing is shown: {str(error).removesuffix('.')}.") from error


@contextmanager
def _naming(video: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"--video {video} cannot be written: {error.strerror or error}.") from error


if __name__ == "__main__":
    main()
