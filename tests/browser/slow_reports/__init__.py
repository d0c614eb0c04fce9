"""Reports during whose export there is time to look at the page."""
