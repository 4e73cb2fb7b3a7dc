// Sign in with Gatehouse: a page without a server of its own, with oidc-client-ts.
const home = `${location.origin}/`
const users = new oidc.UserManager({
  authority: settings.issuer,
  client_id: settings.clientId,
  redirect_uri: `${home}callback`,
  post_logout_redirect_uri: home,
  scope: 'openid profile email',
  loadUserInfo: true,
  automaticSilentRenew: false,
})

const element = (id) => document.getElementById(id)

function show(user) {
  element('status').textContent = user ? `Signed in as ${user.profile.email}.` : 'Signed out.'
  element('sign-in').hidden = Boolean(user)
  element('sign-out').hidden = element('renew').hidden = !user
}

async function start() {
  if (location.pathname === '/callback') {
    await users.signinRedirectCallback()
    history.replaceState(null, '', '/') // the code does not stay in the address bar
  }
  show(await users.getUser())
}

function failed(error) {
  element('status').textContent = `That did not work: ${error.message}`
}

element('sign-in').addEventListener('click', () => users.signinRedirect().catch(failed))
element('sign-out').addEventListener('click', () => users.signoutRedirect().catch(failed))
element('renew').addEventListener('click', async () => {
  try {
    await users.signinSilent() // exchanges the refresh token
    element('status').textContent = 'The token was renewed.'
  } catch (error) {
    failed(error)
  }
})
start().catch(failed)
