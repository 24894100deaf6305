/** Makes two subscriptions and publishes indicators of the last five bars. */

import { Client, nanos, newId, TidingsError } from "../src/client.js";
import { Kind } from "../src/gen/tidings/v1/event_pb.js";

const client = new Client(process.argv[2] ?? "http://127.0.0.1:8080");
const topics = ["analysis/indicators/*"];
for (const name of ["node-grpc", "node-websocket", "node-sse"]) {
  await client.admin.createSubscription({ name, topics });
}

const bar = 300_000;
const end = Math.floor(Date.now() / bar) * bar;
const results = await client.publish(
  ...[5, 4, 3, 2, 1].map((ago) => ({
    id: newId(),
    source: "node-example",
    kind: Kind.INDICATORS,
    instrument: "AAPL",
    venue: "XNAS",
    timeframe: "5m",
    intervalStart: nanos(new Date(end - ago * bar)),
    intervalEnd: nanos(new Date(end - (ago - 1) * bar)),
    producedAt: nanos(new Date()),
    payload: {
      case: "indicators" as const,
      value: { values: { rsi_14: { value: 45 - ago } } },
    },
  })),
);
for (const result of results) {
  if (result.error) throw new TidingsError(result.error);
  console.log(`stored ${result.topic}/${result.partition} at ${result.offset}`);
}
