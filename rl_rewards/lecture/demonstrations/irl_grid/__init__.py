"""Maximum-entropy IRL on a grid."""
