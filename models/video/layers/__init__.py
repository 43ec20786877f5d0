"""A picture with depth as surfaces one behind another, seen from nearby."""
