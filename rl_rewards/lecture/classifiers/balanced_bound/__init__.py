"""The balanced bound: any success state earns at least one half."""
