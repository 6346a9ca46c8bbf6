// Sends one of every call with @segment/analytics-node, as its manual shows.
const { Analytics } = require('@segment/analytics-node')

const [host, writeKey, person] = process.argv.slice(2)
const client = new Analytics({ host, writeKey, maxRetries: 0 })
const failures = []
client.on('error', (failure) => failures.push(failure))
client.page({ anonymousId: `${person}-device`, name: 'Pricing', properties: { path: '/pricing' } })
client.identify({ userId: person, anonymousId: `${person}-device`, traits: { email: `${person}@example.com`, plan: 'pro' } })
client.track({ userId: person, event: 'Plan selected', properties: { price: 9.5, café: '東京' } })
client.screen({ userId: person, name: 'Start' })
client.group({ userId: person, groupId: 'g-1', traits: { seats: 7 } })
client.alias({ userId: person, previousId: `${person}-before` })
client.closeAndFlush({ timeout: 15000 }).then(() => process.exit(failures.length ? 1 : 0))
