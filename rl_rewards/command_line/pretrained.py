"""Takes the sizes of a language model from the pretrained weights that a run begins with (``pretrain=FILE``).

They are written into the run's configuration, so that a resumed run has them without the file. So has a later run that
begins with this one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rl_rewards.command_line.compile_cache import prepare_jax
from rl_rewards.core.checks import require
from rl_rewards.loop.run_folder import CONFIG, read_config
from rl_rewards.loop.saved_state import saved_state

MODELS = ("algorithm.model", "reward.reward_model.model")
"""The models that a run has for texts; that of the reward only if it begins with the policy."""


def take_sizes(cfg: DictConfig, overrides: Sequence[str], run_dir: Path) -> None:
    """Set the sizes of the models of ``cfg`` to those of the pretrained weights that it begins with, if it does.

    Args:
        overrides: of the command line; they must not name a size, because the weights decide it.
        run_dir: the folder of the run, for messages.

    Raises:
        ConfigError: when the file is missing, cannot be read or has another architecture, or an override names a size.
    """
    run = OmegaConf.select(cfg, "pretrain.run")
    if run is None:
        return
    prepare_jax()  # before the next import, which imports JAX
    from rl_rewards.models.transformer.model import TransformerModel
    from rl_rewards.models.transformer.pretrained import is_pretrained

    from_file, named = is_pretrained(run), {override.partition("=")[0].lstrip("+"): override for override in overrides}
    sizes = _sizes_of_file(run, run_dir) if from_file else _sizes_of_run(run)
    begins = OmegaConf.select(cfg, "reward.reward_model.begins_with") == "policy"
    for place in MODELS if begins else MODELS[:1]:
        model = OmegaConf.select(cfg, place)
        if model is None or model.get("_target_") != f"{TransformerModel.__module__}.{TransformerModel.__qualname__}":
            continue
        for name, value in sizes.items():
            key = f"{place}.{name}"
            told = f"{named.get(key)} has no effect: pretrain={run} decides {key}; leave it out."
            require(key not in named or not from_file, told)
            if key not in named:
                OmegaConf.update(cfg, key, value)


def _sizes_of_file(run: str, run_dir: Path) -> dict[str, Any]:
    from rl_rewards.models.transformer.pretrained import pretrained_path, pretrained_sizes

    started = (run_dir / CONFIG).is_file()
    told = f"; the run in {run_dir} does not need it, continue it with resume={run_dir}." if started else "."
    require(pretrained_path(run).exists(), f"pretrain={run} does not exist{told}")
    return pretrained_sizes(run)


def _sizes_of_run(run: str) -> dict[str, Any]:
    """Return the sizes of a run's model if it began with a file; empty for other runs."""
    from rl_rewards.models.transformer.pretrained import SIZES

    folder = saved_state(run).run_dir
    if not (folder / CONFIG).is_file():
        return {}  # the run is refused where its policy is restored
    model = read_config(folder, (), ())["algorithm"].get("model") or {}
    return {name: model[name] for name in SIZES} if model.get("vocabulary") is not None else {}
