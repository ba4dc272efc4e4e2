// A server-side app with openid-client, and the browser of the person who uses it.

import assert from 'node:assert/strict'
import * as oidc from 'openid-client'
import { Browser, has, text } from './browser.mjs'

const { ISSUER, PASSWORD, SECRET, ODD_SECRET } = process.env
const SCOPE = 'openid profile email offline_access photos:read'

const CLIENTS = [
  { id: 'node-es256', auth: oidc.ClientSecretBasic(ODD_SECRET), says: 'ES256', alg: 'ES256' },
  { id: 'node-default', auth: oidc.ClientSecretPost(SECRET), alg: 'RS256' },
  { id: 'node-ps256', auth: oidc.ClientSecretBasic(SECRET), says: 'PS256', alg: 'PS256' },
  { id: 'node-eddsa', auth: oidc.None(), says: 'EdDSA', alg: 'EdDSA', isPublic: true },
]

let failed = 0

/** Runs one check and prints its line. */
async function check(client, name, run) {
  const line = `openid-client ${client.id}: ${name}`
  try {
    await run()
    console.log(`ok      ${line}`)
  } catch (error) {
    failed += 1
    const cause = error.cause instanceof Error ? `; ${error.cause.message}` : ''
    console.log(`FAILED  ${line}: ${error.message.split('\n')[0]}${cause}`)
    console.error(line, error)
  }
}

/** The app's side of one login: what it keeps in its session, and the address it sends to. */
async function begin(config, id, more = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()]
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: `https://app.example/callback/${id}`,
    scope: SCOPE,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...more,
  })
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce }
  return { url, checks }
}

function isCallback(page, id) {
  const at = page.url.origin + page.url.pathname
  assert.equal(at, `https://app.example/callback/${id}`, `${page.url} ${text(page.html)}`)
}

async function signIn(browser, page) {
  assert.ok(has(page, 'login-submit'), `a login page: ${page.status} ${text(page.html)}`)
  return browser.press(page, 'login-submit', { username: 'alice', password: PASSWORD })
}

async function allow(browser, page) {
  assert.ok(has(page, 'consent-allow'), `a consent page: ${page.status} ${text(page.html)}`)
  return browser.press(page, 'consent-allow')
}

/** A callback of a new login in this browser, through the pages that come. */
async function callback(browser, id, url) {
  let page = await browser.open(url)
  if (has(page, 'login-submit')) page = await signIn(browser, page)
  if (has(page, 'consent-allow')) page = await allow(browser, page)
  isCallback(page, id)
  return page.url
}

function header(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString())
}

/** A copy of the callback's address with one parameter changed, or removed. */
function changed(url, name, value) {
  const copy = new URL(url)
  if (value === undefined) copy.searchParams.delete(name)
  else copy.searchParams.set(name, value)
  return copy
}

async function discover({ id, auth, says }, options = {}) {
  const metadata = says ? { id_token_signed_response_alg: says } : {}
  // An ID token's signature is checked on request only, because it came over TLS.
  const execute = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks]
  return oidc.discovery(new URL(ISSUER), id, metadata, auth, { execute, ...options })
}

