"""What a running Backend.AI cluster keeps beside its database."""
