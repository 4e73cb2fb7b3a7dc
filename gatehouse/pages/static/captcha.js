// Where the service asks for a CAPTCHA first, the browser solves it; nobody has to click on anything.
import { isOurs, solve } from "./altcha.js";
import { words } from "./messages.js";

const ACTIONS = { "/auth/login": "login", "/auth/password/forgot": "forgot" };
const result = document.getElementById("result");

/** Sends `body` to `path` by `send`; once more with the answer, if a CAPTCHA is asked for. */
export async function sendSolved(path, body, send) {
  const response = await send(body);
  if (response.status !== 403 || !(path in ACTIONS)) return response;
  if ((await response.clone().json()).code !== "captcha_required") return response;
  const asked = await fetch(`/auth/captcha?action=${ACTIONS[path]}`, { headers: { Accept: "application/json" } });
  if (!asked.ok) return asked;
  const challenge = await asked.json();
  if (!isOurs(challenge)) return response; // the page's content policy lets no provider in
  tell(words.moment);
  return send({ ...body, captcha: await solve(challenge) });
}

function tell(sentence) {
  result.className = "";
  result.textContent = sentence;
}
