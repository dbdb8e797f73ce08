"""What people write becomes columns: matter and urgency of support texts, learned without network from few labels."""
