"""Radiance fields: fitted to posed views on a few cores, baked for fast frames."""
