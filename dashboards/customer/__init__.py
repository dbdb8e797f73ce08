"""The parts of the customer page, one per file; each shows one customer by id."""
