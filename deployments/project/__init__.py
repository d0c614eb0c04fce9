"""Commands that write reports for the user's own database, and check them."""
