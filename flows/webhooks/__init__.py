"""Send signed webhooks to the URLs of subscriptions.

The flow that delivers a webhook and retries it is `flows.delivery`. To add another notification channel, add
a package next to this one.
"""
