// Solves a CAPTCHA in the browser where the service requires one; the user does not have to click.
import { isOurs as isAltcha, solve } from "./altcha.js";
import { messages } from "./messages.js";

const ACTIONS = { "/auth/login": "login", "/auth/password/forgot": "forgot", "/auth/register": "register" };
const result = document.getElementById("result");

/** Sends `body` to `path` with `send`; if a CAPTCHA is required, sends it again with the answer. */
export async function sendWithCaptcha(path, body, send) {
  const response = await send(body);
  if (response.status !== 403 || !(path in ACTIONS)) return response;
  if ((await response.clone().json()).code !== "captcha_required") return response;
  const challengeResponse = await fetch(`/auth/captcha?action=${ACTIONS[path]}`, { headers: { Accept: "application/json" } });
  if (!challengeResponse.ok) return challengeResponse;
  const challenge = await challengeResponse.json();
  if (!isAltcha(challenge)) return response; // the content policy of the pages allows no other provider
  showStatus(messages.captcha);
  return send({ ...body, captcha: await solve(challenge) });
}

function showStatus(message) {
  result.className = "";
  result.textContent = message;
}
