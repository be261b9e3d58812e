"""Rewards that judge the steps of a response: process and outcome reward models."""
