"""Demonstrations: whole episodes of someone who can do the task, from an ``.npz`` file or a Minari data set.

The file holds plain arrays, n steps of E episodes one after the other:

- ``obs`` and ``next_obs`` [n, *obs], the true successors: within an episode the next row's ``obs``;
- ``action`` [n, *action] in the env's units and within its bounds; discrete ones count from 0;
- ``terminated`` and ``truncated`` [n] bool: of every episode exactly the last step is one of them;
- ``episode_start`` [E], the row at which each begins, and ``episode_return`` [E], its true return;
- ``env``, the environment's name;
- optionally ``env_reward`` [n] and, in a file from which steps were left out, ``step`` [n]: the number of each row's
  step in its episode. The last row that was kept of an episode is its last step.
"""
