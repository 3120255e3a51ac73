"""The evidence of rollouts: calls as gateways count them, and units as the prediction log has them."""
