"""Contours beside a reference: what is compared, the table, the places of difference, and the dose."""
