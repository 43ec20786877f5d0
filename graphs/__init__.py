"""How it composes: the only package that binds, routes or reads settings."""
