"""What a subcommand raises when the user must act."""

DEPLOY_FAILED = "DEPLOY_FAILED"
"""What the launched process prints before the reason why an application cannot be deployed."""


class Failure(Exception):
    """Ends the command with one line that says what to do."""
