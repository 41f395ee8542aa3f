"""Scans and label maps in, checked: what is not whole or does not say where it lies is refused."""
