"""Reports that take their time, so that there is a moment at which a fault can strike."""
