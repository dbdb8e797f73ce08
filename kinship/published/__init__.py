"""Published copies of the output tables: what dashboards and other readers open, while runs write the warehouse."""
