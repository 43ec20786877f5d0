"""The Images API of OpenAI, and of providers that answer like it."""
