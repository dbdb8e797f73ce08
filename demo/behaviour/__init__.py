"""What people do, one module per way of meeting the company."""
