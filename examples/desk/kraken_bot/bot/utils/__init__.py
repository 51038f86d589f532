"""Parts of the bot's surroundings that every program of it uses."""
