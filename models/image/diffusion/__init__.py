"""Diffusion models of others: a step engine that shares each forward among many requests."""
