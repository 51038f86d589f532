"""A bot that trades at Kraken: its mode, its books, its risk guard, and how it talks to the exchange."""
