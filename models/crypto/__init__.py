"""Odds of crypto prices: calibrated distributions, measured beside an honest baseline."""
