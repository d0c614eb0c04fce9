"""Send signed webhooks to subscribed URLs.

The flow in `flows.delivery` delivers webhooks and retries failed deliveries. To add another notification
channel, add a package next to this one.
"""
