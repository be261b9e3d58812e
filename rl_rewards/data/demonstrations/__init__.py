"""Demonstrations: complete episodes of a demonstrator, from an ``.npz`` file or a Minari data set.

The file holds plain arrays with n steps of E consecutive episodes:

- ``obs`` and ``next_obs`` [n, *obs], the true successor: within an episode, it equals ``obs`` of the next row;
- ``action`` [n, *action] in the env's units and within its bounds; discrete ones count from 0;
- ``terminated`` and ``truncated`` [n] bool: one of them is True at the last step of every episode, and nowhere else;
- ``episode_start`` [E], the first row of each episode, and ``episode_return`` [E], its true return;
- ``env``, the environment's name;
- optionally ``env_reward`` [n] and, if steps were left out, ``step`` [n]: the number of each row's step in its episode.
  The last row that was kept of an episode counts as its last step.
"""
