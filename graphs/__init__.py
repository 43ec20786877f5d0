"""How it composes: the only package that binds, routes or reads settings."""

__version__ = "0.1.0"
