"""How it runs: thin replicas around the models."""
