"""Warm processes: the child process that executes runs, and the pool of these processes."""
