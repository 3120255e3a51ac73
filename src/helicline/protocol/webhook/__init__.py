"""The wire of webhooks: signed POSTs to addresses that were looked at."""
