"""Great Expectations at the gates between layers. A gate is a list of suites; Dagster shows each as an asset check."""
