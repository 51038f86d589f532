"""The bots of document 003: paper trading by program, with four gates before each order and every step in the database."""
