"""What the server sends to others: messages of webhooks, and to people."""
