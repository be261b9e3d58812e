"""The Bradley-Terry model, fitted to answers."""
