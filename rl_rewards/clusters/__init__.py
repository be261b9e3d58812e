"""Where jobs run: processes of this machine, SLURM or Ray. Each engine is one small file."""
