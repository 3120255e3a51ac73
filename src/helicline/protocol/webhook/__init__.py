"""Webhooks: signed POSTs to checked addresses."""
