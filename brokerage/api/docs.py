"""The OpenAPI document, as a file for programs and as a page to read and to try calls with."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from brokerage.api.serializers import StrictChoiceField, StrictSerializer

RENDERERS = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}
FORMATS = {"application/yaml": "yaml", "application/json": "json"}

# Scripts and styles are files of ours. Pictures that the page's own style sheet carries are `data:`.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class FormatQuery(StrictSerializer):
    format = StrictChoiceField(RENDERERS, required=False, help_text="Instead of the header `Accept`.")


@cache
def openapi_document(format_: str) -> bytes:
    """Write the whole document as `yaml` or `json`: once, since it cannot change while the process lives."""
    written = RENDERERS[format_]().render(SchemaGenerator().get_schema(public=True), renderer_context={})
    return written if isinstance(written, bytes) else written.encode()


class SchemaView(APIView):
    """GET: the OpenAPI document, as YAML or JSON."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get(self, request: Request) -> HttpResponse:
        accepted = FORMATS[request.get_preferred_type(list(FORMATS)) or "application/yaml"]
        chosen = FormatQuery.read_query(request).get("format") or accepted
        return HttpResponse(
            openapi_document(chosen),
            content_type=f"application/{chosen}; charset=utf-8",
            headers={"Vary": "Accept"},
        )


class DocsView(APIView):
    """GET: the OpenAPI document as a page. It loads nothing from any other host."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def get(self, request: Request) -> HttpResponse:
        page = render(request, "brokerage/docs.html")
        page["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return page
