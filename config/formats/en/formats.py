"""How the back office writes times: seconds decide who was first."""

DATETIME_FORMAT = "Y-m-d H:i:s e"
