"""Syncs on the command line: what they would do, did, and where they stand."""
