"""Commands that each start one part of the service, such as the API or the worker.

The settings come from the environment. Code that starts several parts together belongs in `stack`. This
package does not start third-party servers.
"""
