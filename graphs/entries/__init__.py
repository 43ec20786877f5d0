"""How the operations of each capability are served."""
