"""What the integration tests are made of: real programs on free ports in temporary folders."""
