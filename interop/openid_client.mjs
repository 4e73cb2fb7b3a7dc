// npm openid-client as a relying party. GET /login begins, /callback ends with JSON; the other paths act on that login.
import { createServer } from 'node:http'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT } = process.env
const origin = `http://127.0.0.1:${PORT}`
const event = 'http://schemas.openid.net/event/backchannel-logout'
const options = { execute: [client.allowInsecureRequests] }
const gatehouse = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, client.ClientSecretBasic(CLIENT_SECRET), options)
const keys = createRemoteJWKSet(new URL(gatehouse.serverMetadata().jwks_uri))
const logouts = []
let checks, tokens

async function begin(response) {
  checks = { pkceCodeVerifier: client.randomPKCECodeVerifier(), expectedState: client.randomState(), expectedNonce: client.randomNonce(), idTokenExpected: true }
  const url = client.buildAuthorizationUrl(gatehouse, {
    redirect_uri: `${origin}/callback`,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  })
  response.writeHead(303, { location: url.href }).end()
}

function endSession(response) {
  const parameters = { post_logout_redirect_uri: `${origin}/signed-out`, id_token_hint: tokens.id_token, state: 'bye' }
  response.writeHead(303, { location: client.buildEndSessionUrl(gatehouse, parameters).href }).end()
}

async function receiveLogout(request) {
  let body = ''
  for await (const part of request) body += part
  const token = new URLSearchParams(body).get('logout_token')
  const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer: ISSUER, audience: CLIENT_ID, typ: 'logout+jwt', requiredClaims: ['iat', 'exp', 'jti', 'events', 'sid'] })
  if ('nonce' in payload || !payload.events[event]) throw new Error('this is no logout token')
  logouts.push({ sid: payload.sid, sub: payload.sub, alg: protectedHeader.alg })
  return { accepted: true }
}

const actions = {
  '/callback': async (request) => {
    tokens = await client.authorizationCodeGrant(gatehouse, new URL(request.url, origin), checks)
    return { login: 'ok', claims: tokens.claims(), refreshable: Boolean(tokens.refresh_token) }
  },
  '/userinfo': () => client.fetchUserInfo(gatehouse, tokens.access_token, tokens.claims().sub),
  '/refresh': async () => {
    const renewed = await client.refreshTokenGrant(gatehouse, tokens.refresh_token)
    const rotated = renewed.refresh_token !== tokens.refresh_token
    tokens = { ...tokens, access_token: renewed.access_token, refresh_token: renewed.refresh_token, claims: () => renewed.claims() ?? {} }
    return { rotated, sub: renewed.claims()?.sub }
  },
  '/introspect': () => client.tokenIntrospection(gatehouse, tokens.access_token),
  '/revoke': async () => {
    await client.tokenRevocation(gatehouse, tokens.refresh_token)
    return client.tokenIntrospection(gatehouse, tokens.access_token)
  },
  '/signed-out': (request) => ({ logout: 'ok', state: new URL(request.url, origin).searchParams.get('state') }),
  '/logouts': () => logouts,
}

createServer(async (request, response) => {
  const path = request.url.split('?')[0]
  const send = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  try {
    if (path === '/login') return await begin(response)
    if (path === '/logout') return endSession(response)
    if (path === '/backchannel') return send(200, await receiveLogout(request))
    return actions[path] ? send(200, await actions[path](request)) : send(404, {})
  } catch (error) {
    return send(502, { error: error.message, code: error.code, oauth: error.error, description: error.error_description })
  }
}).listen(Number(PORT), '127.0.0.1')
