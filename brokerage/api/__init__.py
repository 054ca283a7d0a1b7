"""What every endpoint shares: strict JSON, problems (RFC 9457), log-in, whose data a caller may see."""
