"""Where candles come from, and what is known of them."""
