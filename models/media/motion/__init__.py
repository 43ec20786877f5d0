"""Frames between frames: what moves is followed from one picture to the next."""
