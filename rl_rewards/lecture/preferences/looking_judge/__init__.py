"""A judge that looks: how well it tells progress and success in pictures, and what its bias does to a policy."""
