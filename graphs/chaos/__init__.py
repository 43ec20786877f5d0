"""Finds out whether promises hold while processes die: `orrery chaos`."""
