// A person's browser: signs in at the issuer (authorization code with PKCE), fills its form in, prints the ID token.
//
//   node login.mjs ISSUER CERTIFICATE CLIENT NAME [CODE]
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { createHash, randomBytes } from 'node:crypto';

const [issuer, certificate, client, name, code = ''] = process.argv.slice(2);
const ca = readFileSync(certificate);
const redirect = 'https://127.0.0.1:1/callback';
const cookies = new Map();

function send(method, url, form) {
  const headers = { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') };
  if (form) headers['content-type'] = 'application/x-www-form-urlencoded';
  return new Promise((answered, failed) => {
    const sent = request(new URL(url, issuer), { method, ca, headers }, (response) => {
      for (const cookie of response.headers['set-cookie'] ?? []) {
        const [, key, value] = cookie.match(/^([^=]+)=([^;]*)/);
        cookies.set(key, value);
      }
      let body = '';
      response.on('data', (chunk) => { body += chunk; });
      response.on('end', () => answered({ status: response.statusCode, to: response.headers.location, body }));
    });
    sent.on('error', failed);
    sent.end(form && new URLSearchParams(form).toString());
  });
}

const verifier = randomBytes(32).toString('base64url');
const asked = new URLSearchParams({
  client_id: client,
  response_type: 'code',
  scope: 'openid groups',
  redirect_uri: redirect,
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
});
let page = await send('GET', `/auth?${asked}`);
for (let hops = 0; page.to && !page.to.startsWith(redirect) && hops < 10; hops += 1) {
  const to = page.to;
  page = await send('GET', to);
  if (page.status === 200 && page.body.includes('<form')) page = await send('POST', to, { name, password: name, code });
}
const given = page.to?.startsWith(redirect) && new URL(page.to).searchParams.get('code');
if (!given) {
  console.error(`not signed in: ${page.status} ${page.to ?? ''} ${page.body}`);
  process.exit(1);
}
const token = await send('POST', '/token', {
  grant_type: 'authorization_code', client_id: client, redirect_uri: redirect, code: given, code_verifier: verifier,
});
if (token.status !== 200) {
  console.error(`no token: ${token.status} ${token.body}`);
  process.exit(1);
}
console.log(JSON.parse(token.body).id_token);
