// Sends one of every call with @rudderstack/rudder-sdk-node, which labels gzipped JSON as form-urlencoded.
const Analytics = require('@rudderstack/rudder-sdk-node')

const [dataPlaneUrl, writeKey, person] = process.argv.slice(2)
const client = new Analytics(writeKey, { dataPlaneUrl, flushAt: 20, retryCount: 0 })
client.page({ anonymousId: `${person}-device`, name: 'Pricing', properties: { path: '/pricing' } })
client.identify({ userId: person, anonymousId: `${person}-device`, traits: { email: `${person}@example.com`, plan: 'pro' } })
client.track({ userId: person, event: 'Plan selected', properties: { price: 9.5, café: '東京' } })
client.screen({ userId: person, name: 'Start' })
client.group({ userId: person, groupId: 'g-1', traits: { seats: 7 } })
client.alias({ userId: person, previousId: `${person}-before` })
client.flush((failure) => process.exit(failure ? 1 : 0))
