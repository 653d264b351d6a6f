"""What a person may look at and do: one noun a file."""
