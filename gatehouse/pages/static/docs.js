// Shows the OpenAPI document of the service in Swagger UI, dark where the system is dark.
"use strict";

const dark = window.matchMedia("(prefers-color-scheme: dark)");
const applyColorScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", applyColorScheme);
applyColorScheme();

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0, // one click opens the schemas; to draw them all takes seconds
  validatorUrl: null,
});
