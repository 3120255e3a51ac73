"""What became of the units that variants served: counted from the prediction log (`units`), read (`reading`)."""
