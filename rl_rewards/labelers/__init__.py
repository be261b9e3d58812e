"""Who answers queries: one file per labeler. Host code, never traced."""
