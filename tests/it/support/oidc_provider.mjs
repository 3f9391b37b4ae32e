// A certified OpenID provider (npm's oidc-provider) for one client. Prints its address, then reads the client's redirect URI.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(pathToFileURL(process.argv[2]).href);
const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  createInterface({ input: process.stdin }).once('line', (redirectUri) => {
    const provider = new Provider(issuer, {
      clients: [{
        client_id: 'portal',
        client_secret: 'the secret of the portal, for tests only',
        redirect_uris: [redirectUri],
        post_logout_redirect_uris: [new URL('/login', redirectUri).href],
      }],
      claims: { openid: ['sub', 'application_roles'], email: ['email', 'email_verified'], profile: ['name'] },
      // Each person's name at the provider is the email address.
      findAccount: (_, id) => ({
        accountId: id,
        claims: () => ({
          sub: id,
          email: id,
          email_verified: true,
          name: 'Pat Example',
          application_roles: { primetrade: { role: id.startsWith('boss') ? 'boss' : 'clerk' } },
        }),
      }),
      pkce: { required: () => true },
      cookies: { keys: ['for tests only'] },
    });
    server.on('request', provider.callback());
    console.log('ready');
  });
  console.log(issuer);
});
// The parent closes our input when it ends.
process.stdin.on('end', () => process.exit());
