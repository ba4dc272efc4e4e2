// node-oidc-provider with the clients, the API and the user of the check. Where everything is comes
// in the environment; see ../run.sh.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const { ISSUER, API, PRINTER, ALBUM, VAULT, SECRET, USERNAME, PASSWORD, VAULT_JWKS } = process.env;

const app = (client_id, origin, metadata) => ({
  client_id,
  client_secret: SECRET,
  redirect_uris: [`${origin}/callback`],
  post_logout_redirect_uris: [`${origin}/`],
  backchannel_logout_uri: `${origin}/backchannel-logout`,
  backchannel_logout_session_required: true,
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token'],
  id_token_signed_response_alg: 'ES256',
  ...metadata,
});

const provider = new Provider(ISSUER, {
  clients: [
    app('printer', PRINTER, { token_endpoint_auth_method: 'client_secret_basic' }),
    app('album', ALBUM, { token_endpoint_auth_method: 'client_secret_post' }),
    app('vault', VAULT, {
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: JSON.parse(readFileSync(VAULT_JWKS, 'utf8')),
      dpop_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
    }),
    // The API itself, which asks about tokens.
    {
      client_id: 'api',
      client_secret: SECRET,
      redirect_uris: [],
      response_types: [],
      grant_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: {
    keys: [
      {
        ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
        alg: 'ES256',
        use: 'sig',
        kid: 'es256',
      },
    ],
  },
  // A sign-out is posted where it names an ID token, as RP-Initiated Logout 1.0 section 2 lets it.
  enableHttpPostMethods: true,
  cookies: { keys: ['a-key-for-signing-cookies-in-a-test'], long: { sameSite: 'none' } },
  // The apps are on this machine, where it calls nobody by default.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: true,
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: 'Alice Example', email: 'alice@example.com', email_verified: true }),
  }),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'api' },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'photos:read photos:order',
        audience: API,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = `<!DOCTYPE html><title>Sign out?</title>${form}`;
      },
    },
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
});

provider.on('server_error', (ctx, error) => console.error(error));
provider.on('backchannel.error', (ctx, error) => console.error(error));

const page = (title, uid, fields) =>
  `<!DOCTYPE html><title>${title}</title><form method="post" action="/interaction/${uid}">${fields}<button>Go on</button></form>`;
const login = '<input name="username"><input name="password" type="password">';

async function formFields(req) {
  let body = '';
  for await (const chunk of req) body += chunk;
  return new URLSearchParams(body);
}

async function interact(req, res) {
  const { uid, prompt, params, session, grantId } = await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    res.setHeader('content-type', 'text/html');
    return res.end(page(prompt.name, uid, prompt.name === 'login' ? login : ''));
  }
  const fields = await formFields(req);
  if (prompt.name === 'login') {
    const known = fields.get('username') === USERNAME && fields.get('password') === PASSWORD;
    const result = known ? { login: { accountId: USERNAME } } : { error: 'access_denied' };
    return provider.interactionFinished(req, res, result);
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(req, res, { consent }, { mergeWithLastSubmission: true });
}

const oidc = provider.callback();
createServer((req, res) => {
  if (!req.url.startsWith('/interaction/')) return oidc(req, res);
  return interact(req, res).catch((error) => {
    console.error(error);
    res.statusCode = 500;
    res.end('no');
  });
}).listen(Number(new URL(ISSUER).port), '127.0.0.1', () => console.log(`listening at ${ISSUER}`));
