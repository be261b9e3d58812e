"""Entry point that shows a trained policy: ``python -m rl_rewards.play RUN_DIR`` plays episodes and prints outcomes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rl_rewards.command_line.exits import guarded
from rl_rewards.core.errors import CannotDraw, ConfigError

if TYPE_CHECKING:
    from rl_rewards.loop.playing import Played, PlayedEpisode


def main(arguments: list[str] | None = None) -> None:
    """Play episodes, print a line for each, and write a video if one is asked for."""
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
    parser.add_argument("--video", type=Path, metavar="FILE.mp4", help="write the episodes to a video")
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
    from rl_rewards.loop.playing import play
    from rl_rewards.loop.saved_state import saved_state
    from rl_rewards.loop.trust import trusted_packages

    named = saved_state(chosen.run)
    run = chosen.run if chosen.at is None else f"{named.run_dir}@{chosen.at}"
    if chosen.at is not None and Path(chosen.run) != named.run_dir and saved_state(run) != named:
        raise ConfigError(f"{chosen.run} and --at {chosen.at} name two different policies; leave one of them out.")
    played = play(
        run, chosen.episodes, not chosen.deterministic, chosen.seed, chosen.env_seed, trusted_packages(chosen.trust)
    )
    for number, one in enumerate(played.episodes, 1):
        print(f"Episode {number}: {_in_words(one)}")
        if one.text is not None:
            print(f"  prompt    {one.text[0]}\n  response  {one.text[1]}")
    for number, game in enumerate(played.games, 1):
        print(f"Game {number}: {game.words}.")
    print(_summary(played))
    if played.unpaid is not None:
        print(f"The learned return is not known: {played.unpaid}")
    if chosen.video is not None:
        _film(played, chosen.video)


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


def _film(played: "Played", path: Path) -> None:
    from rl_rewards.reporting.video import Shown, write_scenes

    shown = [Shown(one.scenes, _outcome(one)) for one in played.episodes if one.scenes is not None]
    shown += [Shown(game.scenes, game.words, game.players) for game in played.games if game.scenes is not None]
    if not shown:
        raise ConfigError(f"{played.spec.name} records no scenes, so that there is nothing to draw; leave out --video.")
    try:
        write_scenes(path, shown, played.env.draw, played.spec.step_seconds)
    except CannotDraw as error:
        raise ConfigError(f"No video: {str(error).removesuffix('.')}.") from error
    except OSError as error:
        raise ConfigError(f"--video {path} cannot be written: {error.strerror or error}.") from error
    print(path)


if __name__ == "__main__":
    main()
