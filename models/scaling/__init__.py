"""How many replicas: a decision from values to values, and a simulator that runs the same one."""
