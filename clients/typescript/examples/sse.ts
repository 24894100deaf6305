/** Prints the first five events of a subscription, as server-sent events; acknowledges by its id. */

import { serverSentEvents } from "../src/sse.js";

const address = process.argv[2] ?? "http://127.0.0.1:8080";
const subscription = `${address}/api/v1/subscriptions/node-sse`;
const stop = new AbortController();
let count = 0;
let last = "";
for await (const message of serverSentEvents(`${subscription}/stream`, { signal: stop.signal })) {
  const { offset, topic, event } = JSON.parse(message.data) as {
    offset?: number;
    topic?: string;
    event?: { instrument?: string };
  };
  if (event === undefined) continue;
  console.log(`${event.instrument} (${topic}, offset ${offset})`);
  last = message.id;
  if (++count === 5) break;
}
const answer = await fetch(`${subscription}/ack`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ up_to: [last] }),
});
if (!answer.ok) throw new Error(await answer.text());
console.log(`${count} events acknowledged`);
stop.abort();
