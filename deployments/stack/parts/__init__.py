"""Parts that the stack brings along, each replaceable by one that already runs."""
