"""Define slow reports that give a test enough time to inject a fault."""
