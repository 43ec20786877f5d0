"""What is computed: no Ray, no HTTP server, no environment."""
