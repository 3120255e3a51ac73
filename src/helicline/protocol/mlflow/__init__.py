"""The MLflow wire: what the stock client speaks, translated to the rooms' verbs and back."""
