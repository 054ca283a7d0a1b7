"""What the exchange reports becomes facts, money and shares."""