async function run(client) {
  const { id, alg } = client
  const browser = new Browser(ISSUER)
  const it = (name, body) => check(client, name, body)
  let config, tokens, subject, first

  await it('discovers the server by its issuer', async () => {
    config = await discover(client)
    const metadata = config.serverMetadata()
    assert.equal(metadata.issuer, ISSUER)
    assert.ok(metadata.supportsPKCE())
    assert.equal(metadata.authorization_response_iss_parameter_supported, true)
  })
  await it('discovers it by RFC 8414 too', async () => {
    const oauth = await discover(client, { algorithm: 'oauth2' })
    assert.deepEqual({ ...oauth.serverMetadata() }, { ...config.serverMetadata() })
  })
  await it('prompt=none before anybody signed in is login_required', async () => {
    const { url, checks } = await begin(config, id, { prompt: 'none' })
    const page = await browser.open(url)
    isCallback(page, id)
    await assert.rejects(oidc.authorizationCodeGrant(config, page.url, checks), (error) => {
      assert.ok(error instanceof oidc.AuthorizationResponseError, error.message)
      assert.equal(error.error, 'login_required')
      return true
    })
  })
  await it('login and consent lead to the callback, with state and iss', async () => {
    first = await begin(config, id, { max_age: '300' })
    first.checks.maxAge = 300
    const page = await allow(browser, await signIn(browser, await browser.open(first.url)))
    isCallback(page, id)
    first.callback = page.url
    assert.equal(page.url.searchParams.get('state'), first.checks.expectedState)
    assert.equal(page.url.searchParams.get('iss'), ISSUER)
  })
  await it('the library refuses a callback with another iss, without iss, with another state', async () => {
    const at = first.callback
    for (const wrong of [
      changed(at, 'iss', 'https://other.example'),
      changed(at, 'iss'),
      changed(at, 'state', 'another'),
    ]) {
      await assert.rejects(oidc.authorizationCodeGrant(config, wrong, first.checks), oidc.ClientError)
    }
  })
  await it(`the code becomes tokens; the library accepts the ID token, ${alg}`, async () => {
    tokens = await oidc.authorizationCodeGrant(config, first.callback, first.checks)
    assert.equal(header(tokens.id_token).alg, alg)
    assert.ok(oidc.getJwksCache(config), 'the signature was checked with the key set')
    subject = tokens.claims().sub
    assert.ok(subject && tokens.expiresIn() > 0 && tokens.refresh_token)
  })
  await it('the library accepts userinfo, of the same subject', async () => {
    const info = await oidc.fetchUserInfo(config, tokens.access_token, subject)
    assert.equal(info.name, 'Alice Example')
    assert.equal(info.email, 'alice@example.com')
    assert.equal(info.email_verified, true)
  })
  await it('refresh gives other tokens of the same subject', async () => {
    const old = tokens.access_token
    tokens = { ...(await refreshed(config, tokens)) }
    assert.notEqual(tokens.access_token, old)
    await oidc.fetchUserInfo(config, tokens.access_token, subject)
  })
  if (!client.isPublic) {
    await it('introspection says that both tokens are active', async () => {
      for (const token of [tokens.access_token, tokens.refresh_token]) {
        const answer = await oidc.tokenIntrospection(config, token)
        assert.equal(answer.active, true)
        assert.equal(answer.sub, subject)
        assert.equal(answer.client_id, id)
      }
    })
  }
  await it('prompt=none signs in silently, as the same subject', async () => {
    const { url, checks } = await begin(config, id, { prompt: 'none' })
    const page = await browser.open(url)
    isCallback(page, id)
    const silent = await oidc.authorizationCodeGrant(config, page.url, checks)
    assert.equal(silent.claims().sub, subject)
  })
  await it('response_mode=form_post arrives as a form that the library reads', async () => {
    const { url, checks } = await begin(config, id, { response_mode: 'form_post' })
    const page = await browser.open(url)
    const sent = /<form[^>]*action="https:\/\/app\.example\/callback/.test(page.html)
    assert.ok(sent, `a form to the app: ${page.status} ${text(page.html)}`)
    const fields = [...page.html.matchAll(/<input[^>]*name="([^"]+)"[^>]*value="([^"]*)"/g)]
    const request = new Request(`https://app.example/callback/${id}`, {
      method: 'POST',
      body: new URLSearchParams(fields.map(([, name, value]) => [name, value])),
    })
    const posted = await oidc.authorizationCodeGrant(config, request, checks)
    assert.equal(posted.claims().sub, subject)
  })
  await it('denied consent is access_denied, as the library has it', async () => {
    const { url, checks } = await begin(config, id, { prompt: 'consent' })
    const page = await browser.open(url)
    assert.ok(has(page, 'consent-deny'), `a consent page: ${page.status} ${text(page.html)}`)
    const denied = await browser.press(page, 'consent-deny')
    isCallback(denied, id)
    await assert.rejects(oidc.authorizationCodeGrant(config, denied.url, checks), (error) => {
      assert.ok(error instanceof oidc.AuthorizationResponseError, error.message)
      assert.equal(error.error, 'access_denied')
      return true
    })
  })
  await it('an ID token that somebody changed is refused by its signature', async () => {
    const { url, checks } = await begin(config, id)
    const at = await callback(browser, id, url)
    const forged = await discover(client)
    forged[oidc.customFetch] = async (address, options) => {
      const response = await fetch(address, options)
      if (new URL(address).pathname !== '/token') return response
      const body = await response.json()
      const [head, , signature] = body.id_token.split('.')
      const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url').toString())
      const altered = Buffer.from(JSON.stringify({ ...claims, sub: 'mallory' })).toString('base64url')
      return Response.json({ ...body, id_token: `${head}.${altered}.${signature}` })
    }
    await assert.rejects(oidc.authorizationCodeGrant(forged, at, checks), (error) => {
      assert.match(`${error.message} ${error.cause?.message}`, /signature/)
      return true
    })
  })
  await it('a code used twice is invalid_grant, and its tokens end', async () => {
    const { url, checks } = await begin(config, id)
    const at = await callback(browser, id, url)
    const once = await oidc.authorizationCodeGrant(config, at, checks)
    await assert.rejects(oidc.authorizationCodeGrant(config, at, checks), isError('invalid_grant'))
    await assert.rejects(refreshed(config, once), isError('invalid_grant'))
  })
  await it('a wrong code_verifier is invalid_grant', async () => {
    const { url, checks } = await begin(config, id)
    const at = await callback(browser, id, url)
    const wrong = { ...checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() }
    await assert.rejects(oidc.authorizationCodeGrant(config, at, wrong), isError('invalid_grant'))
  })
  if (!client.isPublic) {
    await it('a wrong secret is invalid_client', async () => {
      const method = id === 'node-default' ? oidc.ClientSecretPost : oidc.ClientSecretBasic
      const stranger = await discover({ ...client, auth: method('not the secret, of forty characters or so') })
      await assert.rejects(refreshed(stranger, tokens), (error) => {
        // A challenge where the client used the Authorization header (RFC 6749 section 5.2).
        if (error instanceof oidc.WWWAuthenticateChallengeError) {
          assert.equal(error.cause[0].scheme, 'basic')
          return error.status === 401
        }
        return isError('invalid_client')(error)
      })
    })
  }
  await it('revocation ends the access token, and the library reads the challenge', async () => {
    await oidc.tokenRevocation(config, tokens.access_token)
    await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, subject), (error) => {
      assert.ok(error instanceof oidc.WWWAuthenticateChallengeError, error.message)
      assert.equal(error.status, 401)
      assert.equal(error.cause[0].scheme, 'bearer')
      assert.equal(error.cause[0].parameters.error, 'invalid_token')
      return true
    })
  })
  await it('revocation ends the refresh token', async () => {
    await oidc.tokenRevocation(config, tokens.refresh_token)
    await assert.rejects(refreshed(config, tokens), isError('invalid_grant'))
    if (!client.isPublic) {
      const answer = await oidc.tokenIntrospection(config, tokens.refresh_token)
      assert.equal(answer.active, false)
    }
  })
  await it('logout with the ID token leads to the post-logout redirect URI', async () => {
    const { url, checks } = await begin(config, id)
    const at = await callback(browser, id, url)
    const last = await oidc.authorizationCodeGrant(config, at, checks)
    const back = `https://app.example/bye/${id}`
    const end = oidc.buildEndSessionUrl(config, {
      post_logout_redirect_uri: back,
      id_token_hint: last.id_token,
      state: 'after logout',
    })
    const page = await browser.open(end)
    assert.equal(page.url.origin + page.url.pathname, back, text(page.html))
    assert.equal(page.url.searchParams.get('state'), 'after logout')
    const again = await begin(config, id, { prompt: 'none' })
    const silent = await browser.open(again.url)
    assert.equal(silent.url.searchParams.get('error'), 'login_required')
  })
}

function isError(code) {
  return (error) => {
    assert.ok(error instanceof oidc.ResponseBodyError, error.message)
    assert.equal(error.error, code)
    return true
  }
}

function refreshed(config, tokens) {
  return oidc.refreshTokenGrant(config, tokens.refresh_token)
}

for (const client of CLIENTS) await run(client)
process.exitCode = failed > 0 ? 3 : 0
