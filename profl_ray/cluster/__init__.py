"""What nodes have and who holds it, and the one way to connect to Ray."""
