"""The one exception a user of the stack sees."""


class StackError(Exception):
    """Something the user can cure; its message is one line that says how. Shown without a traceback."""
