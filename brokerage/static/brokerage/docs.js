// The page that describes the API. Whoever logs in on it is logged in for the calls that follow.

const page = SwaggerUIBundle({
  url: "schema?format=json",
  dom_id: "#description",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  requestSnippetsEnabled: true,
  tryItOutEnabled: true,
  validatorUrl: null, // otherwise the description is sent to a server of Swagger's to be checked
  responseInterceptor: (answer) => {
    if (answer.ok && answer.url.endsWith("/auth/login")) {
      page.preauthorizeApiKey("token", `Token ${answer.body.token}`);
    }
    return answer;
  },
});
