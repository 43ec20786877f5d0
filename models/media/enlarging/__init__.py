"""Frames made larger by a network that was taught what enlarging loses."""
