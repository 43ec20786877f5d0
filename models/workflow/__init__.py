"""Durable graphs of tasks: what they are, how they are checked, and the engine that ends them."""
