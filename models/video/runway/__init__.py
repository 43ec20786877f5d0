"""Clips of a provider: Runway."""
