"""Cash: what each trader has, what of it is blocked, and the journal that explains every paisa."""
