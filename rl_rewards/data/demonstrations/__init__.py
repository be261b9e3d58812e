"""Demonstrations: complete episodes of a demonstrator, from an ``.npz`` or HDF5 file or a Minari data set.

The file holds plain arrays with n steps of E consecutive episodes:

- ``obs`` and ``next_obs`` [n, *obs], the true successor: within an episode, it equals ``obs`` of the next row;
- ``action`` [n, *action] in the env's units and within its bounds; discrete ones count from 0;
- ``terminated`` and ``truncated`` [n] bool: one of them is True at the last step of every episode, and nowhere else;
- ``episode_start`` [E], the first row of each episode, and optionally ``episode_return`` [E], its true return;
- ``env``, the environment's name;
- optionally ``env_reward`` [n] and, if steps were left out, ``step`` [n]: the number of each row's step in its episode.
  The last row that was kept of an episode counts as its last step;
- optionally ``info_KEY`` [n, *shape]: a key of the steps' info, such as ``info_success`` [n] bool.

Files in the layouts of D4RL and OGBench are translated into this one (``layouts.py``). The data from which an offline
algorithm learns is read in the same way, whoever acted.
"""
