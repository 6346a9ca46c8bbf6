// An identity provider made of npm samlify. Reads one JSON line for each sign-in: our metadata, our request, who signs in.
const fs = require('node:fs')
const readline = require('node:readline')
const saml = require('samlify')

const [certificate, key] = process.argv.slice(2).map((file) => fs.readFileSync(file, 'utf8'))
saml.setSchemaValidator({ validate: async () => 'not here: our side validates' })
const bare = certificate.replace(/-----[A-Z ]+-----|\s/g, '')
const template = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{ID}" Version="2.0" IssueInstant="{IssueInstant}" Destination="{Destination}" InResponseTo="{InResponseTo}"><saml:Issuer>{Issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="{StatusCode}"/></samlp:Status><saml:Assertion ID="{AssertionID}" Version="2.0" IssueInstant="{IssueInstant}"><saml:Issuer>{Issuer}</saml:Issuer><saml:Subject><saml:NameID Format="{NameIDFormat}">{NameID}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData NotOnOrAfter="{Ends}" Recipient="{Recipient}" InResponseTo="{InResponseTo}"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="{IssueInstant}" NotOnOrAfter="{Ends}"><saml:AudienceRestriction><saml:Audience>{Audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{IssueInstant}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion></samlp:Response>`
const provider = saml.IdentityProvider({
  entityID: 'https://id.acme.example.com/saml', signingCert: bare, privateKey: key, wantAuthnRequestsSigned: true,
  requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', isAssertionEncrypted: false,
  nameIDFormat: ['urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress'],
  singleSignOnService: [{ Binding: saml.Constants.namespace.binding.redirect, Location: 'https://id.acme.example.com/sign-in' }],
  loginResponseTemplate: { context: template, attributes: [] }
})

const answer = async ({ metadata, query, email }) => {
  const us = saml.ServiceProvider({ metadata })
  const octetString = query.replace(/&Signature=.*/, '')
  const parameters = Object.fromEntries(new URLSearchParams(query))
  const request = await provider.parseLoginRequest(us, 'redirect', { query: parameters, octetString })
  const at = new Date()
  const acs = us.entityMeta.getAssertionConsumerService('post')
  const tags = {
    ID: `_${crypto.randomUUID()}`, AssertionID: `_${crypto.randomUUID()}`, IssueInstant: at.toISOString(),
    Ends: new Date(at.getTime() + 300000).toISOString(), Destination: acs, Recipient: acs,
    InResponseTo: request.extract.request.id, Issuer: provider.entityMeta.getEntityID(),
    StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success', NameIDFormat: 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
    NameID: email, Audience: us.entityMeta.getEntityID()
  }
  const replaced = (text) => ({ id: tags.ID, context: saml.SamlLib.replaceTagsByValue(text, tags) })
  const made = await provider.createLoginResponse(us, request, 'post', { email }, replaced)
  return { SAMLResponse: made.context, RelayState: parameters.RelayState }
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  answer(JSON.parse(line)).catch((error) => ({ error: String(error) })).then((told) => console.log(JSON.stringify(told)))
}).on('close', () => process.exit(0))
