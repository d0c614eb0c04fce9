"""Turn the answers to survey questions into columns of the file."""
