"""One runnable file per figure that the README quotes; each prints one JSON line."""
