"""Frames to files: encoded as they come, playable before the last, resumable after a kill."""
