"""What the marker and its guard must survive, done for real and often: mutations, kills, stops in the middle of orders."""
