"""What the bot needs around its trading."""
