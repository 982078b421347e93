"""What a report is about: a net and the results of its analyses."""
