"""Webhooks: subscriptions, allowed URLs, messages, signing keys and sending.

The flow that delivers one webhook, with its retries, is `flows.delivery`. Another notification channel would
be a sibling package.
"""
