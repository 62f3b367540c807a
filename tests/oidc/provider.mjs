// A real OpenID provider on loopback, for tests/oidc.rs: people sign in with a name, a password and, if they have one, a code.
//
//   node provider.mjs MODULES KEY CERTIFICATE   prints its issuer once it listens, and ends with its standard input
//
// Who is in which group is in MEMBERS; a password is the name, and the code is 123456.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [modules, key, certificate] = process.argv.slice(2);
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));
const MEMBERS = JSON.parse(process.env.MEMBERS ?? '{}');

const server = createServer({ key: readFileSync(key), cert: readFileSync(certificate) });
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `https://127.0.0.1:${server.address().port}`;
const signing = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const client = (id) => ({
  client_id: id,
  token_endpoint_auth_method: 'none',
  redirect_uris: ['https://127.0.0.1:1/callback'],
  grant_types: ['authorization_code'],
});

const provider = new Provider(issuer, {
  clients: [client('cloudfarm'), client('another')],
  jwks: { keys: [{ ...signing, use: 'sig', alg: 'RS256' }] },
  claims: { openid: ['sub', 'amr'], groups: ['groups'] },
  scopes: ['openid', 'groups'],
  conformIdTokenClaims: false, // groups are in the ID token
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ['of a test'] },
  pkce: { required: () => true },
  ttl: { IdToken: 3600 },
  interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, groups: MEMBERS[id] ?? [] }) }),
});

// The form that a person fills in; consent is given with it.
async function signIn(request, response) {
  const { params } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html');
    response.end('<form method="post">Name <input name="name"> Password <input name="password"> Code <input name="code"></form>');
    return;
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const { name, password, code } = Object.fromEntries(new URLSearchParams(body));
  if (password !== name || (code && code !== '123456')) {
    response.statusCode = 403;
    response.end('wrong name, password or code');
    return;
  }
  const grant = new provider.Grant({ accountId: name, clientId: params.client_id });
  grant.addOIDCScope('openid groups');
  const login = { accountId: name, amr: code ? ['pwd', 'otp'] : ['pwd'] };
  await provider.interactionFinished(request, response, { login, consent: { grantId: await grant.save() } });
}

const callback = provider.callback();
server.on('request', (request, response) => {
  const answered = request.url.startsWith('/sign-in/') ? signIn(request, response) : callback(request, response);
  Promise.resolve(answered).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
});
process.stdin.on('end', () => process.exit()).resume();
process.stdout.on('error', () => {}); // nobody reads on after the issuer
console.log(issuer);
