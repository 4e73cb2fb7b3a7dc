// From registration to logout with the types that openapi-typescript generates (`api.ts`).
// node journey.ts URL E-MAIL PASSWORD
import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { paths } from "./api.ts";

const [baseUrl, email, password] = process.argv.slice(2) as [string, string, string];
const api = createClient<paths>({ baseUrl });

const registration = await api.POST("/auth/register", { body: { email, password } });
assert.equal(registration.data?.status, "verification_required");

const mailbox = await fetch(`${baseUrl}/dev/mailbox?to=${email}`, {
  headers: { Accept: "application/json" },
});
const { items } = (await mailbox.json()) as { items: { variables: { code: string } }[] };
const code = items[0]!.variables.code;
const verification = await api.POST("/auth/email/verify", { body: { email, code, password } });
assert.equal(verification.data?.status, "verified");

const login = await api.POST("/auth/login", { body: { identifier: email, password } });
assert.ok(login.data?.status === "authenticated"); // narrows the type to TokenResponse
const headers = { Authorization: `Bearer ${login.data.access_token}` };
const deviceToken = login.data.device_token!;

const me = await api.GET("/auth/me", { headers });
assert.equal(me.data?.email, email);

const refreshed = await api.POST("/auth/refresh", {
  body: { refresh_token: login.data.refresh_token },
  params: { header: { "X-Device-Token": deviceToken } },
});
assert.equal(refreshed.data?.status, "authenticated");

const logout = await api.POST("/auth/logout", { headers });
assert.equal(logout.response.status, 204);
let rejected = await api.GET("/auth/me", { headers });
for (const end = Date.now() + 10_000; rejected.data && Date.now() < end; ) {
  rejected = await api.GET("/auth/me", { headers }); // other workers follow within a second
}
assert.equal(rejected.error?.code, "token_revoked");
console.log("logged out");
