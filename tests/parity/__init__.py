"""The same apps under real servers and under the client: what both ends see has to be the same."""
