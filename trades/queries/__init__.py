"""Reading trades: selectors, the timeline and its descriptions, the audit, gauges."""
