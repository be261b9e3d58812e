"""What the command line needs besides the doors: arguments, declared ranges, help, exits, sweeps. Light to import."""
