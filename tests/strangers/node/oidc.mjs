// A certified OpenID provider (npm oidc-provider) for the tests: any login name is let in, with any password.
// "unverified:a@b" signs in as a@b without a verified address; "hd=x:a@b" adds a hosted domain.
import https from 'node:https'
import fs from 'node:fs'
import Provider from 'oidc-provider'

const [certificate, key, secret] = process.argv.slice(2)
const server = https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) })
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'misentinel', client_secret: secret, redirect_uris: ['https://localhost:8443/unused'],
      response_types: ['code'], grant_types: ['authorization_code']
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified', 'hd'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: [secret] },
    findAccount: (context, id) => ({
      accountId: id,
      claims: () => {
        const [rest, mark] = [id.replace(/^.*:/, ''), id.includes(':') ? id.replace(/:.*$/, '') : '']
        const more = mark.startsWith('hd=') ? { hd: mark.slice(3) } : {}
        return { sub: id, email: rest, email_verified: mark !== 'unverified', name: 'Nadia Sand', ...more }
      }
    })
  })
  provider.Client.prototype.redirectUriAllowed = (uri) => uri.startsWith('https://localhost:8443/sign-in/company/')
  server.on('request', provider.callback())
  console.log(JSON.stringify({ issuer }))
})
process.stdin.on('end', () => process.exit(0)).resume()
