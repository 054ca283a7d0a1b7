"""OpenAPI of log-in and log-out, and of the document itself."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view

from brokerage.api.docs import FormatQuery
from brokerage.api.openapi import WITH_BODY, problem_responses, request_example, response_example, success_response
from brokerage.api.responses import INTEGER, STRING, TIMESTAMP, ResponseField, ResponseSerializer
from brokerage.api.serializers import EmptyBodySerializer
from brokerage.api.sessions import CredentialsSerializer


class SessionResponse(ResponseSerializer):
    """The token of one device."""

    token = ResponseField(STRING, "Goes into every other call as `Authorization: Token …`. It is shown this once.")
    expires_at = ResponseField(TIMESTAMP, "When it stops being good; null if never.", null=True)
    trader_id = ResponseField(
        INTEGER, "Whose money and shares the user acts for; null for staff, who name the trader.", null=True
    )


_SESSION = {
    "token": "b6f4d1a2c89e07735d40e1f8ab2c9d6e3f5071846a9bd2ce10f7a4538b6d9e21",
    "expires_at": "2026-12-22T10:15:30.123456Z",
    "trader_id": 1001,
}
_LOGOUT_PROBLEMS = problem_responses(*WITH_BODY, "NOT_AUTHENTICATED")

login = extend_schema_view(
    post=extend_schema(
        operation_id="logIn",
        tags=["Session"],
        summary="Log in",
        description="A new token for this device. Unknown user, wrong password and inactive user are one answer.",
        request=CredentialsSerializer,
        examples=[request_example("Alice", {"username": "alice", "password": "demo"})],
        responses={
            200: success_response(SessionResponse, "Logged in.", response_example("A trader", _SESSION)),
            **problem_responses(*WITH_BODY, "BAD_CREDENTIALS"),
        },
    )
)

logout = extend_schema_view(
    post=extend_schema(
        operation_id="logOut",
        tags=["Session"],
        summary="Log out",
        description="This device's token is worth nothing any more.",
        request=EmptyBodySerializer,
        responses={204: success_response(None, "Logged out."), **_LOGOUT_PROBLEMS},
    )
)

logout_all = extend_schema_view(
    post=extend_schema(
        operation_id="logOutEverywhere",
        tags=["Session"],
        summary="Log out everywhere",
        description="The tokens of all the user's devices are worth nothing any more.",
        request=EmptyBodySerializer,
        responses={204: success_response(None, "Logged out."), **_LOGOUT_PROBLEMS},
    )
)

openapi_document = extend_schema_view(
    get=extend_schema(
        operation_id="getDescription",
        tags=["Description"],
        summary="This description",
        description="OpenAPI 3.1, in the form that `format`, or else the header `Accept`, asks for; else YAML.",
        parameters=[FormatQuery],
        responses={
            (200, "application/yaml"): success_response(OpenApiTypes.OBJECT, "The description."),
            (200, "application/json"): success_response(OpenApiTypes.OBJECT, "The description."),
            **problem_responses("INVALID"),
        },
    )
)

docs_page = extend_schema_view(
    get=extend_schema(
        operation_id="getPage",
        tags=["Description"],
        summary="This description as a page",
        description="To read, and to try calls. It loads nothing from any other host.",
        responses={(200, "text/html"): success_response(OpenApiTypes.STR, "The page."), **problem_responses()},
    )
)
