"""What every capability stands on: errors, contracts, artifacts, weights, devices, HTTP."""
