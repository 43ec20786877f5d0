"""Fraud: payments, network flows and markets, each answered with a decision and its reasons."""
