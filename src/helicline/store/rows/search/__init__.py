"""Search over runs: filters, orders, pages by place, and what keys there are."""
