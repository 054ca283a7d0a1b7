"""The web server's part: a call of the API, as a WSGI server hands it to the application."""

import json
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Caller:
    """Calls the application with JSON, and with the token that its first call, the log-in, was given."""

    def __init__(self, application: Application, login: dict[str, str]) -> None:
        self._application = application
        self._token = ""
        self._token = self.call("POST", "/api/v1/auth/login", login)["token"]

    def call(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the JSON of the answer. Raises AssertionError unless it says that all went well."""
        status: list[str] = []
        answer = self._application(self._environ(method, path, content), lambda *told: status.append(told[0]))
        try:
            text = b"".join(answer).decode()
        finally:
            answer.close()  # as servers do
        if not status[0].startswith("2"):
            raise AssertionError(f"{method} {path} was answered {status[0]}: {text}")
        found: dict[str, Any] = json.loads(text)
        return found

    def _environ(self, method: str, path: str, content: dict[str, Any] | None) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "wsgi.input": BytesIO(body)}
        if body:
            environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
        if self._token:
            environ["HTTP_AUTHORIZATION"] = f"Token {self._token}"
        setup_testing_defaults(environ)
        return environ
