"""One module per source system: how that system writes its own records."""
