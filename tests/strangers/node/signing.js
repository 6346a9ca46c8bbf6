// Signs one request as the guide says, with a library that shares nothing with ours, and sends it twice.
"use strict";
const { createHash, randomUUID } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { httpbis, createSigner } = require("http-message-signatures");

const [url, secret, keyId, privateKey] = process.argv.slice(2);

(async () => {
  const body = JSON.stringify({ userId: "asha", event: "Signed" });
  const digest = createHash("sha256").update(body).digest("base64");
  const headers = {
    authorization: `Bearer ${secret}`,
    "content-type": "application/json",
    "content-digest": `sha-256=:${digest}:`,
  };
  const signed = await httpbis.signMessage(
    {
      key: createSigner(readFileSync(privateKey), "ed25519", keyId),
      fields: ["@method", "@target-uri", "content-digest"],
      params: ["created", "nonce", "keyid", "alg"],
      paramValues: { nonce: randomUUID() },
    },
    { method: "POST", url: `${url}/v1/track`, headers },
  );
  const statuses = [];
  for (const sent of [signed.headers, signed.headers, headers]) {
    const answer = await fetch(`${url}/v1/track`, { method: "POST", headers: sent, body });
    statuses.push(answer.status);
  }
  console.log(JSON.stringify(statuses));
})();
