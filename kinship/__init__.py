"""Kinship: a customer data platform that lives in the warehouse."""
