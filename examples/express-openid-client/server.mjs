// Sign in with Gatehouse: an Express server with openid-client.
import { randomBytes } from 'node:crypto'
import express from 'express'
import * as client from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, PORT = '3000', HOST = '127.0.0.1' } = process.env
const home = `http://${HOST}:${PORT}/`
const callback = `${home}callback`
// Only for a Gatehouse on this machine: elsewhere it is served by https.
const options = ISSUER.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined
const authentication = client.ClientSecretBasic(CLIENT_SECRET)
const gatehouse = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, authentication, options)

const sessions = new Map() // in a real service: a store that outlives the process
const app = express()

function sessionOf(request, response) {
  const sent = /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? '')
  if (sent && sessions.has(sent[1])) return sessions.get(sent[1])
  return openSession(response)
}

function openSession(response) {
  const id = randomBytes(32).toString('base64url')
  response.cookie('session', id, { httpOnly: true, sameSite: 'lax', secure: home.startsWith('https:') })
  const session = { id }
  sessions.set(id, session)
  return session
}

const escape = (text) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

app.get('/', (request, response) => {
  const { user } = sessionOf(request, response)
  response.send(user
    ? `<p>Signed in as ${escape(user.email)}.</p><form method="post" action="/logout"><button>Sign out</button></form>`
    : '<p>Signed out.</p><a href="/login">Sign in</a>')
})

app.get('/login', async (request, response) => {
  const session = sessionOf(request, response)
  session.checks = {
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
  }
  const url = client.buildAuthorizationUrl(gatehouse, {
    redirect_uri: callback,
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(session.checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: session.checks.expectedState,
    nonce: session.checks.expectedNonce,
  })
  response.redirect(303, url.href)
})

app.get('/callback', async (request, response) => {
  const before = sessionOf(request, response)
  const tokens = await client.authorizationCodeGrant(gatehouse, new URL(request.url, home), before.checks)
  const user = await client.fetchUserInfo(gatehouse, tokens.access_token, tokens.claims().sub)
  sessions.delete(before.id) // a new session for a new user
  Object.assign(openSession(response), { user, idToken: tokens.id_token })
  response.redirect(303, '/')
})

app.post('/logout', (request, response) => {
  const { id, idToken } = sessionOf(request, response)
  sessions.delete(id)
  const url = client.buildEndSessionUrl(gatehouse, { id_token_hint: idToken ?? '', post_logout_redirect_uri: home })
  response.redirect(303, url.href)
})

app.listen(Number(PORT), HOST, () => console.log(`Open ${home}`))
