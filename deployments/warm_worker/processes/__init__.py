"""Child processes that execute runs, and the pool that keeps them ready."""
