"""One runnable file per figure that the README quotes."""
